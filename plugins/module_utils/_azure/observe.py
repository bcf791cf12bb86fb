# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there now, read with as few requests as possible and at the same time.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import datetime
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    errors,
    guards,
    provisioned,
    result,
    security,
    softdelete,
    waiters,
    wire,
    zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# Requests in flight at once; Azure answers reads of one subscription in parallel.
WORKERS = 10
# What Azure says to an identity that has no role there, is of another tenant, or does not see the subscription. One
# whose credentials were no good would not have come so far.
NOT_FOR_US = ("authorization_failed", "authentication_failed", "not_found")

# States of an account with nothing in it yet. Source: Azure REST reference, storage accounts.
_BEING_MADE = ("Creating", "ResolvingDNS")
_NOT_EVERYWHERE = ("Azure does not show the account everywhere yet, or not any more", "Run again in some minutes.")


@dataclass(frozen=True)
class Present:
    """Resources as the REST API shows them; None for what does not exist (or was not asked for).

    ``shares`` are those of the account, soft-deleted ones included; ``usage`` is read where the limits of the file
    service matter; ``moment`` is when all of it was read.
    """

    account: dict | None = None
    file_service: dict | None = None
    share: dict | None = None
    shares: tuple | None = None
    usage: dict | None = None
    moment: datetime.datetime | None = None
    endpoint: dict | None = None
    zone_group: dict | None = None
    # Of an account that is to go: its further endpoints with their zone groups, and the ids of those not shown to us.
    other_endpoints: tuple = ()
    hidden_endpoints: tuple = ()
    zone: dict | None = None
    # Whether the storage has a record in the zone; None if that was not asked, or not asked again.
    has_record: bool | None = None
    # That record; read where it can be that of another endpoint.
    record: dict | None = None
    links: tuple = ()
    virtual_networks: dict = field(default_factory=dict)
    security_groups: dict = field(default_factory=dict)
    # Same-named zones elsewhere that are linked to the wanted network, each with its links.
    other_zones: tuple = ()
    virtual_machines: tuple = ()
    # Subscription -> the error, where machines may be attached and could not be listed.
    unlisted: dict = field(default_factory=dict)
    resource_group: dict | None = None
    regions: dict | None = None
    # Those that had the name of an account that does not exist.
    deleted_accounts: tuple = ()

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


def _patiently(call, doing):
    """A read that waits while Azure wants fewer of them. What fails by chance the SDK has repeated by itself."""
    return waiters.while_busy(call, waiters.Deadline(waiters.READ_PATIENCE), f"Reading {doing}", chances=0)


def read(doing, call, *args, **kwargs):
    """The body of one resource, or None when it does not exist; everything else that goes wrong is an error."""
    try:
        return _patiently(lambda: call(*args, cls=wire.body, **kwargs), doing)
    except Exception as exc:
        if errors.is_missing(exc):
            return None
        raise errors.from_azure(exc, f"Reading {doing}") from exc


def read_list(doing, call, *args, missing=None, **kwargs):
    """The bodies of all pages of a list; ``missing`` is returned when its parent does not exist, unless None."""
    try:
        return tuple(_patiently(lambda: wire.items(call, *args, **kwargs), doing))
    except Exception as exc:
        if missing is not None and errors.is_missing(exc):
            return missing
        raise errors.from_azure(exc, f"Listing {doing}") from exc


def virtual_machines(azure, subscription):
    """All virtual machines of a subscription with their tags: one query, whatever their number."""
    return read_list(
        f"virtual machines of subscription {subscription}",
        azure.resources(subscription).resources.list,
        filter=f"resourceType eq '{attachments.VM_TYPE}'",
    )


@dataclass(frozen=True)
class Machines:
    """The virtual machines of several subscriptions, and the errors of those that do not show theirs to us."""

    known: tuple
    errors: dict


def machines_of(azure, subscriptions):
    """The :class:`Machines` of some subscriptions."""
    found = concurrently({one: _machines_call(azure, one) for one in sorted(subscriptions)})
    refused = {one: answer for one, answer in found.items() if isinstance(answer, AzlinError)}
    return Machines(tuple(vm for one, answer in found.items() if one not in refused for vm in answer), refused)


def _machines_call(azure, subscription):
    is_own = subscription.lower() == azure.subscription.lower()
    refusals = ("authorization_failed",) if is_own else NOT_FOR_US

    def call():
        try:
            return virtual_machines(azure, subscription)
        except AzlinError as error:
            if error.error_code not in refusals:
                raise
            return error

    return call


def not_listed(name, error):
    """What a result warns of where the machines of a subscription could not be listed."""
    return f"{name}: which virtual machines are attached is not known. {error.msg}"


def _with_machines_elsewhere(azure, present):
    """``present`` with the virtual machines of the other subscriptions that the account is reached from."""
    if present.account is None:
        return present
    found = machines_of(azure, result.subscriptions(present.account) - {azure.subscription.lower()})
    return replace(
        present,
        virtual_machines=(*present.virtual_machines, *found.known),
        unlisted={**present.unlisted, **found.errors},
    )


def now():
    """The present time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def shares_of(azure, account_id, expand):
    """The shares of an account, with what ``expand`` adds; none of an account that is missing or still being made."""
    listed = listed_shares(azure, account_id, expand)
    return () if listed is None else listed


def listed_shares(azure, account_id, expand=None):
    """Like :func:`shares_of`, but None where Azure knows no such list."""
    try:
        return tuple(
            _patiently(
                lambda: wire.items(
                    azure.storage().file_shares.list, account_id.resource_group, account_id.name, expand=expand
                ),
                "shares",
            )
        )
    except Exception as exc:
        if errors.is_missing(exc):
            return None
        if _is_being_made(exc):
            return ()
        raise errors.from_azure(exc, "Listing shares") from exc


def contents_unknown(account_id, hidden):
    """The error for an account that is to go of which Azure does not show everything."""
    return AzlinError(
        "in_use",
        f"Deleting {account_id.name} is refused: Azure shows a part of the account, but says that {hidden} is missing, "
        "so that it is not known what would go with it.",
        causes=[_NOT_EVERYWHERE],
    )


def _is_being_made(exc):
    """Whether Azure says that the account is not ready yet; nothing is in it then."""
    return errors.describe(exc)[0] == "StorageAccountIsNotProvisioned"


def observe(azure, wanted):
    """Return what is :class:`Present` of a wanted storage."""
    network_calls = {} if wanted.network is None else _network_calls(azure, wanted)
    values, hidden = _seen(azure, wanted, network_calls)
    if hidden is not None:
        raise AzlinError(
            "azure_error",
            f"Reading {wanted.account.name} failed: Azure shows a part of the account, but says that {hidden} is "
            "missing, so that it is not known what the account holds.",
            causes=[_NOT_EVERYWHERE],
        )
    networks = {key[1]: values.pop(key) for key in list(values) if isinstance(key, tuple)}
    zone, recorded = values.pop("zone", (None, None))
    present = {**values, "virtual_networks": networks, "zone": zone, "has_record": recorded}
    if present["account"] is None:
        present.update(_before_creation(azure, wanted.account), shares=present["shares"] or ())
    elif _limits_matter(wanted, present):
        present["usage"] = _usage(azure, wanted.account)
    present = _with_machines_elsewhere(azure, _present(present))
    return present if wanted.network is None else _with_more_of_the_network(azure, wanted.network, present)


def _present(values):
    """What was read as :class:`Present`, with the virtual machines of the storage's own subscription."""
    machines = values.pop("machines")
    return Present(**values, virtual_machines=machines.known, unlisted=machines.errors, moment=now())


def _seen(azure, wanted, more_calls, expand="deleted"):
    """The values of all calls for a storage, and what Azure does not show of its account.

    While there is such a thing it is read again: it would be made anew, or not be asked who uses it.
    """
    calls = _storage_calls(azure, wanted, expand)
    machines = {"machines": lambda: machines_of(azure, [azure.subscription])}
    values = concurrently({**calls, **machines, **more_calls})
    pause, longest = waiters.BUSY_PAUSE
    for _chance in range(waiters.CHANCES):
        if _hidden(wanted, values) is None:
            break
        time.sleep(pause)
        pause = min(pause * 2, longest)
        values = {**values, **concurrently(calls)}
    return values, _hidden(wanted, values)


def _hidden(wanted, values):
    """What must be there, since other parts of the account are, and Azure does not show; None for nothing."""
    account, endpoint = values["account"], values["endpoint"]
    if account is None:
        # The endpoint of an account that was deleted is disconnected.
        is_connected = result.connection_state(endpoint) not in result.DEAD_STATES
        shown = [values["file_service"], values["share"], values["shares"]]
        is_there = any(shown) or (guards.is_own_endpoint(endpoint, wanted.account) and is_connected)
        return "the account itself" if is_there else None
    if wire.properties(account).get("provisioningState") in _BEING_MADE:
        return None
    listed = {share["name"] for share in softdelete.live(values["shares"] or ())}
    missing = {
        "its file service": values["file_service"] is None,
        "its list of shares": values["shares"] is None,
        f"its share {wanted.share}": values["share"] is None and wanted.share in listed,
    }
    return next((what for what, is_missing in missing.items() if is_missing), None)


def _limits_matter(wanted, present):
    """Whether a new share or other provisioned values are wanted where the service tells its limits."""
    if result.models_of(wire.dig(present["account"], "sku", "name"))[0] != provisioned.V2:
        return False
    before = provisioned.view(present["share"])
    after = {quantity.key: getattr(wanted, quantity.key) for quantity in provisioned.QUANTITIES}
    return present["share"] is None or any(value not in (None, before[key]) for key, value in after.items())


def _usage(azure, account):
    """Limits of the file service; None if it cannot be asked, since Azure then says by itself what is wrong."""
    call = azure.storage().file_services.get_service_usage
    try:
        return _patiently(lambda: call(account.resource_group, account.name, cls=wire.body), "the limits")
    except Exception as exc:
        if getattr(exc, "status_code", None) in (403, 404) or _is_being_made(exc):
            return None
        raise errors.from_azure(exc, "Reading the limits of the file service") from exc


def _with_more_of_the_network(azure, network, present):
    """What can only be asked for when the virtual networks are known, and only in some cases."""
    calls = {}
    for subnet_id in network.subnets if network.nsg_rule else ():
        known = security.group_id(present.subnet(subnet_id))
        if known is not None:
            calls["group", known.lower()] = _security_group_call(azure, names.parse_resource_id(known, "id"))
    if network.zone_is_own and not zones.is_linked(network, present.links):
        calls["zones"] = lambda: _other_zones(azure, network)
    values = concurrently(calls)
    other_zones = values.pop("zones", ())
    return replace(present, security_groups={key[1]: value for key, value in values.items()}, other_zones=other_zones)


def _security_group_call(azure, group_id):
    groups = azure.network(group_id.subscription).network_security_groups
    return lambda: read("the network security group", groups.get, group_id.resource_group, group_id.name)


def _other_zones(azure, network):
    """Pairs of a same-named zone and its links, in the subscriptions of the storage and the network.

    The question explains a conflict before anything is made, so a refusal is no reason to fail here: Azure refuses the
    second link by itself.
    """
    subscriptions = {
        network.zone.subscription.lower(),
        *(vnet.subscription.lower() for vnet in network.virtual_networks),
    }
    found = []
    for subscription in sorted(subscriptions):
        client = azure.private_dns(subscription)
        for zone in _if_allowed("private DNS zones", client.private_zones.list) or ():
            zone_id = names.parse_resource_id(zone["id"], "id")
            if zone_id.name.lower() == network.zone.name.lower() and not names.same_id(zone_id, network.zone):
                listing = client.virtual_network_links.list
                links = read_list(
                    "links of a private DNS zone", listing, zone_id.resource_group, zone_id.name, missing=()
                )
                found.append((zone, links))
    return tuple(found)


def without_lost_zones(azure, wanted, present):
    """``present`` without the zones of its zone group that are gone, in which no host finds the storage any more.

    A zone group names a zone still when that was deleted, or moved to another resource group.
    """
    seen = [zone["id"] for zone, _links in present.other_zones]
    left = [] if wanted.network is None else zones.left_behind(wanted, present)
    lost = [one for one in left if not any(names.same_id(one, zone) for zone in seen) and _is_lost(azure, one)]
    if not lost:
        return present
    about = wire.properties(present.zone_group)
    configs = result.zone_configs(present.zone_group)
    kept = [one for one in configs if wire.properties(one).get("privateDnsZoneId") not in lost]
    return replace(present, zone_group={**present.zone_group, "properties": {**about, "privateDnsZoneConfigs": kept}})


def _is_lost(azure, zone_id):
    """Whether there is no such zone; one that the identity may not see may be there."""
    zone = names.parse_resource_id(zone_id, "id")
    get = azure.private_dns(zone.subscription).private_zones.get
    try:
        return read("the private DNS zone", get, zone.resource_group, zone.name) is None
    except AzlinError as error:
        if error.error_code not in NOT_FOR_US:
            raise
        return False


def with_record(azure, wanted, present):
    """``present`` with whether the storage has a record in the zone, and with that if it can be another endpoint's."""
    if wanted.network is None or wanted.network.zone is None:
        return present
    zone, name = wanted.network.zone, wanted.account.name
    if present.has_record is None:
        present = replace(present, has_record=has_record(azure, zone, name))
    return replace(present, record=_record(azure, zone, name)) if zones.rivals(wanted, present) else present


def _record(azure, zone, name):
    get = azure.private_dns(zone.subscription).record_sets.get
    return read("the storage's record", get, zone.resource_group, zone.name, "A", name)


def has_record(azure, zone, name):
    """Whether a storage has a record in a zone; one that the identity may not see may be there: None."""
    try:
        return _record(azure, zone, name) is not None
    except AzlinError as error:
        if error.error_code not in NOT_FOR_US:
            raise
        return None


def _zone_and_record(azure, wanted):
    """The zone and whether it has the storage's record: one request where all is well, for a record is in a zone.

    A record that the identity may not see counts as there.
    """
    zone = wanted.network.zone
    found = has_record(azure, zone, wanted.account.name)
    if found:
        return {"id": str(zone), "name": zone.name}, True
    get = azure.private_dns(zone.subscription).private_zones.get
    return read("the private DNS zone", get, zone.resource_group, zone.name), found is None


def observe_again(azure, wanted, before, plan):
    """What is :class:`Present` after a plan was carried out: what it changes and a result shows; the rest is as it was.

    Which virtual machines there are is not asked again: in a large subscription that is the longest answer of all.
    """
    calls = _share_calls(azure, wanted)
    if before.endpoint is not None or any(step.kind == "private endpoint" for step in plan):
        calls.update(_endpoint_calls(azure, wanted))
    if any(step.action == "restore" for step in plan):
        calls["shares"] = lambda: shares_of(azure, wanted.account, "deleted")
        calls["moment"] = now
    if zones.has_lost_record(wanted, before) and any(step.key == "zone_group" for step in plan):
        calls["has_record"] = lambda: has_record(azure, wanted.network.zone, wanted.account.name)
    return replace(before, **{"has_record": None, **concurrently(calls)})


def observe_for_deletion(azure, wanted):
    """Return what is :class:`Present` of a storage that is to go; the network and its zone stay out of it."""
    values, hidden = _seen(azure, wanted, {}, "deleted,snapshots")
    if hidden is not None:
        raise contents_unknown(wanted.account, hidden)
    return _with_machines_elsewhere(azure, _present(values))


def located(azure, wanted, present):
    """``wanted`` and ``present`` with our private endpoint where it really is.

    It is in the subscription of its network, which only the account tells when the options do not name the network.
    """
    if present.endpoint is None and (wanted.network is None or wanted.network.mode != "private_endpoint"):
        for endpoint in result.endpoint_ids(present.account):
            if endpoint.name.lower() == wanted.endpoint.name.lower() and not names.same_id(endpoint, wanted.endpoint):
                wanted = replace(wanted, endpoint=endpoint)
                return wanted, replace(present, **concurrently(_endpoint_calls(azure, wanted)))
    return wanted, present


def zone_group(network, group, name):
    """The DNS zone group of a private endpoint, or None. Azure takes one of an endpoint, whatever its name."""
    listing = network.private_dns_zone_groups.list
    # Named, since their order is another one than everywhere else.
    listed = read_list(
        "the DNS zone groups", listing, private_endpoint_name=name, resource_group_name=group, missing=()
    )
    return next(iter(listed), None)


def _endpoint_calls(azure, wanted):
    network, endpoint = azure.network(wanted.endpoint.subscription), wanted.endpoint
    place = (endpoint.resource_group, endpoint.name)
    return {
        "endpoint": lambda: read("the private endpoint", network.private_endpoints.get, *place),
        "zone_group": lambda: zone_group(network, *place),
    }


def _share_calls(azure, wanted):
    storage = azure.storage()
    group, name = wanted.account.resource_group, wanted.account.name
    return {
        "account": lambda: read("the storage account", storage.storage_accounts.get_properties, group, name),
        "file_service": lambda: read("the file service", storage.file_services.get_service_properties, group, name),
        "share": lambda: read("the share", storage.file_shares.get, group, name, wanted.share, expand="stats"),
    }


def _storage_calls(azure, wanted, expand):
    return {
        **_share_calls(azure, wanted),
        "shares": lambda: listed_shares(azure, wanted.account, expand),
        **_endpoint_calls(azure, wanted),
    }


def _network_calls(azure, wanted):
    network = wanted.network
    calls = {("vnet", str(vnet).lower()): _vnet_call(azure, vnet) for vnet in network.virtual_networks}
    if network.zone is not None:
        dns, zone = azure.private_dns(network.zone.subscription), network.zone
        calls["zone"] = lambda: _zone_and_record(azure, wanted)
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
            "deleted_accounts": lambda: _deleted_accounts(azure, account),
        }
    )


def _if_allowed(doing, call):
    """The items of a list, or None if the identity may not ask: then Azure has to say by itself what is wrong."""
    try:
        return _patiently(lambda: wire.items(call), doing)
    except Exception as exc:
        if getattr(exc, "status_code", None) in (403, 404):
            return None
        raise errors.from_azure(exc, f"Listing {doing}") from exc


def _deleted_accounts(azure, account):
    """The accounts of this name that Azure may still recover, as long as nobody takes the name."""
    listed = _if_allowed("deleted storage accounts", azure.storage().deleted_accounts.list)
    return tuple(one for one in listed or () if one["name"] == account.name)


def _regions(azure):
    """SKU name -> set of regions that offer it for FileStorage; None if the identity may not ask.

    The question saves a half-made network when the region is wrong.
    """
    listed = _if_allowed("regions of premium file storage", azure.storage().skus.list)
    if listed is None:
        return None
    offered = {}
    for sku in listed:
        if sku.get("kind") == guards.KIND and sku.get("resourceType") == "storageAccounts":
            offered.setdefault(sku["name"], set()).update(place.lower() for place in sku.get("locations") or [])
    return offered
