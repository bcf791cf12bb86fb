# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there now, read with as few requests as possible and at the same time.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._azure import attachments, errors, wire

# Requests in flight at once; Azure answers reads of one subscription in parallel.
WORKERS = 10


@dataclass(frozen=True)
class Present:
    """Resources as the REST API shows them; None for what does not exist (or was not asked for)."""

    account: dict | None = None
    file_service: dict | None = None
    share: dict | None = None
    shares: tuple = ()
    endpoint: dict | None = None
    zone_group: dict | None = None
    zone: dict | None = None
    links: tuple = ()
    virtual_networks: dict = field(default_factory=dict)
    virtual_machines: tuple = ()
    resource_group: dict | None = None
    regions: dict | None = None

    @property
    def endpoints(self):
        """The endpoint with its zone group, as result.storage takes them."""
        return [] if self.endpoint is None else [(self.endpoint, self.zone_group)]

    def virtual_network(self, vnet_id):
        """The virtual network of an id, or None."""
        return self.virtual_networks.get(str(vnet_id).lower())

    def subnet(self, subnet_id):
        """The subnet of an id, or None."""
        network = self.virtual_network(subnet_id.parent)
        for subnet in wire.properties(network).get("subnets") or []:
            if subnet["name"].lower() == subnet_id.name.lower():
                return subnet
        return None


def concurrently(calls, workers=WORKERS):
    """Run a dict of calls at once and return a dict of their values; the first error in their order is raised."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = {key: pool.submit(call) for key, call in calls.items()}
        return {key: future.result() for key, future in futures.items()}


def read(doing, call, *args, **kwargs):
    """The body of one resource, or None when it does not exist; everything else that goes wrong is an error."""
    try:
        return call(*args, cls=wire.body, **kwargs)
    except Exception as exc:
        if errors.is_missing(exc):
            return None
        raise errors.from_azure(exc, f"Reading {doing}") from exc


def read_list(doing, call, *args, missing=None, **kwargs):
    """The bodies of all pages of a list; ``missing`` is returned when its parent does not exist, unless None."""
    try:
        return tuple(wire.items(call, *args, **kwargs))
    except Exception as exc:
        if missing is not None and errors.is_missing(exc):
            return missing
        raise errors.from_azure(exc, f"Listing {doing}") from exc


def virtual_machines(azure):
    """All virtual machines of the subscription with their tags: one query, whatever their number."""
    return read_list(
        "virtual machines",
        azure.resources().resources.list,
        filter=f"resourceType eq '{attachments.VM_TYPE}'",
    )


def observe(azure, wanted):
    """Return what is :class:`Present` of a wanted storage."""
    calls = _storage_calls(azure, wanted)
    if wanted.network is not None:
        calls.update(_network_calls(azure, wanted.network))
    values = concurrently(calls)
    networks = {key[1]: values.pop(key) for key in list(values) if isinstance(key, tuple)}
    present = {**values, "virtual_networks": networks}
    if present["account"] is None:
        present.update(_before_creation(azure, wanted.account))
    return Present(**present)


def observe_for_deletion(azure, wanted):
    """Return what is :class:`Present` of a storage that is to go; the network and its zone stay out of it."""
    values = concurrently(
        {
            **_storage_calls(azure, wanted),
            "shares": lambda: read_list(
                "shares",
                azure.storage().file_shares.list,
                wanted.account.resource_group,
                wanted.account.name,
                missing=(),
            ),
        }
    )
    return Present(**values)


def _storage_calls(azure, wanted):
    storage, network = azure.storage(), azure.network()
    group, name = wanted.account.resource_group, wanted.account.name
    endpoint = wanted.endpoint.name
    return {
        "account": lambda: read("the storage account", storage.storage_accounts.get_properties, group, name),
        "file_service": lambda: read("the file service", storage.file_services.get_service_properties, group, name),
        "share": lambda: read("the share", storage.file_shares.get, group, name, wanted.share, expand="stats"),
        "endpoint": lambda: read("the private endpoint", network.private_endpoints.get, group, endpoint),
        "zone_group": lambda: read(
            "the DNS zone group", network.private_dns_zone_groups.get, group, endpoint, wanted.zone_group.name
        ),
        "virtual_machines": lambda: virtual_machines(azure),
    }


def _network_calls(azure, network):
    calls = {("vnet", str(vnet).lower()): _vnet_call(azure, vnet) for vnet in network.virtual_networks}
    if network.zone is not None:
        dns, zone = azure.private_dns(network.zone.subscription), network.zone
        calls["zone"] = lambda: read("the private DNS zone", dns.private_zones.get, zone.resource_group, zone.name)
        calls["links"] = lambda: read_list(
            "links of the private DNS zone", dns.virtual_network_links.list, zone.resource_group, zone.name, missing=()
        )
    return calls


def _vnet_call(azure, vnet):
    networks = azure.network(vnet.subscription).virtual_networks
    return lambda: read("the virtual network", networks.get, vnet.resource_group, vnet.name)


def _before_creation(azure, account):
    """What has to be known before an account is created: its resource group and where its kind is offered."""
    return concurrently(
        {
            "resource_group": lambda: read(
                "the resource group", azure.resources().resource_groups.get, account.resource_group
            ),
            "regions": lambda: _regions(azure),
        }
    )


def _regions(azure):
    """SKU name -> set of regions that offer it for FileStorage; None if the identity may not ask.

    The question saves a half-made network when the region is wrong, so a refusal is no reason to fail here: Azure
    then says by itself what is wrong with the account.
    """
    try:
        listed = wire.items(azure.storage().skus.list)
    except Exception as exc:
        if getattr(exc, "status_code", None) in (403, 404):
            return None
        raise errors.from_azure(exc, "Listing the regions of premium file storage") from exc
    offered = {}
    for sku in listed:
        if sku.get("kind") == "FileStorage" and sku.get("resourceType") == "storageAccounts":
            offered.setdefault(sku["name"], set()).update(place.lower() for place in sku.get("locations") or [])
    return offered
