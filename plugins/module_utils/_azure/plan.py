# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is wanted and what is there to the steps between them. Pure: nothing is sent from here.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import hashlib

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    approval,
    guards,
    provisioned,
    result,
    security,
    softdelete,
    zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import (
    DEFAULT_SIZE_GIB,
    DEFAULT_SOFT_DELETE_DAYS,
    TAG_KEY,
    TAG_VALUE,
    check_number_of_tags,
    is_managed,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.steps import Step
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.names import same_id

OWN_TAGS = {TAG_KEY: TAG_VALUE}
STORAGE_SERVICE = "Microsoft.Storage"
# For accounts of every region. A subnet has this one or the other. Source: Azure docs, storage-network-security.
_STORAGE_SERVICE_OF_ALL_REGIONS = "Microsoft.Storage.Global"
# The private link group of Azure Files. Source: Azure docs, private-endpoint-overview.
_FILE_GROUP = "file"
# What an endpoint can be given besides, and loses where it is not sent again.
_ENDPOINT_KEYS = ("applicationSecurityGroups", "customNetworkInterfaceName", "ipConfigurations")


def plan(wanted, present):
    """Return the steps from ``present`` to ``wanted``; none when nothing is to be done.

    :raises AzlinError: for differences that Azure cannot change and for states that must not be touched.
    """
    location = guards.check(wanted, present)
    steps = []
    if wanted.network is not None:
        steps += _virtual_network(wanted, present, location) + _security_rules(wanted, present)
        steps += _zone(wanted, present)
    steps += _account(wanted, present, location)
    steps += _file_service(wanted, present)
    steps += _share(wanted, present)
    if wanted.network is not None:
        steps += _endpoint(wanted, present, location)
    return steps


def left_over(wanted, present, done):
    """What the steps that were done did not bring about: resource, property, its value and the wanted one."""
    if present.account is None:
        return []
    again = [*_account(wanted, present, None), *_file_service(wanted, present), *_share(wanted, present)]
    return [
        (step.resource, name, step.before.get(name), value)
        for step in again
        for name, value in step.after.items()
        if step.action == "update" and any(one.key == step.key and name in one.after for one in done)
    ]


def is_unfinished(resource):
    """Whether Azure failed the last write of a resource, or a run that was killed left Azure at it."""
    return properties(resource).get("provisioningState") not in (None, "Succeeded")


def changes(before, after):
    """The entries of two flat dicts that differ, as a pair of dicts."""
    keys = [key for key in after if before.get(key) != after[key]]
    return {key: before.get(key) for key in keys}, {key: after[key] for key in keys}


# --- virtual network and subnets -------------------------------------------------------------------------------------


def _subnet_key(subnet_id):
    return f"subnet {str(subnet_id).lower()}"


def _virtual_network(wanted, present, location):
    network = wanted.network
    if network.create and present.virtual_network(network.subnets[0].parent) is None:
        return [_new_virtual_network(network, location)]
    steps, last_in = [], {}
    for subnet_id in network.subnets:
        parent = str(subnet_id.parent).lower()
        # Azure takes one change of a virtual network at a time.
        found = _subnet(network, present.subnet(subnet_id), subnet_id, tuple(last_in.get(parent, ())))
        if found:
            steps.append(found)
            last_in[parent] = (found.key,)
    return steps


def _new_virtual_network(network, location):
    subnet_id = network.subnets[0]
    subnet = {"name": subnet_id.name, "properties": _subnet_properties(network)}
    return Step(
        key="virtual_network",
        action="create",
        kind="virtual network",
        id=subnet_id.parent,
        before=None,
        after={
            "location": location,
            "address_prefixes": [network.address_prefix],
            "subnets": {subnet_id.name: _subnet_view(subnet)},
            "tags": OWN_TAGS,
        },
        body={
            "location": location,
            "tags": OWN_TAGS,
            "properties": {
                "addressSpace": {"addressPrefixes": [network.address_prefix]},
                "subnets": [subnet],
            },
        },
    )


def _subnet_properties(network):
    values = {"addressPrefix": network.subnet_prefix}
    if network.mode == "service_endpoint":
        values["serviceEndpoints"] = [{"service": STORAGE_SERVICE}]
    return values


def _subnet_view(subnet):
    about = properties(subnet)
    prefixes = [about["addressPrefix"]] if about.get("addressPrefix") else about.get("addressPrefixes") or []
    return {"address_prefixes": prefixes, "service_endpoints": _services(subnet)}


def _services(subnet):
    return [endpoint.get("service") for endpoint in properties(subnet).get("serviceEndpoints") or []]


def _has_service_endpoint(subnet):
    """Whether a subnet reaches storage over a service endpoint."""
    return not {STORAGE_SERVICE, _STORAGE_SERVICE_OF_ALL_REGIONS}.isdisjoint(_services(subnet))


def _subnet(network, subnet, subnet_id, needs):
    """The step for one subnet, or None. A change sends the whole subnet back, since Azure replaces it as a whole."""
    if subnet is None:
        body = {"name": subnet_id.name, "properties": _subnet_properties(network)}
        view = _subnet_view(body)
        return Step(_subnet_key(subnet_id), "create", "subnet", subnet_id, None, view, body, needs)
    if network.mode != "service_endpoint" or _has_service_endpoint(subnet):
        return None
    body = with_service_endpoint(subnet)
    before, after = changes(_subnet_view(subnet), _subnet_view(body))
    return Step(_subnet_key(subnet_id), "update", "subnet", subnet_id, before, after, body, needs)


def with_service_endpoint(subnet):
    """A subnet as it is, with the service endpoint for storage among those that it has."""
    if _has_service_endpoint(subnet):
        return subnet
    endpoints = [*(properties(subnet).get("serviceEndpoints") or []), {"service": STORAGE_SERVICE}]
    return {**subnet, "properties": {**properties(subnet), "serviceEndpoints": endpoints}}


# --- rules of network security groups --------------------------------------------------------------------------------


def _security_rules(wanted, present):
    """One rule in the security group of each subnet; a group of several subnets gets one."""
    if not wanted.network.nsg_rule:
        return []
    steps = []
    for group_id, group in security.groups(wanted.network, present).items():
        name, body = security.rule(wanted.network.mode, group)
        known = security.find(group, name)
        view = None if known is None else security.view(known)
        before, after = changes(view or {}, security.view(body))
        if after:
            steps.append(
                Step(
                    key=f"rule {group_id}",
                    action="create" if known is None else "update",
                    kind="security rule",
                    id=names.parse_resource_id(group["id"], "id").child("securityRules", name),
                    before=None if known is None else before,
                    after=after,
                    body=body,
                    # Azure takes one change of a network and what belongs to it at a time.
                    needs=_subnet_keys(wanted),
                )
            )
    return steps


# --- private DNS zone and its links ----------------------------------------------------------------------------------


def _zone(wanted, present):
    zone_id, steps = wanted.network.zone, []
    if zone_id is None:
        return steps
    if present.zone is None:
        body = {"location": "global", "tags": OWN_TAGS}
        steps.append(Step("zone", "create", "private DNS zone", zone_id, None, {"tags": OWN_TAGS}, body))
    elif wanted.network.zone_is_own and is_unfinished(present.zone):
        body = {"location": "global", "tags": present.zone.get("tags") or {}}
        steps.append(_finishing("zone", "private DNS zone", zone_id, present.zone, body, ()))
    if approval.held(wanted, present):
        return steps
    for vnet_id in wanted.network.virtual_networks:
        links = [one for one in present.links if same_id(dig(one, "properties", "virtualNetwork", "id"), vnet_id)]
        if not links:
            steps.append(_link(zone_id, vnet_id))
        elif is_managed(links[0]) and is_unfinished(links[0]):
            link_id = zone_id.child("virtualNetworkLinks", links[0]["name"])
            body = _link(zone_id, vnet_id).body
            steps.append(_finishing("link", "DNS zone link", link_id, links[0], body, ("zone",)))
    return steps


def _finishing(key, kind, resource_id, resource, body, needs):
    """The step that sends once more what was not finished."""
    before, after = {"state": properties(resource)["provisioningState"]}, {"state": "Succeeded"}
    return Step(key, "update", kind, resource_id, before, after, body, needs)


def link_name(vnet_id):
    """Of the link to a network; networks of two resource groups can have one name and share a zone."""
    return f"{vnet_id.name}-{hashlib.sha256(str(vnet_id).lower().encode()).hexdigest()[:8]}"


def _link(zone_id, vnet_id):
    body = {
        "location": "global",
        "tags": OWN_TAGS,
        "properties": {"registrationEnabled": False, "virtualNetwork": {"id": str(vnet_id)}},
    }
    return Step(
        key="link",
        action="create",
        kind="DNS zone link",
        id=zone_id.child("virtualNetworkLinks", link_name(vnet_id)),
        before=None,
        after={"virtual_network": str(vnet_id)},
        body=body,
        needs=("zone", "virtual_network"),
    )


# --- storage account -------------------------------------------------------------------------------------------------


def _account(wanted, present, location):
    if present.account is None:
        return [_new_account(wanted, location)]
    view = _account_view(present.account)
    before, after = changes(view, _wanted_account_view(wanted, view, approval.held(wanted, present)))
    if not after:
        return []
    return [
        Step(
            key="account",
            action="update",
            kind="storage account",
            id=wanted.account,
            before=before,
            after=after,
            body=_account_patch(present.account, after),
            needs=_access_needs(wanted),
        )
    ]


def _access_needs(wanted):
    """Closed to the public only when the private way in is complete; opened to subnets that are ready."""
    is_private = wanted.network is not None and wanted.network.mode == "private_endpoint"
    return ("endpoint", "zone_group") if is_private else _subnet_keys(wanted)


def _subnet_keys(wanted):
    subnets = wanted.network.subnets if wanted.network else ()
    return ("virtual_network", *(_subnet_key(subnet) for subnet in subnets))


def _account_view(account):
    about = properties(account)
    return {
        "public_network_access": result.public_network_access(account),
        "default_action": dig(about, "networkAcls", "defaultAction"),
        "subnets": result.admitted_subnets(account),
        "deleted_subnets": result.deleted_subnets(account),
        "https_only": about.get("supportsHttpsTrafficOnly"),
        "minimum_tls_version": about.get("minimumTlsVersion"),
        "public_blob_access": bool(about.get("allowBlobPublicAccess")),
        "tags": account.get("tags") or {},
    }


def _wanted_account_view(wanted, view, held=False):
    """The view as it should be; what is not asked for stays. ``held``: who gets in now still has to."""
    after = dict(view, public_blob_access=False)
    # TLS 1.3 is stricter and stays.
    if view.get("minimum_tls_version") not in ("TLS1_2", "TLS1_3"):
        after["minimum_tls_version"] = "TLS1_2"
    if wanted.encryption_in_transit is not None:
        after["https_only"] = wanted.encryption_in_transit == "required"
    if wanted.network is not None:
        after["default_action"] = "Deny"
        if view.get("deleted_subnets"):
            after["deleted_subnets"] = []
        if not held:
            after.update(_access(wanted.network, view["subnets"]))
    kept = view["tags"]
    if wanted.purge_tags and wanted.tags is not None:
        listed = {key.lower() for key in (*wanted.tags, *OWN_TAGS)}
        kept = {key: value for key, value in kept.items() if key.lower() in listed}
    after["tags"] = merged_tags(kept, {**(wanted.tags or {}), **OWN_TAGS})
    check_number_of_tags(after["tags"])
    return after


def merged_tags(tags, added):
    """Tags with others added; a name that is there in another case keeps its spelling, as in Azure."""
    spelled = {key.lower(): key for key in tags}
    return {**tags, **{spelled.get(key.lower(), key): value for key, value in added.items()}}


def _access(network, present_subnets):
    """Who gets in: nobody over the public endpoint, or the wanted subnets (as they are spelled already)."""
    if network.mode == "private_endpoint":
        return {"public_network_access": "Disabled", "subnets": []}
    wanted_ids = [str(subnet) for subnet in network.subnets]
    if {text.lower() for text in wanted_ids} == {text.lower() for text in present_subnets}:
        wanted_ids = present_subnets
    return {"public_network_access": "Enabled", "subnets": wanted_ids}


def _new_account(wanted, location):
    empty = {"subnets": [], "tags": {}, "https_only": wanted.encryption_in_transit == "required"}
    view = {
        "location": location,
        "kind": guards.KIND,
        "sku": guards.wanted_sku(wanted),
        **_wanted_account_view(wanted, empty),
    }
    body = _account_patch({}, view)
    # Set at creation, so that the account is never reachable in between, and explicitly: SDKs differ in defaults.
    body["properties"]["networkAcls"].update(bypass="None", ipRules=[])
    body.update(location=location, kind=guards.KIND, sku={"name": view["sku"]})
    return Step(
        key="account",
        action="create",
        kind="storage account",
        id=wanted.account,
        before=None,
        after=view,
        body=body,
        needs=_subnet_keys(wanted),
        # Whether the identity may make a zone shows before there is an account, and the zone's time is not lost.
        needs_begun=("zone",),
    )


_ACCOUNT_WORDS = {
    "public_network_access": "publicNetworkAccess",
    "https_only": "supportsHttpsTrafficOnly",
    "minimum_tls_version": "minimumTlsVersion",
    "public_blob_access": "allowBlobPublicAccess",
}


def _account_patch(account, after):
    """The body that brings about ``after``; Azure replaces network rules and tags as a whole."""
    values = {word: after[key] for key, word in _ACCOUNT_WORDS.items() if key in after}
    rules = dig(properties(account), "networkAcls") or {}
    if {"subnets", "deleted_subnets", "default_action"} & set(after):
        # Azure refuses a rule for a subnet that does not exist any more.
        subnets = after.get("subnets", result.admitted_subnets(account))
        values["networkAcls"] = {
            **rules,
            "defaultAction": after.get("default_action", rules.get("defaultAction")),
            "virtualNetworkRules": [{"id": subnet, "action": "Allow"} for subnet in subnets],
        }
    body = {"properties": values}
    if "tags" in after:
        body["tags"] = after["tags"]
    return body


def updated_account(step, account):
    """The body of an account's update for what the account is by now: of tags only what the step changes.

    A subnet that was admitted meanwhile stays: nobody looked whether its machines have homes here.
    """
    after = dict(step.after)
    if "subnets" in after:
        known = {subnet.lower() for subnet in (*step.before["subnets"], *after["subnets"])}
        meanwhile = [subnet for subnet in result.admitted_subnets(account) if subnet.lower() not in known]
        after["subnets"] = [*after["subnets"], *meanwhile]
    if "tags" in after:
        before, wanted = step.before["tags"], step.after["tags"]
        removed = {name.lower() for name in before if name not in wanted}
        kept = {name: value for name, value in (account.get("tags") or {}).items() if name.lower() not in removed}
        after["tags"] = merged_tags(kept, {name: value for name, value in wanted.items() if before.get(name) != value})
    return _account_patch(account, after)


# --- file service and share ------------------------------------------------------------------------------------------


def _file_service(wanted, present):
    view = _file_service_view(present.file_service) if present.account is not None else {}
    after = dict(view)
    if wanted.soft_delete_days is not None or not view:
        after["soft_delete_days"] = _or(wanted.soft_delete_days, DEFAULT_SOFT_DELETE_DAYS)
    if wanted.encryption_in_transit is not None or not view:
        after["nfs_encryption_required"] = wanted.encryption_in_transit == "required"
    before, after = changes(view, after)
    if not after:
        return []
    body = {"properties": _file_service_properties(properties(present.file_service), after)}
    return [
        Step(
            key="file_service",
            action="update",
            kind="file service",
            id=wanted.file_service,
            before=before if view else None,
            after=after,
            body=body,
            needs=("account",),
        )
    ]


def _or(value, default):
    return default if value is None else value


def _file_service_view(file_service):
    return {
        "soft_delete_days": result.soft_delete_days(file_service),
        "nfs_encryption_required": result.nfs_encryption_required(file_service),
    }


def _file_service_properties(about, after):
    """Everything that can be written, with the changes in it: the request replaces the whole settings."""
    values = {key: about[key] for key in ("cors", "protocolSettings", "shareDeleteRetentionPolicy") if about.get(key)}
    if "soft_delete_days" in after:
        days = after["soft_delete_days"]
        values["shareDeleteRetentionPolicy"] = {"enabled": True, "days": days} if days else {"enabled": False}
    # An absent switch is off; it is not sent as such, since older clouds do not know it.
    required, nfs = after.get("nfs_encryption_required"), dig(values, "protocolSettings", "nfs") or {}
    if required or required is not None and nfs:
        nfs = {**nfs, "encryptionInTransit": {**(nfs.get("encryptionInTransit") or {}), "required": required}}
        values["protocolSettings"] = {**values.get("protocolSettings", {}), "nfs": nfs}
    return values


def updated_file_service(step, file_service):
    """The body of the file service's update for what the file service is by now."""
    return {"properties": _file_service_properties(properties(file_service), step.after)}


def _share(wanted, present):
    version = softdelete.to_restore(wanted, present)
    share, steps = present.share, []
    if version is not None:
        steps.append(_restoration(wanted, version))
        share = softdelete.restored(version, wanted.share_id)
    if share is None:
        return [_new_share(wanted)]
    view = _share_view(share)
    before, after = changes(view, _wanted_share_view(wanted, view))
    if after:
        body = {"properties": _share_properties(after)}
        needs = ("account", "file_service", "restored_share")
        steps.append(Step("share", "update", "share", wanted.share_id, before, after, body, needs))
    return steps


def _restoration(wanted, version):
    number = properties(version).get("version")
    return Step(
        key="restored_share",
        action="restore",
        kind="share",
        id=wanted.share_id,
        before={"deleted": True, "version": number, "deleted_time": properties(version).get("deletedTime")},
        after={"deleted": False},
        body={"deletedShareName": wanted.share, "deletedShareVersion": number},
        needs=("account", "file_service"),
    )


def _new_share(wanted):
    empty = {"size_gib": DEFAULT_SIZE_GIB, "root_squash": "NoRootSquash", "paid_bursting": None}
    view = {"protocol": "NFS", **_wanted_share_view(wanted, empty)}
    # What is not asked for is left to the service: it has a recommendation for the size.
    view = {key: value for key, value in view.items() if value is not None}
    body = {"properties": {"enabledProtocols": "NFS", **_share_properties(view)}}
    return Step("share", "create", "share", wanted.share_id, None, view, body, ("account", "file_service"))


def _share_view(share):
    return {
        **provisioned.view(share),
        "paid_bursting": provisioned.bursting_view(share),
        "root_squash": properties(share).get("rootSquash"),
    }


def _wanted_share_view(wanted, view):
    """The view as it should be; IOPS and throughput do not follow the size unless they are set."""
    bursting = view["paid_bursting"]
    if wanted.paid_bursting is not None:
        bursting = provisioned.bursting_after(wanted.paid_bursting, bursting or provisioned.bursting_view(None))
    return {
        **{
            quantity.key: _or(getattr(wanted, quantity.key), view.get(quantity.key))
            for quantity in provisioned.QUANTITIES
        },
        "paid_bursting": bursting,
        "root_squash": _or(wanted.root_squash, view["root_squash"]),
    }


def _share_properties(view):
    values = provisioned.words(view)
    if "paid_bursting" in view:
        values["fileSharePaidBursting"] = provisioned.bursting_words(view["paid_bursting"])
    if "root_squash" in view:
        values["rootSquash"] = view["root_squash"]
    return values


# --- private endpoint ------------------------------------------------------------------------------------------------


def _endpoint(wanted, present, location):
    if wanted.network.mode == "service_endpoint":
        return removed_endpoint(wanted, present, needs=("account",))
    steps, endpoint, group = [], present.endpoint, present.zone_group
    if endpoint is not None and result.connection_state(endpoint) in result.DEAD_STATES:
        # Bound to an account that was deleted, even when a new one has its name; it cannot be revived.
        steps.append(deletion_of("old_endpoint", "private endpoint", wanted.endpoint, _endpoint_view(endpoint), ()))
        endpoint = group = None
    if endpoint is None or _is_to_be_finished(endpoint):
        steps.append(_new_endpoint(wanted, present, endpoint, location))
    # Hosts are sent to the endpoint by its name only when it lets them through.
    return steps if approval.awaited(wanted, present) else steps + _zone_group(wanted, present, group)


def _is_to_be_finished(endpoint):
    """Whether an endpoint is asked for once more; what somebody else is making is theirs to finish."""
    is_failed = properties(endpoint).get("provisioningState") == "Failed"
    return is_failed or (is_managed(endpoint) and is_unfinished(endpoint))


def _endpoint_view(endpoint):
    targets = [dig(connection, "properties", "privateLinkServiceId") for connection in result.connections(endpoint)]
    return {
        "subnet": dig(properties(endpoint), "subnet", "id"),
        "target": targets[0] if targets else None,
        "state": properties(endpoint).get("provisioningState"),
    }


def _new_endpoint(wanted, present, unfinished, location):
    network = present.virtual_network(wanted.network.subnets[0].parent)
    subnet = str(wanted.network.subnets[0])
    connection = {
        "name": f"{wanted.account.name}-psc",
        "properties": {"privateLinkServiceId": str(wanted.account), "groupIds": [_FILE_GROUP]},
    }
    kind = "privateLinkServiceConnections"
    if wanted.network.manual_approval:
        kind = "manualPrivateLinkServiceConnections"
        connection["properties"]["requestMessage"] = wanted.network.request_message
    # What people gave an endpoint stays, and somebody else's does not become ours.
    kept = {key: properties(unfinished)[key] for key in _ENDPOINT_KEYS if properties(unfinished).get(key)}
    body = {
        # An endpoint belongs to the region of its network; the account may be elsewhere.
        "location": network["location"] if network else location,
        "tags": OWN_TAGS if unfinished is None else unfinished.get("tags") or {},
        "properties": {**kept, "subnet": {"id": subnet}, kind: [connection]},
    }
    # Azure refuses an endpoint while it still works on the account.
    busy = ("account", "file_service") if present.account is None else ()
    return Step(
        key="endpoint",
        action="create" if unfinished is None else "update",
        kind="private endpoint",
        id=wanted.endpoint,
        before=None if unfinished is None else _endpoint_view(unfinished),
        after={"subnet": subnet, "target": str(wanted.account), "state": "Succeeded"},
        body=body,
        needs=("old_endpoint", *busy, *_subnet_keys(wanted)),
    )


def _zone_group(wanted, present, group):
    zone_id = wanted.network.zone
    configs = result.zone_configs(group)
    if present.zone is None or zones.has_lost_record(wanted, present):
        # What the group once wrote is gone, with the zone or alone, and it writes again only when it is sent.
        configs = [one for one in configs if not same_id(properties(one).get("privateDnsZoneId"), zone_id)]
    known = [properties(config).get("privateDnsZoneId") for config in configs]
    is_known = any(same_id(one, zone_id) for one in known)
    if zone_id is None or (is_known and not is_unfinished(group)):
        return []
    # One of the same name gives way: a zone group takes one.
    kept = [
        {"name": config["name"], "properties": {"privateDnsZoneId": one}}
        for config, one in zip(configs, known)
        if is_known or not zones.has_its_name(one, zone_id)
    ]
    if is_known:
        body, needs = {"properties": {"privateDnsZoneConfigs": kept}}, ("endpoint", "zone", "link")
        return [_finishing("zone_group", "DNS zone group", _group_id(wanted.endpoint, group), group, body, needs)]
    config = {"name": zone_id.name.replace(".", "-"), "properties": {"privateDnsZoneId": str(zone_id)}}
    return [
        Step(
            key="zone_group",
            action="create" if group is None else "update",
            kind="DNS zone group",
            id=wanted.zone_group if group is None else _group_id(wanted.endpoint, group),
            before=None if group is None else {"zones": known},
            after={"zones": [*(one["properties"]["privateDnsZoneId"] for one in kept), str(zone_id)]},
            body={"properties": {"privateDnsZoneConfigs": [*kept, config]}},
            needs=("endpoint", "zone", "link"),
        )
    ]


def _group_id(endpoint_id, group):
    """The id of a zone group that is there."""
    return endpoint_id.child("privateDnsZoneGroups", group["name"])


def removed_endpoint(wanted, present, needs):
    """The steps that remove our private endpoint of this account with its DNS records; none if there is none."""
    if not guards.is_own_endpoint(present.endpoint, wanted.account):
        return []
    return removal_of(wanted.endpoint, present.endpoint, present.zone_group, needs)


def removal_of(endpoint_id, endpoint, group, needs, mark=""):
    """The steps that remove a private endpoint with its DNS records; ``mark`` tells their keys from those of others."""
    steps = []
    if group is not None:
        known = [properties(config).get("privateDnsZoneId") for config in result.zone_configs(group)]
        group_id = _group_id(endpoint_id, group)
        steps.append(deletion_of(f"zone_group{mark}", "DNS zone group", group_id, {"zones": known}, needs))
    view, needs = _endpoint_view(endpoint), (*needs, f"zone_group{mark}")
    steps.append(deletion_of(f"endpoint{mark}", "private endpoint", endpoint_id, view, needs))
    return steps


def deletion_of(key, kind, resource_id, before, needs):
    """A step that deletes a resource."""
    return Step(key, "delete", kind, resource_id, before, None, None, needs)
