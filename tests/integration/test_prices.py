# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Costs by the price API: where it is asked, what it is asked, and what happens when it does not answer."""

from __future__ import annotations

import datetime
import socket
import urllib.parse

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._azure import retail
from ansible_collections.azlin.storage.plugins.module_utils._azure.argspec import auth_options
from ansible_collections.azlin.storage.plugins.module_utils._azure.clients import Azure
from lab.arm.seed import COMPUTE_API
from tests.integration.support import GROUP, run_module, storage, vm_id

INFO = "azlin_storage_info"
PATH = "/api/retail/prices"
HOSTS = ("worker-1", "worker-2")


@pytest.fixture
def priced(arm, monkeypatch):
    """The Resource Manager with its price API."""
    monkeypatch.setenv(retail.VARIABLE, f"{arm.url}{PATH}")
    return arm


@pytest.fixture
def warned(monkeypatch):
    """The warnings of the modules that ran."""
    texts = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text, **options: texts.append(text))
    return texts


def price_requests(arm):
    return [entry["query"] for entry in arm.requests() if entry["path"] == PATH]


def test_a_new_storage_is_priced_by_the_api(priced, warned):
    made = run_module("azlin_nfs_storage", **storage())

    found = made["storage"]["cost"]
    assert found["monthly"] == 500 * 0.16 + 7.3
    assert found["source"].startswith("price API, ") and warned == []
    assert datetime.date.fromisoformat(found["source"].partition(", ")[2])
    assert run_module(INFO, name="teamhomes01")["storages"] == [made["storage"]]


def test_one_query_for_a_region_and_product_however_many_storages(priced):
    for number in (1, 2, 3):
        run_module("azlin_nfs_storage", **storage(name=f"teamhomes0{number}"), prices="builtin")
    assert price_requests(priced) == []
    priced.profile("fast", page_size=3)
    try:
        found = run_module(INFO)
    finally:
        priced.profile("fast")

    assert found["cost"] == {
        "storages": 3,
        "unknown": 0,
        "monthly": 261.9,
        "known_monthly": 261.9,
        "currency": "USD",
        "resource_groups": [
            {
                "resource_group": GROUP,
                "storages": 3,
                "unknown": 0,
                "monthly": 261.9,
                "known_monthly": 261.9,
                "currency": "USD",
            }
        ],
    }
    first_pages = [query for query in price_requests(priced) if "$skip" not in query]
    assert sorted(query["$filter"] for query in first_pages) == [
        "serviceName eq 'Storage' and productName eq 'Premium Files' and armRegionName eq 'westus2' "
        "and priceType eq 'Consumption'",
        "serviceName eq 'Virtual Network' and productName eq 'Virtual Network Private Link' "
        "and meterName eq 'Standard Private Endpoint' and armRegionName eq 'Global' and priceType eq 'Consumption'",
    ]
    assert len(price_requests(priced)) > len(first_pages)


def test_provisioned_v2_has_prices_of_its_meters(priced):
    params = {**dict.fromkeys(auth_options()), "prices": "auto", "price_api": None, "currency": "USD"}
    accounts = [{"location": "westus2", "sku": {"name": f"PremiumV2_{redundancy}"}} for redundancy in ("LRS", "ZRS")]

    found = retail.price_list(Azure(params), params, accounts)

    prices = {key[2:]: float(price) for key, price in found.meters.items()}
    assert prices == pytest.approx(
        {
            ("LRS", "storage"): 0.000137 * 730,
            ("LRS", "iops"): 0.00003 * 730,
            ("LRS", "throughput"): 0.00007 * 730,
            ("ZRS", "storage"): 0.00017125 * 730,
            ("ZRS", "iops"): 0.0000375 * 730,
            ("ZRS", "throughput"): 0.0000875 * 730,
        }
    )
    assert (found.problem, float(found.private_endpoint)) == (None, 7.3)
    assert len(price_requests(priced)) == 2


@pytest.mark.parametrize(("location", "price"), [("westus2", 7.3), ("usgovvirginia", 9.125), ("usdodeast", 9.125)])
def test_endpoints_have_the_price_of_their_cloud(priced, location, price):
    params = {**dict.fromkeys(auth_options()), "prices": "auto", "price_api": None, "currency": "USD"}
    account = {"location": location, "sku": {"name": "Premium_LRS"}}
    assert float(retail.price_list(Azure(params), params, [account]).private_endpoint) == price


def test_currency(priced):
    run_module("azlin_nfs_storage", **storage())
    found = run_module(INFO, currency="EUR")
    assert found["storages"][0]["cost"]["monthly"] == 500 * 0.144 + 6.57
    assert (found["cost"]["currency"], found["storages"][0]["cost"]["currency"]) == ("EUR", "EUR")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "code": "InternalServerError", "message": "Broken."},
        {"status": 429, "code": "TooManyRequests", "message": "Slow down.", "headers": {"Retry-After": "60"}},
        {"status": 200, "body": {"Items": None}},
        {"drop": True},
    ],
    ids=lambda fault: str(fault.get("status", "drop")),
)
def test_fallback_with_a_warning_after_one_try(priced, warned, fault):
    run_module("azlin_nfs_storage", **storage())
    priced.clear_requests()
    priced.faults({"method": "GET", "path": PATH, **fault})

    found = run_module(INFO)

    assert found["storages"][0]["cost"]["monthly"] == 87.3
    assert found["storages"][0]["cost"]["source"].startswith("built-in table of ")
    (warning,) = warned
    assert "built-in table" in warning and PATH in warning
    assert len(price_requests(priced)) == 2


def test_nobody_listens(arm, warned):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}/prices"
        made = run_module("azlin_nfs_storage", **storage(), price_api=url)
    assert made["changed"] and made["storage"]["cost"]["monthly"] == 87.3
    assert url in warned[0]


def test_unknown_currency_is_null_with_a_warning(priced, warned):
    found = run_module("azlin_nfs_storage", **storage(), currency="XXX")
    assert found["storage"]["cost"]["monthly"] is None and found["storage"]["cost"]["currency"] == "XXX"
    assert "XXX" in warned[0]


def test_builtin_never_asks_and_a_private_cloud_is_not_looked_up(priced, warned, monkeypatch):
    run_module("azlin_nfs_storage", **storage(), prices="builtin")
    priced.clear_requests()
    found = run_module(INFO, prices="builtin")
    assert found["storages"][0]["cost"]["source"].startswith("built-in table")
    monkeypatch.delenv(retail.VARIABLE)
    assert run_module(INFO)["storages"] == found["storages"]
    assert (price_requests(priced), warned) == ([], [])


def attach(arm, *hosts):
    for name in hosts:
        record = {"storage_name": "teamhomes01", "user": "azureuser", "mount_point": "/home/azureuser"}
        made = run_module("azlin_attachment", vm_id=vm_id(arm, name), **record)
        assert made["changed"]


def resize(arm, name, **properties):
    body = arm.request("GET", vm_id(arm, name), api_version=COMPUTE_API)
    arm.request("PUT", vm_id(arm, name), {**body, "properties": {**body["properties"], **properties}}, COMPUTE_API)


def test_machines_are_priced_beside_their_storages(priced, warned):
    run_module("azlin_nfs_storage", **storage())
    resize(priced, "worker-2", hardwareProfile={"vmSize": "Standard_D4s_v5"})
    spot = {"hardwareProfile": {"vmSize": "Standard_B2s"}, "priority": "Spot"}
    priced.request("PUT", vm_id(priced, "spot-1"), {"location": "westus2", "properties": spot}, COMPUTE_API)
    attach(priced, "worker-1", "worker-2", "spot-1")
    priced.profile("fast", page_size=1)
    priced.clear_requests()
    try:
        found = run_module(INFO, vm_costs=True)["cost"]
    finally:
        priced.profile("fast")

    machines = [(one["name"], one["size"], one["spot"], one["monthly"]) for one in found["vms"]["machines"]]
    assert machines == [
        ("spot-1", "Standard_B2s", True, 6.07),
        ("worker-1", "Standard_B2s", False, 30.37),
        ("worker-2", "Standard_D4s_v5", False, 140.16),
    ]
    assert (found["vms"]["monthly"], found["vms"]["unknown"], found["monthly"]) == (176.6, 0, 87.3)
    assert found["vms"]["storage_percent"] == 33.1 and warned == []
    asked = [query["$filter"] for query in price_requests(priced) if "$skip" not in query]
    assert sum("Virtual Machines" in text for text in asked) == 2
    assert "vms" not in run_module(INFO)["cost"]


def test_a_further_page_of_machines_is_asked_for_as_azure_names_it(priced, warned):
    """Its words hold signs that mean something else in an address."""
    run_module("azlin_nfs_storage", **storage())
    attach(priced, "worker-1", "worker-2")
    path = f"/subscriptions/{priced.subscription_id}/providers/Microsoft.Compute/virtualMachines"
    first, second = (priced.request("GET", vm_id(priced, name), api_version=COMPUTE_API) for name in HOSTS)
    mark = "1!8!TQ+a/b==&c=%2B d"
    words = urllib.parse.urlencode({"api-version": COMPUTE_API, "$skiptoken": mark})
    following = {"nextLink": f"https://management.lab.test{path}?{words}"}
    page = {"method": "GET", "path": f"^{path}$", "status": 200}
    priced.faults({**page, "body": {"value": [first], **following}}, {**page, "body": {"value": [second]}})
    priced.clear_requests()

    found = run_module(INFO, vm_costs=True)["cost"]["vms"]

    assert [one["name"] for one in found["machines"]] == list(HOSTS) and warned == []
    asked = [entry["query"] for entry in priced.requests() if entry["path"] == path]
    assert [query.get("$skiptoken") for query in asked] == [None, mark]


def test_machines_without_a_price_are_unknown(priced, warned):
    run_module("azlin_nfs_storage", **storage())
    attach(priced, "worker-1", "worker-2")
    resize(priced, "worker-2", hardwareProfile={"vmSize": "Standard_New"})
    found = run_module(INFO, vm_costs=True)["cost"]["vms"]
    assert (found["unknown"], found["monthly"], found["known_monthly"]) == (1, None, 30.37)
    assert found["storage_percent"] is None
    assert run_module(INFO, vm_costs=True, prices="builtin")["cost"]["vms"]["unknown"] == 2 and warned == []

    priced.faults({"method": "GET", "path": PATH, "status": 500, "times": 0})
    assert run_module(INFO, vm_costs=True)["cost"]["vms"]["unknown"] == 2
    priced.clear_faults()
    assert [text.partition(",")[0] for text in warned][1:] == ["What virtual machines cost is unknown"]


def test_the_list_shows_machines_on_request(priced, ansible):
    run_module("azlin_nfs_storage", **storage())
    attach(priced, "worker-1")
    shown = ansible("ansible-playbook", "azlin.storage.list", "-e", "azlin_vm_costs=true")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    line = "1 virtual machines with homes on them, 30.37 USD a month; storage is 74.2 % of both"
    assert line in shown.stdout


def test_bad_currency_never_reaches_the_network(priced):
    assert run_module(INFO, currency="euro")["error_code"] == "invalid_argument"
    assert run_module("azlin_nfs_storage", **storage(), currency="euro")["error_code"] == "invalid_argument"
    assert priced.requests() == []
