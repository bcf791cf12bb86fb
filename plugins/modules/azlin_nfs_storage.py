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
      - V(absent) deletes the share and, when the account holds no other share, its private endpoint with the DNS
        records and the account. It needs O(confirm), refuses accounts that lack the tag C(managed-by=azlin) and
        shares with attached homes. The virtual network and the DNS zone stay.
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
  size:
    description:
      - The provisioned size in GiB, such as V(500), V(500GiB), V(500GB) or V(1TB) (1024 GiB); 100 to 102400 GiB.
      - When not set, a new share gets 100 GiB and an existing one keeps its size.
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
      - How Azure bills the share. It cannot be changed later.
    type: str
    choices: [provisioned_v1]
    default: provisioned_v1
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
          - The subnet of the private endpoint, or all subnets that are admitted, by name or resource id.
          - In mode V(service_endpoint) the list is complete; subnets that are not in it lose access.
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
            mode V(service_endpoint) adds the service endpoint C(Microsoft.Storage) to subnets that lack it.
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
        type: str
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
              - The resource id of an existing zone, such as a central one.
              - When not set, the zone C(privatelink.file.SUFFIX) in the resource group of the storage is used, and
                created if needed.
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
  allow_shrink:
    description:
      - Whether O(size) may be smaller than what is provisioned.
    type: bool
    default: false
  confirm:
    description:
      - The name of the storage once more, as confirmation of a deletion.
    type: str
  force:
    description:
      - Delete, or change the mode of the network, although homes are attached.
    type: bool
    default: false
  wait_timeout:
    description:
      - For how many seconds the whole run may wait for Azure.
    type: int
    default: 1800
notes:
  - A storage account that does not carry the tag C(managed-by=azlin) is never touched.
  - "Sources: Azure documentation, articles files-nfs-protocol, storage-files-networking-endpoints,
    understanding-billing and encryption-in-transit-for-nfs-shares."
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

- name: Make it larger
  azlin.storage.azlin_nfs_storage:
    name: teamhomes01
    resource_group: team
    size: 1TB

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
    provisioning_state:
      description: Azure's state of the account.
      type: str
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
      description: The virtual machines with a home on the share, as recorded by M(azlin.storage.azlin_attachment).
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
plan:
  description: The steps of the run, or in check mode those that would be taken, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update) or V(delete).
      type: str
    resource:
      description: The kind and name of the resource.
      type: str
      sample: storage account teamhomes01
    before:
      description: The properties that change, as they were; null if the resource did not exist.
      type: dict
    after:
      description: The same properties as they will be; null if the resource is deleted.
      type: dict
recovery:
  description: What can be brought back after a deletion; null when nothing was deleted.
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
