#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_nfs_storage
short_description: Manage an Azure Files NFS share with its account and network
version_added: 0.1.0
description:
  - Creates, changes and deletes one shared storage as a whole, the storage account, its NFS share and the network that
    leads to it.
  - Reads what is there, computes a plan, carries it out and reads again. A second run plans nothing. A run that failed
    half way is resumed by running again.
  - Options that are not set leave an existing storage as it is.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.azure_auth
  - azlin.storage.prices
  - azlin.storage.attributes
  - azlin.storage.attributes.actiongroup_azure
attributes:
  check_mode:
    support: full
    details:
      - Only reads are sent. Whether the name of a new account is still free is asked in a real run only.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) creates the storage or brings it to what the options say.
      - V(absent) deletes the share, with those of O(more_shares), and, when the account holds no other share, its
        private endpoints that carry the tag C(managed-by=azlin), with their DNS records, and the account. RV(recovery)
        names the endpoints that stay.
      - A deletion needs O(confirm), refuses accounts that lack the tag C(managed-by=azlin) or are not of the kind
        FileStorage, shares of another protocol than NFS, shares with attached homes, as they are recorded in Azure and
        in O(used_by), and shares with snapshots, unless O(delete_snapshots) is set. Homes on a
        soft-deleted share count where that would go with its account. The virtual network and the DNS zone stay.
        Where the account is in another resource group of the subscription, that is an error.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The storage account, 3 to 24 lower-case letters and digits, unique in all of Azure.
    type: str
    required: true
  resource_group:
    description:
      - The resource group; it must exist.
    type: str
    required: true
  location:
    description:
      - The region. It cannot be changed later.
      - When not set, a new account is created in the region of the resource group.
    type: str
  share:
    description:
      - The file share in the account.
    type: str
    default: home
  more_shares:
    description:
      - Further shares of the account that a deletion takes along, so that the account goes too if it holds no others.
        All of them are looked at before the first one is deleted; those that do not exist are left out.
    type: list
    elements: str
    default: []
  size:
    description:
      - The provisioned size in GiB, such as V(500), V(500GiB), V(500GB) or V(1TB) (1024 GiB). On provisioned v1 it is
        100 to 102400 GiB, on provisioned v2 documented as 32 to 262144 GiB.
      - When not set, a new share gets 100 GiB and an existing one keeps its size.
      - Becoming smaller needs O(allow_shrink).
    type: str
  tier:
    description:
      - V(premium) is SSD. V(standard) is refused, since NFS shares exist on SSD only.
    type: str
    choices: [premium, standard]
    default: premium
  redundancy:
    description:
      - V(LRS) keeps three copies in one datacenter, V(ZRS) one in each of three zones. It cannot be changed later.
      - When not set, a new account gets V(LRS).
    type: str
    choices: [LRS, ZRS]
  billing_model:
    description:
      - How Azure bills the share. On V(provisioned_v1) the size brings IOPS and throughput with it, on
        V(provisioned_v2) each of the three is provisioned and billed on its own. It cannot be changed later.
      - When not set, a new account gets V(provisioned_v1) and an existing one keeps its own.
    type: str
    choices: [provisioned_v1, provisioned_v2]
  provisioned_iops:
    description:
      - The provisioned IOPS of a share on V(provisioned_v2); refused on V(provisioned_v1).
      - When not set, Azure gives a new share what it recommends for its size, and an existing one keeps what it has,
        also when its size changes.
      - The limits are those that the file service of an existing account tells; documented are 3000 to 102400.
      - Becoming smaller needs O(allow_shrink).
    type: int
  provisioned_throughput:
    description:
      - The provisioned throughput of a share on V(provisioned_v2) in MiB/s; all else is as with O(provisioned_iops).
      - Documented are 100 to 10340 MiB/s; the least that a file service takes can be more.
    type: int
  paid_bursting:
    description:
      - Let a share on V(provisioned_v1) exceed its IOPS and throughput, for which Azure charges; refused on
        V(provisioned_v2).
      - When not set, a new share has none and an existing one keeps what it has.
    type: dict
    suboptions:
      enabled:
        description:
          - Whether it is on.
        type: bool
        required: true
      max_iops:
        description:
          - The most IOPS to pay for, up to 102400.
          - When not set, what it was, or as much as Azure allows.
        type: int
      max_throughput:
        description:
          - The most throughput to pay for in MiB/s, up to 10340.
          - When not set, what it was, or as much as Azure allows.
        type: int
  root_squash:
    description:
      - V(NoRootSquash) lets root of a host be root on the share, V(RootSquash) makes it nobody, V(AllSquash) makes
        everybody nobody.
      - When not set, a new share gets V(NoRootSquash).
    type: str
    choices: [NoRootSquash, RootSquash, AllSquash]
  encryption_in_transit:
    description:
      - V(required) refuses plaintext mounts; hosts then need the C(aznfs) client. V(disabled) admits both.
      - When not set, a new storage gets V(disabled).
    type: str
    choices: [disabled, required]
  network:
    description:
      - How hosts reach the share. NFS has no other protection, so a new storage needs this.
      - When not set, an existing storage keeps its network.
      - A deletion leaves the network as it is. Set it as for the creation, so that an endpoint with its own name is
        found, or one in another subscription after its account was deleted by hand.
    type: dict
    suboptions:
      mode:
        description:
          - V(private_endpoint) closes the account to the public and gives it an address in the subnet, with a name in a
            private DNS zone.
          - V(service_endpoint) keeps the public address and admits the listed subnets only, which must be in the region
            of the storage.
          - Changing the mode while homes are attached is refused without O(force).
        type: str
        choices: [private_endpoint, service_endpoint]
        default: private_endpoint
      virtual_network:
        description:
          - The virtual network of the subnets that are given by name.
        type: str
      subnets:
        description:
          - The subnet of the private endpoint, or all subnets that are admitted, by name or resource id. An id may be
            of any resource group and subscription that the identity reaches.
          - In mode V(service_endpoint) the list is complete; subnets that are not in it lose access, and rules for
            subnets that were deleted are removed.
        type: list
        elements: str
        required: true
        aliases: [subnet]
      resource_group:
        description:
          - The resource group of the virtual network. When not set, that of the storage.
        type: str
      create:
        description:
          - Create the virtual network or subnet if it does not exist. One that exists is never changed, except that
            mode V(service_endpoint) adds the service endpoint C(Microsoft.Storage) to subnets that have neither it
            nor C(Microsoft.Storage.Global). Azure replaces a subnet as a whole, so it is sent back as it was read, on
            the condition (C(If-Match)) that nobody changed it meanwhile; if somebody did, it is read again.
        type: bool
        default: false
      address_prefix:
        description:
          - The address space of a virtual network that is created.
        type: str
        default: 10.0.0.0/16
      subnet_prefix:
        description:
          - The addresses of a subnet that is created.
        type: str
        default: 10.0.0.0/24
      endpoint_name:
        description:
          - The name of the private endpoint. When not set, the name of the account with C(-pe).
          - A deletion finds the endpoint by this name.
          - The endpoint is in the resource group of the storage. Azure wants it in the subscription of its virtual
            network, so for a network of another subscription it is in the resource group of the network.
        type: str
      manual_approval:
        description:
          - Ask the owner of the account to approve the private endpoint, instead of approving it in the same request.
            For an identity without C(Microsoft.Storage/storageAccounts/privateEndpointConnectionsApproval/action).
          - Nobody is waited for. The run succeeds, RV(storage.network.private_endpoints[].state) is V(Pending), and a
            warning names the command that approves. Run again afterwards, which adds the DNS record.
          - A new account is closed from its first moment. An account that admits subnets goes on admitting them, and
            the DNS zone is not linked, until a run finds the endpoint approved; that run closes it.
          - A rejected request is an error and not repeated.
        type: bool
        default: false
      request_message:
        description:
          - What the owner reads with the request of O(network.manual_approval), up to 140 characters.
        type: str
      nsg_rule:
        description:
          - Add one rule that allows NFS (TCP 2049, with and without encryption in transit) to the network security
            groups of the subnets. In mode V(service_endpoint) it is C(azlin-nfs-outbound), from the virtual network to
            the service tag C(Storage). In mode V(private_endpoint) it is C(azlin-nfs-inbound) in the subnet of the
            endpoint, from and to the virtual network; Azure applies it to endpoints only if
            C(privateEndpointNetworkPolicies) of the subnet says so, which is not changed.
          - It gets the first free priority. Other rules are never changed; a warning names those that come first and
            deny the port. A subnet without a security group is refused.
          - The rule serves all storages and stays when one is deleted.
        type: bool
        default: false
      dns:
        description:
          - The private DNS zone, only in mode V(private_endpoint).
        type: dict
        suboptions:
          manage:
            description:
              - Whether zone, link to the virtual network and record are taken care of. Set it to V(false) where an
                Azure Policy or somebody else does that.
            type: bool
            default: true
          zone_id:
            description:
              - The resource id of an existing zone, such as a central one, in any subscription. Its name has to be
                C(privatelink.file.SUFFIX), with the suffix of the cloud. The zone itself is never changed; a link to
                the virtual network and the record are added.
              - When not set, the zone C(privatelink.file.SUFFIX) in the resource group of the storage is used, and
                created if needed. If the virtual network is linked to another zone of that name, one with the tag
                C(managed-by=azlin) is used, and any other one is named in an error.
              - Where the storage's name is in another zone already, it moves to one that is named here. That takes it
                from hosts that only know the other zone, so it is refused while homes are attached, without O(force).
                When not set, the name does not move; that is an error, which tells the zone.
              - A zone has one address for a storage. A second private endpoint of the storage, for another network,
                needs another zone, or O(network.dns.manage=false); otherwise it is refused.
            type: str
  soft_delete_days:
    description:
      - For how many days Azure keeps deleted shares of the account; V(0) turns that off.
      - When not set, a new account gets 7.
    type: int
  tags:
    description:
      - Tags of the account, added to those it has. The tag C(managed-by=azlin) is always there.
    type: dict
  purge_tags:
    description:
      - Remove the tags of the account that are not in O(tags), other than C(managed-by). Without O(tags) nothing is
        removed; an empty O(tags) removes all others.
    type: bool
    default: false
  template:
    description:
      - A named set of options. Each counts as if it had been set, unless it is set beside it.
      - "V(dev): O(size=100GiB), O(redundancy=LRS), O(billing_model=provisioned_v1), O(soft_delete_days=3)."
      - "V(team): O(size=1TiB), O(redundancy=ZRS), O(billing_model=provisioned_v1), O(soft_delete_days=14)."
      - "V(ml): O(size=4TiB), O(redundancy=LRS), O(billing_model=provisioned_v2), O(provisioned_iops=20000),
        O(provisioned_throughput=1024), O(soft_delete_days=7). With another O(billing_model) the IOPS and the throughput
        are left out."
    type: str
    choices: [dev, team, ml]
  restore:
    description:
      - What to do when O(share) does not exist, but a soft-deleted share has its name; or when the account does not
        exist, but a deleted one of the subscription had its name.
      - When not set, that is refused, since a new share would be empty, and a deleted account cannot be recovered any
        more once a new one has its name.
      - V(true) restores the soft-deleted share with its files, the newest if there are several, and then brings it to
        what the options say. It is refused when there is nothing to restore, and does nothing when the share exists.
      - V(false) creates a new, empty share. The soft-deleted one stays until it is purged, and
        C(az storage share-rm restore --restored-name) brings it back under another name. A deleted account is given up.
    type: bool
  delete_snapshots:
    description:
      - Delete the snapshots of the share with it. Otherwise a share that has snapshots is not deleted.
    type: bool
    default: false
  allow_shrink:
    description:
      - Whether O(size), O(provisioned_iops) and O(provisioned_throughput) may be smaller than what is provisioned.
      - Azure takes a decrease 24 hours after the last increase; an earlier one is refused before anything is changed.
      - A size is refused of which more than 90 percent would be in use, and any decrease of it while the use is not
        known.
    type: bool
    default: false
  confirm:
    description:
      - The name of the storage once more, as confirmation of a deletion.
    type: str
  force:
    description:
      - Delete, or make a change that takes the share from hosts, although homes are attached. No other check is lifted.
      - "Such changes are: another mode of the network, a subnet that is not listed any more, a private endpoint that
        goes since the mode is V(service_endpoint), another O(network.dns.zone_id), O(encryption_in_transit=required)
        and O(root_squash=AllSquash) where it was not so before. Another one is to remove the last subnet, be it a
        deleted one, or private endpoint of another subscription while homes of its machines are attached or may not be
        listed, since nobody would ask there again."
    type: bool
    default: false
  used_by:
    description:
      - Hosts that have a home on the share, or may have, as they were asked (C(HOST/USER)). A deletion is refused as
        for an attachment that is recorded in Azure, and O(force) lifts that. The playbook C(azlin.storage.delete) asks
        them.
    type: list
    elements: str
    default: []
  wait_timeout:
    description:
      - For how many seconds the whole run may wait for Azure.
    type: int
    default: 1800
notes:
  - A storage account that does not carry the tag C(managed-by=azlin) is never touched.
  - Warnings say what has to be done by people, such as approving a private endpoint.
  - "Sources: Azure documentation, articles files-nfs-protocol, storage-files-networking-endpoints,
    understanding-billing, storage-files-prevent-file-share-deletion and encryption-in-transit-for-nfs-shares."
seealso:
  - module: azlin.storage.azlin_storage_info
  - module: azlin.storage.azlin_attachment
  - name: NFS file shares in Azure Files
    description: What the service can do.
    link: https://learn.microsoft.com/azure/storage/files/files-nfs-protocol
"""

EXAMPLES = r"""
- name: A storage behind a private endpoint
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    location: westus2
    size: 500GiB
    network:
      virtual_network: team-vnet
      subnet: endpoints

- name: A storage for the hosts of one subnet, over a service endpoint
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    network:
      mode: service_endpoint
      virtual_network: team-vnet
      subnet: hosts

- name: A storage whose endpoint somebody else approves, with the central DNS zone of another subscription
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    network:
      virtual_network: team-vnet
      subnet: endpoints
      manual_approval: true
      request_message: Homes of the team, asked for by the platform group
      dns:
        zone_id: "{{ hub }}/providers/Microsoft.Network/privateDnsZones/privatelink.file.core.windows.net"
  vars:
    hub: /subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/hub-dns

- name: Make it larger
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    size: 1TB

- name: A storage with its own IOPS and throughput
  azlin.storage.azlin_nfs_storage:
    name: teamdata01
    resource_group: team
    size: 2TiB
    billing_model: provisioned_v2
    provisioned_iops: 12000
    provisioned_throughput: 600
    network:
      virtual_network: team-vnet
      subnet: endpoints

- name: A storage as the template says, but smaller
  azlin.storage.azlin_nfs_storage:
    name: teamhomes02
    resource_group: team
    template: team
    size: 500GiB
    network:
      virtual_network: team-vnet
      subnet: endpoints

- name: Bring a deleted share of an existing storage back
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    share: projects
    restore: true

- name: Delete it
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    state: absent
    confirm: teamhomes01
"""

RETURN = r"""
storage:
  description: The storage after the run, or in check mode as it would be; null when absent. What is unknown is null.
  returned: success
  type: dict
  contains:
    name:
      description: The storage account.
      type: str
      sample: teamhomes01
    id:
      description: The resource id of the storage account.
      type: str
    resource_group:
      description: The resource group.
      type: str
    subscription_id:
      description: The subscription.
      type: str
    location:
      description: The region in its short form.
      type: str
      sample: westus2
    share:
      description: The file share.
      type: str
      sample: home
    share_id:
      description: The resource id of the share.
      type: str
    size_gib:
      description: The provisioned size in GiB.
      type: int
      sample: 500
    used_bytes:
      description: What is really used, in bytes.
      type: int
    utilization_percent:
      description: Used bytes as a percentage of the provisioned size.
      type: float
    tier:
      description: V(premium), that is SSD.
      type: str
    redundancy:
      description: How many copies are kept where, such as V(LRS) or V(ZRS).
      type: str
    billing_model:
      description: V(provisioned_v1) or V(provisioned_v2).
      type: str
    provisioned_iops:
      description: The provisioned IOPS on V(provisioned_v2), else null.
      type: int
    provisioned_throughput:
      description: The provisioned throughput in MiB/s on V(provisioned_v2), else null.
      type: int
    paid_bursting:
      description: Paid bursting on V(provisioned_v1), else null.
      type: dict
      contains:
        enabled:
          description: Whether it is on.
          type: bool
        max_iops:
          description: The most IOPS that are paid for.
          type: int
        max_throughput:
          description: The most throughput that is paid for, in MiB/s.
          type: int
    next_allowed_decrease:
      description: From when on Azure takes a decrease.
      type: dict
      contains:
        size:
          description: Of the size.
          type: str
          sample: "2026-11-22T02:00:00Z"
        provisioned_iops:
          description: Of the provisioned IOPS.
          type: str
        provisioned_throughput:
          description: Of the provisioned throughput.
          type: str
    sku:
      description: Azure's word for tier, billing model and redundancy.
      type: str
      sample: Premium_LRS
    created:
      description: When the account was created, as Azure says it.
      type: str
    nfs_endpoint:
      description: What hosts mount.
      type: str
      sample: teamhomes01.file.core.windows.net:/teamhomes01/home
    network:
      description: How the storage is reached.
      type: dict
      contains:
        mode:
          description: V(private_endpoint), V(service_endpoint), or null when neither fits.
          type: str
        public_network_access:
          description: Whether the public endpoint exists, V(Enabled) or V(Disabled).
          type: str
        default_action:
          description: What the account does with requests that no rule admits.
          type: str
        subnets:
          description: The ids of the subnets that are admitted over service endpoints.
          type: list
          elements: str
        deleted_subnets:
          description: The ids in rules of the account whose subnet was deleted; they admit nobody.
          type: list
          elements: str
        private_endpoints:
          description: The private endpoints that lead to the account.
          type: list
          elements: dict
          contains:
            name:
              description: The name of the endpoint.
              type: str
            id:
              description: Its resource id.
              type: str
            state:
              description: The state of its connection, such as V(Approved) or V(Pending).
              type: str
            subnet_id:
              description: The subnet that it lives in.
              type: str
            ip_address:
              description: Its address.
              type: str
        dns_zone:
          description: The id of the private DNS zone that holds its name.
          type: str
    root_squash:
      description: How the share treats root of the hosts.
      type: str
    encryption_in_transit:
      description: V(required) when plaintext mounts are refused, else V(disabled).
      type: str
    soft_delete_days:
      description: For how many days deleted shares of the account are kept.
      type: int
    soft_deleted:
      description: The soft-deleted versions of the share, the newest first.
      type: list
      elements: dict
      contains:
        version:
          description: Azure's word for the version.
          type: str
        deleted_time:
          description: When it was deleted, as Azure says it.
          type: str
        purge_time:
          description: About when Azure purges it.
          type: str
          sample: "2026-11-27T08:00:00Z"
        size_gib:
          description: Its provisioned size in GiB.
          type: int
    restorable_shares:
      description: Names of all soft-deleted shares of the account; they go with it, which goes with its last share.
      type: list
      elements: str
    provisioning_state:
      description: Azure's state of the account.
      type: str
    managed:
      description: Whether the account carries the tag C(managed-by=azlin), so that this collection may change it.
      type: bool
    tags:
      description: The tags of the account.
      type: dict
    cost:
      description: An estimate of what the storage costs a month.
      type: dict
      contains:
        monthly:
          description: The sum, or null when a price is unknown.
          type: float
        currency:
          description: The currency.
          type: str
        source:
          description: Where the prices come from, the price API or the built-in table, and their date.
          type: str
          sample: price API, 2026-11-21
        parts:
          description: What the sum is made of.
          type: list
          elements: dict
          contains:
            name:
              description: What is billed.
              type: str
            quantity:
              description: How much of it there is.
              type: int
            unit:
              description: The unit of the quantity.
              type: str
            unit_price:
              description: The price of one unit for a month.
              type: float
            monthly:
              description: Quantity times price.
              type: float
    attached_vms:
      description:
        - The virtual machines with a home on the share, as recorded by M(azlin.storage.azlin_attachment); null, with a
          warning, where the identity may not list those of every subscription that the storage is reached from.
      type: list
      elements: dict
      contains:
        name:
          description: The virtual machine.
          type: str
        id:
          description: Its resource id.
          type: str
        resource_group:
          description: Its resource group.
          type: str
        user:
          description: Whose home it is.
          type: str
        mount_point:
          description: Where the share is mounted.
          type: str
    warnings:
      description: What is worth a warning, that 80 or 90 % of the size are used; null when the use is unknown.
      type: list
      elements: str
plan:
  description: The steps of the run, or in check mode those that would be taken, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(restore) or V(delete).
      type: str
    resource:
      description:
        - The kind and name of the resource, for a subnet or a rule with what it belongs to (C(subnet homes of net)).
          Where others of the plan have the same name, it is the id.
      type: str
      sample: storage account teamhomes01
    before:
      description: The properties that change, as they were; null if the resource did not exist.
      type: dict
    after:
      description: The same properties as they will be; null if the resource is deleted.
      type: dict
recovery:
  description:
    - What can be brought back after a deletion, how and until when; null when nothing was deleted.
    - Of a deletion that failed in part it also says what is deleted; where nothing is, it is left out.
  returned: O(state=absent)
  type: str
error_code:
  description: What kind of failure it is; a stable word to branch on.
  returned: failure
  type: str
  sample: immutable_property
causes:
  description: Possible causes, each with its remedy.
  returned: failure
  type: list
  elements: dict
try:
  description: A command that helps.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._azure import desired, retail
from ansible_collections.azlin.storage.plugins.module_utils._azure.argspec import (
    auth_options,
    price_options,
    storage_options,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.clients import Azure
from ansible_collections.azlin.storage.plugins.module_utils._azure.converge import converge
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module


def manage(module):
    """Check the options, sign in and converge."""
    desired.check_options(module.params)
    retail.check_options(module.params)
    return converge(Azure(module.params), module.params, module.check_mode)


def main():
    """Entry point."""
    argument_spec = {**storage_options(), **price_options(), **auth_options()}
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run_module(module, lambda: manage(module))


if __name__ == "__main__":
    main()
