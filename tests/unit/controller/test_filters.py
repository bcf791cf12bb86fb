# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as a template calls them."""

from __future__ import annotations

import importlib

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.repo import facts


def call(name, *arguments, **options):
    module = importlib.import_module(f"ansible_collections.azlin.storage.plugins.filter.{name}")
    return module.FilterModule().filters()[name](*arguments, **options)


def storage(monthly=80.0, **changes):
    parts = [{"name": "provisioned storage", "quantity": 500, "unit": "GiB", "unit_price": 0.16, "monthly": monthly}]
    parts += [{"name": "private endpoints", "quantity": 1, "unit": "endpoint", "unit_price": 7.3, "monthly": 7.3}]
    cost = {"monthly": monthly and monthly + 7.3, "currency": "USD", "source": "built-in", "parts": parts}
    return {"id": "/a", "resource_group": "team", "size_gib": 500, "used_bytes": 0, "cost": cost, **changes}


@pytest.mark.parametrize("name", facts.filters())
def test_every_filter_is_documented_under_its_name(name):
    module = importlib.import_module(f"ansible_collections.azlin.storage.plugins.filter.{name}")
    assert f"\nname: {name}\n" in module.DOCUMENTATION
    assert list(module.FilterModule().filters()) == [name]


def test_cost_by_the_table():
    found = call("cost", "0.5TiB", location="West US 2", redundancy="ZRS", private_endpoints=1, days=73)
    assert (found["monthly"], found["for_days"], found["currency"]) == (109.7, 263.28, "USD")
    assert call("cost", "100GiB", location="atlantis")["for_days"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"size": "big"},
        {"location": "west/2"},
        {"redundancy": "GRS"},
        {"private_endpoints": -1},
        {"days": "soon"},
    ],
)
def test_cost_of_nonsense(options):
    with pytest.raises(AnsibleFilterError, match="is not usable"):
        call("cost", **{"size": "100GiB", "location": "westus2", **options})


def test_cost_at_another_size():
    found = call("cost_at", storage(), "1TiB")
    assert (found["monthly"], found["parts"][0]["quantity"], found["parts"][0]["monthly"]) == (171.14, 1024, 163.84)
    assert call("cost_at", storage(), 500) == storage()["cost"]
    unknown = storage(monthly=None)
    unknown["cost"]["parts"][0]["unit_price"] = None
    assert call("cost_at", unknown, "1TiB")["monthly"] is None
    with pytest.raises(AnsibleFilterError, match="is not usable"):
        call("cost_at", storage(), "0")


def test_totals_of_a_choice():
    found = call("cost_totals", iter([storage(), storage(id="/b", monthly=None), storage()]))
    assert (found["storages"], found["unknown"], found["monthly"], found["known_monthly"]) == (3, 1, None, 174.6)
    assert call("cost_totals", [])["monthly"] == 0
    euros = storage()
    euros["cost"]["currency"] = "EUR"
    with pytest.raises(AnsibleFilterError, match="EUR and USD"):
        call("cost_totals", [storage(), euros])


def test_bad_options_of_decisions():
    with pytest.raises(AnsibleFilterError, match="cap"):
        call("growth", storage(), cap="all")
    with pytest.raises(AnsibleFilterError, match="days"):
        call("idle", [storage()], days=0)


def test_clients_given_as_text_are_split_as_ansible_does():
    """So the command line and a survey give them."""
    wanted = call("nas_servers", [], topology="production7", clients=["10.30.1.0/24", "10.0.0.7"])
    assert call("nas_servers", [], topology="production7", clients="10.30.1.0/24,10.0.0.7") == wanted
    with pytest.raises(AnsibleFilterError, match="clients: .* is not a list"):
        call("nas_servers", [], topology="production7", clients={"10.30.1.0/24": True})
