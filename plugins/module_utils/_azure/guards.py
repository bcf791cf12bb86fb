# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be done, found out before the first write. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    provisioned,
    result,
    security,
    softdelete,
    zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import TAG_KEY, TAG_VALUE, is_managed
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.names import same_id

# The only kind of account that holds NFS shares. Source: Azure docs, create-classic-file-share.
KIND = "FileStorage"


def wanted_sku(wanted):
    """The SKU of a new account."""
    family = provisioned.SKU_FAMILIES[wanted.billing_model or provisioned.DEFAULT_MODEL]
    return f"{family}_{wanted.redundancy or 'LRS'}"


def check(wanted, present):
    """Raise for what cannot or must not be done, else return the region of the account."""
    if present.account is None:
        location = _check_creation(wanted, present)
    else:
        location = names.location(present.account["location"])
        _check_managed(wanted, present.account)
        _check_immutable(wanted, present, location)
        softdelete.check(wanted, present)
        _check_provisioned(wanted, present)
    if wanted.network is not None:
        _check_network(wanted, present, location)
    if present.account is not None:
        for doing, share in _lockouts(wanted, present):
            _check_unused(wanted, present, doing, share)
        _check_forgotten(wanted, present)
    return location


def _check_creation(wanted, present):
    if present.resource_group is None:
        raise AzlinError(
            "not_found",
            f"resource_group: {wanted.account.resource_group!r} does not exist in subscription "
            f"{wanted.account.subscription}, or the identity cannot see it.",
            causes=[
                ("it has not been created", "Create it with 'az group create'."),
                ("another subscription is meant", "Check subscription_id."),
            ],
            try_="az group list --output table",
        )
    if wanted.network is None:
        raise invalid(
            "network",
            None,
            f"storage {wanted.account.name} does not exist yet and a new one needs a network",
            "Set network.virtual_network and network.subnet.",
        )
    if wanted.restore:
        raise softdelete.nothing_to_restore(wanted)
    softdelete.check_account(wanted, present)
    provisioned.check_model(wanted, None, wanted.billing_model or provisioned.DEFAULT_MODEL)
    location = wanted.location or names.location(present.resource_group["location"])
    offered = None if present.regions is None else present.regions.get(wanted_sku(wanted), set())
    if offered is not None and location not in offered:
        raise invalid(
            "location",
            location,
            f"no region of that name offers {wanted_sku(wanted)} file storage to this subscription",
            f"Choose one of: {', '.join(sorted(offered)) or 'none is offered'}.",
        )
    return location


def _check_managed(wanted, account):
    if is_managed(account):
        return
    taken_over = (
        "the account shall be taken over",
        f"Tag it: az tag update --resource-id {account['id']} --operation Merge --tags {TAG_KEY}={TAG_VALUE}",
    )
    raise AzlinError(
        "not_managed",
        f"Storage account {wanted.account.name} exists but does not carry the tag {TAG_KEY}={TAG_VALUE}; "
        "it is left alone.",
        causes=[
            ("somebody else created the account", "Choose another name."),
            *([taken_over] if account.get("kind") == KIND else []),
        ],
    )


def _check_nfs(wanted, present):
    """Blobs and SMB shares are not ours, whatever tag their account carries."""
    name, kind = wanted.account.name, present.account.get("kind")
    if kind != KIND and not other_shares(wanted, present):
        raise _not_nfs(f"Storage account {name} is of kind {kind!r}, and only {KIND!r} holds NFS shares")
    for share in softdelete.live(present.shares or ()):
        protocol = properties(share).get("enabledProtocols") or "SMB"
        if share["name"] in (wanted.share, *wanted.more_shares) and protocol != "NFS":
            raise _not_nfs(f"Share {name}/{share['name']} has the protocol {protocol!r}, not 'NFS'")


def _not_nfs(reason):
    return AzlinError(
        "not_managed",
        f"{reason}; it is left alone.",
        causes=[
            ("another storage is meant", "Check the names of the storage and the share."),
            ("it is not needed any more", "Delete it yourself, for example in the Azure portal."),
        ],
        try_="ansible-playbook azlin.storage.list",
    )


def _check_immutable(wanted, present, location):
    account = present.account
    sku = dig(account, "sku", "name")
    billing_model, redundancy = result.models_of(sku)
    protocol = _protocol(wanted, present)
    compared = [
        ("kind", account.get("kind"), KIND),
        ("location", location, wanted.location or location),
        ("tier", result.tier_of(sku), "premium"),
        ("billing_model", billing_model, wanted.billing_model or billing_model),
        ("redundancy", redundancy, wanted.redundancy or redundancy),
        ("protocol of the share", protocol, "NFS"),
    ]
    for name, is_now, should_be in compared:
        if is_now != should_be:
            more = [_CONVERSION] if name == "redundancy" else []
            raise immutable(f"{name} of {wanted.account.name}/{wanted.share}", is_now, should_be, more)


def _protocol(wanted, present):
    """The protocol of the share that there is or is to be restored; NFS for a new one."""
    version = softdelete.to_restore(wanted, present)
    share = present.share if version is None else softdelete.restored(version, wanted.share_id)
    return "NFS" if share is None else properties(share).get("enabledProtocols") or "SMB"


# Source: Azure docs, redundancy-migration and files-nfs-protocol.
_CONVERSION = (
    "the account is behind private endpoints and shall stay the same one",
    "Have Azure convert it ('az storage account migration start'), wait until that is done and run again.",
)


def immutable(what, is_now, should_be, more=()):
    """The error for a difference that only a new storage can resolve."""
    return AzlinError(
        "immutable_property",
        f"The {what} is {is_now!r} and cannot be changed to {should_be!r}: Azure sets it at creation for good.",
        causes=[
            ("the option differs from what was created", f"Ask for {is_now!r}, or leave the option out."),
            (
                f"{should_be!r} is really needed",
                "Create a second storage, copy the files over from a host and attach the hosts to it.",
            ),
            *more,
        ],
    )


def _check_provisioned(wanted, present):
    share = present.share or softdelete.to_restore(wanted, present)
    provisioned.check_model(wanted, share, result.models_of(dig(present.account, "sku", "name"))[0])
    provisioned.check_decreases(wanted, share, present.moment)
    provisioned.check_limits(wanted, share, present.usage)


def _check_network(wanted, present, location):
    for subnet_id in wanted.network.subnets:
        _check_subnet(wanted.network, present, subnet_id, location)
    if wanted.network.zone is not None and present.zone is None and not wanted.network.zone_is_own:
        raise _missing("network.dns.zone_id", wanted.network.zone, "Create the zone, or leave zone_id out.")
    if wanted.network.nsg_rule:
        security.groups(wanted.network, present)
    if wanted.network.mode == "private_endpoint":
        _check_endpoint(wanted, present)


def _check_subnet(network, present, subnet_id, location):
    vnet = present.virtual_network(subnet_id.parent)
    if vnet is None and not network.create:
        raise _missing("network.virtual_network", subnet_id.parent, "Create it, or set network.create: true.")
    if vnet is not None and present.subnet(subnet_id) is None and not network.create:
        known = ", ".join(subnet["name"] for subnet in properties(vnet).get("subnets") or []) or "none"
        remedy = f"Choose one of its subnets ({known}), or set network.create: true."
        raise _missing("network.subnet", subnet_id, remedy)
    region = location if vnet is None else names.location(vnet["location"])
    if network.mode == "service_endpoint" and region != location:
        raise invalid(
            "network.subnets",
            str(subnet_id),
            f"it is in {region} and the storage in {location}: a service endpoint reaches its own region only",
            "Use network.mode: private_endpoint.",
        )


def _missing(option, resource_id, remedy):
    return AzlinError(
        "not_found",
        f"{option}: {resource_id} does not exist, or the identity cannot see it.",
        causes=[("a name, resource group or subscription is wrong", remedy)],
    )


def _lockouts(wanted, present):
    """What takes a mounted share from hosts, with the share whose homes count; None: those of the whole account."""
    name, squash = wanted.account.name, properties(present.share).get("rootSquash")
    if wanted.network is not None:
        yield from ((doing, None) for doing in _closed_ways(wanted, present))
    encryption = result.encryption_in_transit(present.account, present.file_service)
    if wanted.encryption_in_transit == "required" and encryption != "required":
        yield f"Requiring encryption in transit of {name}", None
    if present.share is not None and wanted.root_squash == "AllSquash" and squash != "AllSquash":
        yield f"Changing root_squash of {name}/{wanted.share} from {squash} to AllSquash", wanted.share


def _closed_ways(wanted, present):
    """What closes a way to the account that hosts may come by."""
    name, mode = wanted.account.name, result.network_mode(present.account)
    for zone in zones.left_behind(wanted, present):
        yield f"Moving the name {name} from {zone} to {wanted.network.zone}"
    if mode not in (None, wanted.network.mode):
        yield f"Changing the network of {name} from {mode} to {wanted.network.mode}"
    if wanted.network.mode != "service_endpoint":
        return
    kept = {str(subnet).lower() for subnet in wanted.network.subnets}
    dropped = [subnet for subnet in result.admitted_subnets(present.account) if subnet.lower() not in kept]
    if dropped:
        yield f"Closing {name} to {', '.join(dropped)}"
    if is_own_endpoint(present.endpoint, wanted.account) and result.connection_state(present.endpoint) == "Approved":
        yield f"Deleting private endpoint {wanted.endpoint.name} of {name}"


def _check_forgotten(wanted, present):
    """A subscription is asked for homes only while the account names it, be it in the rule of a deleted subnet."""
    if wanted.network is None or wanted.force:
        return
    kept = {one.subscription.lower() for one in _ways_after(wanted, present)}
    forgotten = result.subscriptions(present.account) - kept
    doing = f"Leaving subscription {', '.join(sorted(forgotten))} without a way to {wanted.account.name}"
    for subscription, error in present.unlisted.items():
        if subscription in forgotten:
            raise error.with_addition(
                f"{doing} is refused without that answer, since nobody would ask there again: list one of its subnets, "
                "or set force: true if no machine of it has a home here."
            )
    machines = [machine for machine in present.virtual_machines if _subscription(machine["id"]) in forgotten]
    users = attachments.of_storage(machines, wanted.account.name, None)
    if users:
        raise _in_use(doing, users, [("they shall keep their way", "List one of their subnets in network.subnets.")])


def _ways_after(wanted, present):
    """The ids of the account, of the subnets that it will admit and of the endpoints that it will have."""
    network, endpoints = wanted.network, result.endpoint_ids(present.account)
    if network.mode == "private_endpoint":
        return wanted.account, *endpoints, wanted.endpoint
    if is_own_endpoint(present.endpoint, wanted.account):
        endpoints = [one for one in endpoints if not same_id(one, wanted.endpoint)]
    return wanted.account, *endpoints, *network.subnets


def _subscription(resource_id):
    return names.parse_resource_id(resource_id, "id").subscription.lower()


def is_own_endpoint(endpoint, account_id):
    """Whether a private endpoint is ours and leads to the account."""
    return is_managed(endpoint) and _leads_to(endpoint, account_id)


def _leads_to(endpoint, account_id):
    return any(
        same_id(dig(connection, "properties", "privateLinkServiceId"), account_id)
        for connection in result.connections(endpoint)
    )


_OTHER_NAME = "Set network.endpoint_name to the endpoint that the storage has, or to a free name if it has none."


def _check_endpoint(wanted, present):
    zones.check_record(wanted, present)
    if present.endpoint is None:
        return
    if not _leads_to(present.endpoint, wanted.account):
        raise AzlinError(
            "name_conflict",
            f"Private endpoint {wanted.endpoint} exists and leads to something else than {wanted.account.name}.",
            causes=[("another resource uses the name", _OTHER_NAME)],
        )
    if result.connection_state(present.endpoint) == "Rejected" and result.is_manual(present.endpoint):
        raise AzlinError(
            "network_failed",
            f"The owner of {wanted.account.name} rejected private endpoint {wanted.endpoint.name}; nobody is asked "
            "a second time.",
            causes=[
                (
                    "somebody decided against the connection",
                    f"Talk to them, delete the endpoint (az network private-endpoint delete --ids {wanted.endpoint}) "
                    "and run again.",
                )
            ],
        )
    if result.connection_state(present.endpoint) in result.DEAD_STATES and not is_managed(present.endpoint):
        raise AzlinError(
            "name_conflict",
            f"Private endpoint {wanted.endpoint} does not work any more and does not carry the tag "
            f"{TAG_KEY}={TAG_VALUE}; it is left alone.",
            causes=[("somebody else made the endpoint", "Delete it."), ("another one is meant", _OTHER_NAME)],
        )
    subnet = dig(properties(present.endpoint), "subnet", "id")
    if not same_id(subnet, wanted.network.subnets[0]):
        raise immutable(f"subnet of private endpoint {wanted.endpoint.name}", subnet, str(wanted.network.subnets[0]))


def other_shares(wanted, present):
    """Names of the account's shares besides those that are meant."""
    meant = {wanted.share, *wanted.more_shares}
    return sorted(share["name"] for share in softdelete.live(present.shares or ()) if share["name"] not in meant)


def check_deletion(wanted, present):
    """Raise when a storage must not be deleted."""
    if present.account is not None:
        _check_managed(wanted, present.account)
        _check_nfs(wanted, present)
    elif not is_own_endpoint(present.endpoint, wanted.account):
        # Nothing is left that could be deleted.
        return
    meant = (wanted.share, *wanted.more_shares)
    for share in meant:
        doing = f"Deleting {wanted.account.name}/{share}"
        _check_unused(wanted, present, doing, share)
        _check_hosts(wanted, doing)
        _check_snapshots(wanted, present, doing, share)
    if not other_shares(wanted, present):
        # The account takes its soft-deleted shares along, which could be restored for the homes on them.
        for share in sorted(attachments.shares_of(present.virtual_machines, wanted.account.name).difference(meant)):
            _check_unused(wanted, present, f"Deleting {wanted.account.name} with its share {share}", share)


def _check_hosts(wanted, doing):
    """What hosts said of themselves counts like a tag; so does a host that could not be asked."""
    if not wanted.used_by or wanted.force:
        return
    listed = ", ".join(wanted.used_by[:10])
    more = f" and {len(wanted.used_by) - 10} more" if len(wanted.used_by) > 10 else ""
    raise AzlinError(
        "in_use",
        f"{doing} is refused: according to the hosts it is, or may be, in use: {listed}{more}.",
        causes=[
            ("hosts still have their homes on it", "Detach them first."),
            ("a host cannot be asked", "Make it reachable, or take it out of the inventory if it is gone for good."),
            ("a host has not finished the move of a home", "Run the playbook that moves it once more."),
            ("the hosts are gone for good", "Set force: true."),
        ],
        try_="ansible-playbook azlin.storage.detach",
    )


def _check_snapshots(wanted, present, doing, share):
    found = softdelete.snapshots(present.shares or (), share)
    if not found or wanted.delete_snapshots:
        return
    raise AzlinError(
        "in_use",
        f"{doing} is refused: it has snapshots ({len(found)}), and they would go with it.",
        causes=[
            ("somebody still needs the snapshots", "Delete them first, when they are not needed any more."),
            ("they are not needed", "Set delete_snapshots: true."),
        ],
    )


def _check_unused(wanted, present, doing, share):
    if wanted.force:
        return
    users = attachments.of_storage(present.virtual_machines, wanted.account.name, share)
    if not users:
        # Whoever cannot be asked may use it.
        if present.unlisted:
            raise next(iter(present.unlisted.values()))
        return
    raise _in_use(doing, users)


def _in_use(doing, users, more=()):
    listed = ", ".join(f"{entry['name']} ({entry['mount_point']})" for entry in users[:10])
    more = f" and {len(users) - 10} more" if len(users) > 10 else ""
    return AzlinError(
        "in_use",
        f"{doing} is refused: {len(users)} homes are attached: {listed}{more}.",
        causes=[
            ("hosts still have their homes on it", "Detach them first."),
            *more,
            ("the hosts are gone for good", "Set force: true."),
        ],
        try_=f"ansible-playbook azlin.storage.detach -l {','.join(sorted({entry['name'] for entry in users[:10]}))}",
    )
