# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook asks for, checked and made whole before the first request. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._azure import provisioned
from ansible_collections.azlin.storage.plugins.module_utils._azure.attachments import MAX_TAGS
from ansible_collections.azlin.storage.plugins.module_utils._azure.templates import merged
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.names import ResourceId
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import parse_size_gib

# The tag that says that this collection may change and delete a resource.
TAG_KEY = "managed-by"
TAG_VALUE = "azlin"

DEFAULT_SIZE_GIB = 100
# Days that deleted shares can be kept. Source: Azure docs, storage-files-enable-soft-delete.
SOFT_DELETE_RANGE_DAYS = (0, 365)
DEFAULT_SOFT_DELETE_DAYS = 7
# Characters of a request for approval. Source: Azure REST reference, private endpoints.
_MAX_REQUEST_MESSAGE = 140
# Of a storage account; the names of other resources' tags may be longer. Source: Azure docs, tag-resources.
_MAX_TAG_KEY, _MAX_TAG_VALUE = 128, 256


def is_managed(resource):
    """Whether a resource carries our tag; tag names have no case in Azure."""
    tags = {key.lower(): value for key, value in ((resource or {}).get("tags") or {}).items()}
    return tags.get(TAG_KEY) == TAG_VALUE


@dataclass(frozen=True)
class Network:
    """How the share is reached; ``subnets`` are ids, the one of the private endpoint or those admitted."""

    mode: str
    subnets: tuple
    create: bool
    address_prefix: str
    subnet_prefix: str
    zone: ResourceId | None
    zone_is_own: bool
    manual_approval: bool = False
    request_message: str = ""
    nsg_rule: bool = False

    @property
    def virtual_networks(self):
        """The ids of the subnets' virtual networks, each once."""
        return tuple({str(subnet.parent).lower(): subnet.parent for subnet in self.subnets}.values())


@dataclass(frozen=True)
class Storage:
    """A wanted storage. None means: as it is, or Azure's or this collection's default at creation."""

    account: ResourceId
    share: str
    storage_suffix: str
    endpoint: ResourceId
    location: str | None = None
    size_gib: int | None = None
    redundancy: str | None = None
    billing_model: str | None = None
    provisioned_iops: int | None = None
    provisioned_throughput: int | None = None
    paid_bursting: dict | None = None
    root_squash: str | None = None
    encryption_in_transit: str | None = None
    soft_delete_days: int | None = None
    tags: dict | None = None
    purge_tags: bool = False
    restore: bool | None = None
    delete_snapshots: bool = False
    network: Network | None = None
    allow_shrink: bool = False
    force: bool = False
    used_by: tuple = ()
    more_shares: tuple = ()

    @property
    def file_service(self):
        """The id of the account's file service."""
        return self.account.child("fileServices", "default")

    @property
    def share_id(self):
        """The id of the share."""
        return self.id_of(self.share)

    def id_of(self, share):
        """The id of a share of the account."""
        return self.file_service.child("shares", share)

    @property
    def zone_group(self):
        """The id of the endpoint's DNS zone group."""
        return self.endpoint.child("privateDnsZoneGroups", "default")


def check_options(params):
    """Raise for options that cannot work; needs no credentials, so that it can run before signing in."""
    params = merged(params)
    names.account_name(params["name"])
    names.resource_group(params["resource_group"])
    for share in (params["share"], *params["more_shares"]):
        names.share_name(share)
    if params["wait_timeout"] < 1:
        raise invalid("wait_timeout", params["wait_timeout"], "it is not a positive number", "Use for example 1800.")
    if params["network"] is not None:
        _check_network(params["network"])
    if params["state"] == "absent":
        _check_confirmation(params)
        return
    if params["more_shares"]:
        raise invalid(
            "more_shares", params["more_shares"], "only a deletion takes several shares", "Make them one by one."
        )
    if params["tier"] != "premium":
        raise invalid(
            "tier",
            params["tier"],
            "NFS shares exist on SSD only; standard (HDD) shares speak SMB",
            "Use tier: premium.",
        )
    _provisioned(params)
    _soft_delete(params["soft_delete_days"])
    _tags(params["tags"])
    if params["location"] is not None:
        names.location(params["location"])


def _check_confirmation(params):
    if params["confirm"] != params["name"]:
        raise AzlinError(
            "confirmation_required",
            f"Deleting {params['name']} with all homes on it was not confirmed: "
            f"confirm is {params['confirm']!r} and has to be {params['name']!r}.",
            causes=[
                ("a deletion has to name the storage twice", f"Set confirm to {params['name']} if you really mean it.")
            ],
            try_=f"ansible-playbook azlin.storage.delete -e azlin_storage_name={params['name']} "
            f"-e azlin_resource_group={params['resource_group']} "
            f"-e azlin_confirm={params['name']}",
        )


def _size(value):
    if value is None:
        return None
    return parse_size_gib(value)


def _provisioned(params):
    """Refuse what no storage can have; the guards know more, once they know the billing model of the present one."""
    model = params["billing_model"]
    provisioned.check_value(provisioned.SIZE, _size(params["size"]), model, params["size"])
    for quantity in (provisioned.IOPS, provisioned.THROUGHPUT):
        provisioned.check_value(quantity, params[quantity.option], model)
    provisioned.check_bursting(params["paid_bursting"], model)


def _soft_delete(days):
    first, last = SOFT_DELETE_RANGE_DAYS
    if days is not None and not first <= days <= last:
        raise invalid(
            "soft_delete_days", days, f"deleted shares are kept {first} (none) to {last} days", "Use for example 7."
        )
    return days


def _tags(tags):
    """Tags as Azure takes them: strings, and never another value for our own tag."""
    if tags is None:
        return None
    checked, spelled = {str(key): "" if value is None else str(value) for key, value in tags.items()}, {}
    for key, value in checked.items():
        known = spelled.setdefault(key.lower(), key)
        if known != key:
            raise invalid("tags", f"{key}={value}", f"it is the tag {known}: their names have no case", "Drop one.")
        if not 0 < len(key) <= _MAX_TAG_KEY or len(value) > _MAX_TAG_VALUE or set(key) & set("<>%&\\?/"):
            raise invalid(
                "tags",
                f"{key}={value}",
                f"a tag's name has 1 to {_MAX_TAG_KEY} characters without < > % & \\ ? / and its value at most "
                f"{_MAX_TAG_VALUE}",
                "Shorten or rename it.",
            )
        if key.lower() == TAG_KEY and value != TAG_VALUE:
            raise invalid("tags", f"{key}={value}", f"this tag is ours and says {TAG_VALUE}", "Drop it.")
    check_number_of_tags({TAG_KEY, *spelled})
    return {key: value for key, value in checked.items() if key.lower() != TAG_KEY}


def check_number_of_tags(tags):
    """Raise for more tags than an account can have."""
    if len(tags) > MAX_TAGS:
        raise invalid(
            "tags",
            f"{len(tags)} tags",
            f"an account has at most {MAX_TAGS}, with {TAG_KEY} and those that it has already",
            "Leave some out, or set purge_tags: true to drop what tags does not list.",
        )


def _check_network(options):
    """Checks of ``network`` that do not need the subscription."""
    mode, subnets, dns = options["mode"], options["subnets"], options["dns"] or {}
    if not subnets:
        raise invalid("network.subnets", subnets, "it names no subnet", "Name the subnet.")
    if mode == "private_endpoint" and len(subnets) != 1:
        raise invalid("network.subnets", subnets, "a private endpoint lives in exactly one subnet", "Name one subnet.")
    if options["create"] and len(subnets) != 1:
        raise invalid("network.subnets", subnets, "only one subnet is created", "Name one, or create them yourself.")
    for subnet in subnets:
        if subnet.startswith("/"):
            _typed_id(subnet, "network.subnets", "microsoft.network", ("virtualnetworks", "subnets"))
        elif not options["virtual_network"]:
            raise invalid(
                "network.subnets", subnet, "it is a name and virtual_network is not set", "Set network.virtual_network."
            )
        else:
            names.resource_name(subnet, "network.subnets")
    if options["virtual_network"]:
        names.resource_name(options["virtual_network"], "network.virtual_network")
    if options["resource_group"]:
        names.resource_group(options["resource_group"], "network.resource_group")
    if options["endpoint_name"]:
        names.resource_name(options["endpoint_name"], "network.endpoint_name")
    if dns.get("zone_id"):
        _typed_id(dns["zone_id"], "network.dns.zone_id", "microsoft.network", ("privatednszones",))
    if options["create"]:
        _check_prefixes(options["address_prefix"], options["subnet_prefix"])
    _check_approval(mode, options["manual_approval"], options["request_message"])


def _check_approval(mode, manual_approval, message):
    if manual_approval and mode != "private_endpoint":
        raise invalid(
            "network.manual_approval",
            True,
            f"mode {mode} needs no approval",
            "Use network.mode: private_endpoint.",
        )
    if message is not None and not manual_approval:
        raise invalid(
            "network.request_message",
            message,
            "only a request for approval has a message",
            "Set network.manual_approval: true, or leave it out.",
        )
    if len(message or "") > _MAX_REQUEST_MESSAGE:
        raise invalid(
            "network.request_message",
            message,
            f"it has {len(message)} characters, and Azure allows {_MAX_REQUEST_MESSAGE}",
            "Shorten it.",
        )


def _typed_id(value, option, provider, types):
    """A resource id of the expected type."""
    parsed = names.parse_resource_id(value, option)
    if parsed.provider.lower() != provider or tuple(part.lower() for part in parsed.types) != types:
        raise invalid(option, value, f"it is not the id of {provider}/{'/'.join(types)}", "Check the id.")
    return parsed


def _check_prefixes(address_prefix, subnet_prefix):
    whole = _prefix(address_prefix, "network.address_prefix")
    part = _prefix(subnet_prefix, "network.subnet_prefix")
    if whole.version != part.version or not part.subnet_of(whole):
        raise invalid(
            "network.subnet_prefix", subnet_prefix, f"it is not inside address_prefix {address_prefix}", "Change one."
        )


def _prefix(value, option):
    try:
        return ipaddress.ip_network(value)
    except ValueError as exc:
        raise invalid(option, value, f"not a network in CIDR notation: {exc}", "Use for example 10.0.0.0/16.") from exc


def desired(params, subscription, storage_suffix):
    """Return the :class:`Storage` that checked options ask for."""
    params = merged(params)
    account = ResourceId(
        subscription, params["resource_group"], "Microsoft.Storage", ("storageAccounts",), (params["name"],)
    )
    options = params["network"]
    network = None if options is None else _network(options, account, storage_suffix)
    return Storage(
        account=account,
        share=params["share"],
        storage_suffix=storage_suffix,
        endpoint=_endpoint(account, network, endpoint_name(params)),
        location=None if params["location"] is None else names.location(params["location"]),
        size_gib=_size(params["size"]),
        redundancy=params["redundancy"],
        billing_model=params["billing_model"],
        provisioned_iops=params["provisioned_iops"],
        provisioned_throughput=params["provisioned_throughput"],
        paid_bursting=params["paid_bursting"],
        root_squash=params["root_squash"],
        encryption_in_transit=params["encryption_in_transit"],
        soft_delete_days=params["soft_delete_days"],
        tags=_tags(params["tags"]),
        purge_tags=params["purge_tags"],
        restore=params["restore"],
        delete_snapshots=params["delete_snapshots"],
        network=network,
        allow_shrink=params["allow_shrink"],
        force=params["force"],
        used_by=tuple(params["used_by"]),
        more_shares=tuple(one for one in dict.fromkeys(params["more_shares"]) if one != params["share"]),
    )


def endpoint_name(params):
    """The name of the private endpoint: deterministic, so that a failed run is resumed and a deletion finds it."""
    return (params["network"] or {}).get("endpoint_name") or f"{params['name']}-pe"


def _endpoint(account, network, name):
    """The id of the private endpoint: beside the account, or beside a network that is in another subscription.

    An endpoint has to be in the subscription of its network. Source: Azure docs, private-endpoint-overview.
    """
    place = account
    if network is not None and network.mode == "private_endpoint":
        vnet = network.subnets[0].parent
        place = account if vnet.subscription.lower() == account.subscription.lower() else vnet
    return _network_id(place, "privateEndpoints", name)


def is_beside(resource_id, other_id):
    """Whether two resources are in one resource group."""
    mine, its = ((one.subscription.lower(), one.resource_group.lower()) for one in (resource_id, other_id))
    return mine == its


def _network_id(account, type_, name):
    """The id of a network resource beside the account."""
    return ResourceId(account.subscription, account.resource_group, "Microsoft.Network", (type_,), (name,))


def _network(options, account, storage_suffix):
    group = options["resource_group"] or account.resource_group
    zone, zone_is_own = _zone(options, account, storage_suffix)
    subnets = {}
    for text in options["subnets"]:
        subnet = _subnet(text, options["virtual_network"], group, account)
        # A subnet that is named twice, by name and id, is one subnet.
        subnets.setdefault(str(subnet).lower(), subnet)
    return Network(
        mode=options["mode"],
        subnets=tuple(subnets.values()),
        create=options["create"],
        address_prefix=options["address_prefix"],
        subnet_prefix=options["subnet_prefix"],
        zone=zone,
        zone_is_own=zone_is_own,
        manual_approval=options["manual_approval"],
        request_message=options["request_message"] or "",
        nsg_rule=options["nsg_rule"],
    )


def _subnet(text, virtual_network, group, account):
    if text.startswith("/"):
        return names.parse_resource_id(text, "network.subnets")
    parent = ResourceId(account.subscription, group, "Microsoft.Network", ("virtualNetworks",), (virtual_network,))
    return parent.child("subnets", text)


def _zone(options, account, storage_suffix):
    """The DNS zone to use and whether it may be created; the generic name is documented for every cloud."""
    dns = options["dns"] or {"manage": True, "zone_id": None}
    if options["mode"] != "private_endpoint" or not dns["manage"]:
        return None, False
    name = f"privatelink.file.{storage_suffix}"
    if not dns["zone_id"]:
        return _network_id(account, "privateDnsZones", name), True
    zone = names.parse_resource_id(dns["zone_id"], "network.dns.zone_id")
    if zone.name.lower() != name:
        raise invalid(
            "network.dns.zone_id",
            dns["zone_id"],
            f"hosts of this cloud look for {name}, and Azure writes no record for the storage into another zone",
            f"Name the zone {name}.",
        )
    return zone, False
