# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the controller modules: whatever they say makes a storage within Azure's rules, or one clear error."""

from __future__ import annotations

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.module_utils._azure import desired, listing, tagging
from ansible_collections.azlin.storage.plugins.module_utils._azure.argspec import (
    attachment_options,
    network_options,
    price_options,
    storage_options,
)
from tests.unit.anything import assert_clear, for_any, near, outcome, scalars, texts

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers"
NAMES = near(r"[a-z0-9-]{1,12}")
SUBNET_IDS = near(re.escape(f"{GROUP}/Microsoft.Network/virtualNetworks/") + "[a-z]{1,4}/(subnets|peers)/[a-z]{1,4}")
ZONE_IDS = near(re.escape(f"{GROUP}/Microsoft.Network/privateDnsZones/") + r"[a-z]{1,4}\.[a-z]{2,4}")
PREFIXES = near(r"10\.[0-9]{1,3}\.[0-9]{1,2}\.0/(8|16|24|28|33)")


def maybe(strategy):
    """An option that may be left out."""
    return st.one_of(st.none(), strategy)


def params(options, **given_):
    """Parameters of a module: its defaults, and what is given."""
    return {**{name: spec.get("default") for name, spec in options.items()}, **given_}


NETWORKS = st.fixed_dictionaries(
    {"subnets": st.lists(st.one_of(NAMES, SUBNET_IDS), max_size=3)},
    optional={
        "mode": st.sampled_from(["private_endpoint", "service_endpoint"]),
        "virtual_network": maybe(NAMES),
        "resource_group": maybe(NAMES),
        "create": st.booleans(),
        "address_prefix": PREFIXES,
        "subnet_prefix": PREFIXES,
        "endpoint_name": maybe(NAMES),
        "dns": maybe(st.fixed_dictionaries({"manage": st.booleans(), "zone_id": maybe(ZONE_IDS)})),
    },
).map(lambda network: params(network_options(), **network))

STORAGES = st.fixed_dictionaries(
    {"name": near("[a-z0-9]{3,24}"), "resource_group": NAMES},
    optional={
        "share": near("[a-z]{3,9}"),
        "location": maybe(near("[a-z]{4,9}2?")),
        "size": maybe(near("[0-9]{2,6}(GiB|TB)?")),
        "tier": st.sampled_from(["premium", "standard"]),
        "soft_delete_days": maybe(st.integers(-2, 400)),
        "wait_timeout": st.integers(-1, 2000),
        "network": maybe(NETWORKS),
        "tags": maybe(st.dictionaries(texts, scalars, max_size=3)),
    },
).map(lambda storage: params(storage_options(), **storage))


@for_any
@given(STORAGES)
def test_storages(options):
    _checked, error = outcome(desired.check_options, options)
    if error is not None:
        assert_clear(error)
        return
    wanted = desired.desired(options, SUBSCRIPTION, "core.windows.net")
    assert (wanted.account.name, wanted.share) == (options["name"], options["share"])
    assert wanted.size_gib is None or wanted.size_gib >= 1
    assert wanted.soft_delete_days is None or 0 <= wanted.soft_delete_days <= 365
    assert wanted.share_id.name == options["share"]


@for_any
@given(NETWORKS)
def test_networks(network):
    options = params(storage_options(), name="teamhomes01", resource_group="homes", network=network)
    _checked, error = outcome(desired.check_options, options)
    if error is not None:
        assert_clear(error)
        return
    wanted = desired.desired(options, SUBSCRIPTION, "core.windows.net").network
    assert len(wanted.subnets) == len(network["subnets"]) >= 1
    assert all([word.lower() for word in subnet.types] == ["virtualnetworks", "subnets"] for subnet in wanted.subnets)
    assert wanted.mode != "private_endpoint" or len(wanted.subnets) == 1
    if wanted.create:
        whole, part = (ipaddress.ip_network(one) for one in (wanted.address_prefix, wanted.subnet_prefix))
        assert part.subnet_of(whole)
    if wanted.zone is not None and not wanted.zone_is_own:
        assert str(wanted.zone).lower() == network["dns"]["zone_id"].lower()


@for_any
@given(st.dictionaries(st.one_of(near("[a-zA-Z-]{1,12}"), near("(?i:managed-by)"), texts), scalars, max_size=4))
def test_tags(tags):
    options = params(storage_options(), name="teamhomes01", resource_group="homes", tags=tags)
    _checked, error = outcome(desired.check_options, options)
    if error is not None:
        assert_clear(error)
        assert any(repr(f"{key}={'' if value is None else value}") in error.msg for key, value in tags.items())
        return
    kept = desired.desired(options, SUBSCRIPTION, "core.windows.net").tags
    assert {key: "" if value is None else str(value) for key, value in tags.items() if key in kept} == kept
    assert all(key.lower() == desired.TAG_KEY for key in set(tags) - set(kept))
    for key, value in kept.items():
        assert 1 <= len(key) <= 128 and len(value) <= 256 and not set(key) & set("<>%&\\?/")


ATTACHMENTS = st.fixed_dictionaries(
    {"user": near("[a-z]{1,9}")},
    optional={
        "vm_id": near(re.escape(f"{GROUP}/Microsoft.Compute/virtualMachines/") + "[a-z]{1,9}"),
        "vm_name": NAMES,
        "vm_resource_group": NAMES,
        "storage_name": maybe(near("[a-z0-9]{3,24}")),
        "share": near("[a-z]{3,9}"),
        "mount_point": maybe(near("(/[a-z]{1,9}){1,3}")),
    },
).map(lambda attachment: params(attachment_options(), **attachment))


@for_any
@given(ATTACHMENTS)
def test_attachments(options):
    _checked, error = outcome(tagging.check_options, options)
    if error is not None:
        assert_clear(error)


@for_any
@given(
    st.fixed_dictionaries({name: maybe(texts) for name in ("name", "resource_group", "share", "price_api")}),
    maybe(st.integers(-1, 100)),
)
def test_listings(given_, history_days):
    options = params(price_options(), **given_, history_days=history_days)
    _checked, error = outcome(listing.check_options, options)
    if error is not None:
        assert_clear(error, next(value for value in options.values() if repr(value) in error.msg))
