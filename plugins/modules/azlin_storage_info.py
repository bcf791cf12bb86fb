#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_storage_info
short_description: List Azure Files NFS storages with size, use, cost and attached homes
version_added: 0.1.0
description:
  - Returns one storage, or all of a resource group or subscription that carry the tag C(managed-by=azlin). Those of
    others are returned on request (O(unmanaged)).
  - A query that fails is an error, never an empty list. A O(name) that is not found gives an empty list.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.azure_auth
  - azlin.storage.prices
  - azlin.storage.attributes
  - azlin.storage.attributes.info_module
  - azlin.storage.attributes.actiongroup_azure
options:
  name:
    description:
      - The storage account. When not set, all of them.
    type: str
  resource_group:
    description:
      - The resource group. When not set, the whole subscription.
    type: str
  share:
    description:
      - The file share. When not set, all NFS shares of an account.
    type: str
  unmanaged:
    description:
      - Whether to return also the NFS shares of accounts that lack the tag C(managed-by=azlin).
      - See RV(storages[].managed).
    type: bool
    default: false
  details:
    description:
      - Whether to read the file service and the private endpoints of each account too. Without them a listing takes
        fewer requests, and RV(storages[].soft_delete_days), RV(storages[].network.dns_zone) and the subnet and address
        of private endpoints are null, and so is RV(storages[].encryption_in_transit) unless the account alone says it.
      - When not set, they are read if O(name) is given.
      - A private endpoint in another resource group or subscription that the identity may not read leaves its values
        null, and a warning names it.
    type: bool
  all_shares:
    description:
      - Whether a listing asks each account for the list of its shares. V(false) reads the share V(home) of each, and
        those on which virtual machines have homes; that is one request an account and finds no other shares.
      - "When not set, the lists are asked for in regions with up to 80 storages; where they are not, a warning says so.
        Azure admits 100 lists in five minutes, but 800 reads."
      - Without effect when O(name) or O(share) is given.
    type: bool
  history_days:
    description:
      - For how many days up to now, 1 to 90, to add RV(storages[].history) from Azure Monitor. When not set, none.
      - It takes two requests for each share and one for each account, and the action
        C(Microsoft.Insights/metrics/read).
    type: int
  vm_costs:
    description:
      - Whether to add RV(cost.vms), what the virtual machines with homes on the storages cost, by Azure's price API.
      - It takes a list of the virtual machines of each subscription with attached ones.
    type: bool
    default: false
notes:
  - The list of an account's shares does not say how much they hold, so each share is read once. A listing takes at most
    two requests for an account with one share, and one more for every further share.
  - "Sources: Azure documentation, REST reference of Microsoft.Storage file shares (C($expand=stats)), scalability
    targets of storage accounts, supported metrics of Microsoft.Storage/storageAccounts/fileServices, REST reference of
    Azure Monitor metrics."
seealso:
  - module: azlin.storage.azlin_nfs_storage
"""

EXAMPLES = r"""
- name: All storages of the subscription
  azlin.storage.azlin_storage_info:
  register: all

- name: One storage
  azlin.storage.azlin_storage_info:
    name: teamhomes01
    resource_group: team
  register: one

- name: One storage with its use in the last month
  azlin.storage.azlin_storage_info:
    name: teamhomes01
    history_days: 30
  register: one

- name: What all of them cost, beside the virtual machines that use them
  azlin.storage.azlin_storage_info:
    vm_costs: true
  register: all

- name: What all of them cost in euros
  azlin.storage.azlin_storage_info:
    currency: EUR
  register: all
"""

RETURN = r"""
storages:
  description: The storages, one for each share. What is unknown is null.
  returned: success
  type: list
  elements: dict
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
    history:
      description:
        - Use and transactions of the last days in UTC, the oldest first and today, which is not over, last.
      returned: when O(history_days) is set
      type: dict
      contains:
        used:
          description: The largest use of each day, by the hour. Azure renews it several times a day.
          type: list
          elements: dict
          contains:
            time:
              description: When the day began.
              type: str
              sample: "2026-11-01T00:00:00Z"
            bytes:
              description: What was used, in bytes; null when Azure does not say.
              type: int
        transactions:
          description: How many requests to the share there were each day.
          type: list
          elements: dict
          contains:
            time:
              description: When the day began.
              type: str
              sample: "2026-11-01T00:00:00Z"
            count:
              description:
                - The number of requests; null when Azure does not say. Where Azure has no number for the share, but 0
                  for the whole account, it is 0.
              type: int
cost:
  description: What the storages cost a month together, an estimate.
  returned: success
  type: dict
  contains:
    storages:
      description: The number of storages.
      type: int
    unknown:
      description: How many of them have an unknown cost.
      type: int
    monthly:
      description: The sum, null as soon as one cost is unknown. Private endpoints of an account are counted once.
      type: float
    known_monthly:
      description: The sum of what is known.
      type: float
    currency:
      description: The currency.
      type: str
    resource_groups:
      description: The same for each resource group, under C(resource_group) its name.
      type: list
      elements: dict
    vms:
      description:
        - What the virtual machines with homes on the storages cost a month, in the same currency, as if they ran all of
          it. Disks, licences, reservations and savings plans are no part of it.
      returned: when O(vm_costs) is true
      type: dict
      contains:
        machines:
          description: The virtual machines.
          type: list
          elements: dict
          contains:
            name:
              description: The virtual machine.
              type: str
            id:
              description: Its resource id.
              type: str
            location:
              description: Its region in its short form.
              type: str
            size:
              description: Its size.
              type: str
              sample: Standard_D4s_v5
            spot:
              description: Whether it is a spot machine, whose price changes from day to day.
              type: bool
            monthly:
              description: What it costs, or null when that is unknown.
              type: float
        unknown:
          description: How many of them have an unknown cost.
          type: int
        monthly:
          description: The sum, null as soon as one cost is unknown or not all attached machines are known.
          type: float
        known_monthly:
          description: The sum of what is known.
          type: float
        storage_percent:
          description: How much of the sum of both the storages are; null when one of both is unknown.
          type: float
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

from ansible_collections.azlin.storage.plugins.module_utils._azure import listing
from ansible_collections.azlin.storage.plugins.module_utils._azure.argspec import auth_options, price_options
from ansible_collections.azlin.storage.plugins.module_utils._azure.clients import Azure
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module


def query(module):
    """Check the options, sign in and ask."""
    listing.check_options(module.params)
    return {"changed": False, **listing.listing(Azure(module.params), module.params)}


def main():
    """Entry point."""
    options = {
        "name": {"type": "str"},
        "resource_group": {"type": "str"},
        "share": {"type": "str"},
        "unmanaged": {"type": "bool", "default": False},
        "details": {"type": "bool"},
        "all_shares": {"type": "bool"},
        "history_days": {"type": "int"},
        "vm_costs": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec={**options, **price_options(), **auth_options()}, supports_check_mode=True)
    run_module(module, lambda: query(module))


if __name__ == "__main__":
    main()
