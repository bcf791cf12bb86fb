# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Resource Manager tells the data plane: who may mount, and which name means which address."""

import pytest

GROUP = "rg-Test"
PUBLIC = "homes.file.core.lab.test"


@pytest.fixture(autouse=True)
def _network(azure):
    azure.vnet()
    azure.subnet("hosts", "10.9.1.0/24", serviceEndpoints=[{"service": "Microsoft.Storage"}])


def by_subnet(azure, action="Deny", **properties):
    rule = {"id": azure.subnet_id("hosts"), "action": "Allow"}
    return azure.account(networkAcls={"defaultAction": action, "virtualNetworkRules": [rule]}, **properties)


def test_nobody_is_admitted_without_a_rule(azure, plane):
    azure.account()
    azure.share(rootSquash="RootSquash", shareQuota=123)
    export = plane.export("home")
    assert (export.account, export.squash, export.quota_gib, export.clients) == ("homes", "RootSquash", 123, ())


def test_smb_shares_are_not_exported(azure, plane):
    azure.account()
    azure.share(enabledProtocols="SMB")
    assert plane.state.exports == ()


def test_subnet_rule_admits_the_subnet(azure, plane):
    by_subnet(azure)
    azure.share()
    assert plane.export("home").clients == ("10.9.1.0/24",)


def test_subnet_rule_is_void_without_public_access(azure, plane):
    by_subnet(azure, publicNetworkAccess="Disabled")
    azure.share()
    assert plane.export("home").clients == ()


def test_default_allow_admits_everybody(azure, plane):
    by_subnet(azure, action="Allow")
    azure.share()
    assert plane.export("home").clients == ("0.0.0.0/0", "10.9.1.0/24")


def test_approved_endpoint_admits_its_network_until_it_goes(azure, plane):
    azure.account(publicNetworkAccess="Disabled")
    azure.share()
    azure.endpoint()
    assert plane.export("home").clients == ("10.9.0.0/16",)
    azure.network.private_endpoints.begin_delete(GROUP, "pe").result()
    assert plane.export("home").clients == ()


def test_secure_transfer_refuses_plaintext_mounts(azure, plane):
    by_subnet(azure, supportsHttpsTrafficOnly=True)
    azure.share()
    assert plane.export("home").encrypted
    azure.storage.storage_accounts.update(GROUP, "homes", {"properties": {"supportsHttpsTrafficOnly": False}})
    assert not plane.export("home").encrypted
    assert plane.export("home").clients == ("10.9.1.0/24",)


def test_required_encryption_refuses_plaintext_mounts(azure, plane):
    by_subnet(azure)
    azure.share()
    for required in (True, False):
        settings = {"nfs": {"encryptionInTransit": {"required": required}}}
        body = {"properties": {"protocolSettings": settings}}
        azure.storage.file_services.set_service_properties(GROUP, "homes", body)
        assert (plane.export("home").encrypted, plane.export("home").clients) == (required, ("10.9.1.0/24",))


def test_every_account_has_a_public_address(azure, plane):
    azure.account()
    azure.account("others")
    addresses = [plane.state.names[f"{name}.file.core.lab.test"] for name in ("homes", "others")]
    assert addresses == ["203.0.113.1", "203.0.113.2"]


def test_linked_zone_turns_the_name_to_the_endpoint(azure, plane):
    azure.account()
    azure.zone()
    azure.endpoint()
    azure.zone_group()
    assert plane.state.names[PUBLIC] == "203.0.113.1"
    azure.link()
    assert plane.state.names[PUBLIC] == "10.9.2.4"
    azure.dns.virtual_network_links.begin_delete(GROUP, "privatelink.file.core.lab.test", "link").result()
    assert plane.state.names[PUBLIC] == "203.0.113.1"


def test_linked_zone_without_record_hides_accounts_with_endpoints_only(azure, plane):
    azure.account()
    azure.account("others")
    azure.zone()
    azure.link()
    azure.endpoint()
    assert PUBLIC not in plane.state.names
    assert plane.state.names["others.file.core.lab.test"] == "203.0.113.2"


def test_accounts_appear_when_they_are_ready_and_go_when_deleted(azure, arm, plane):
    arm.profile("fast", operations={"account": 0.3})
    body = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}}
    poller = azure.storage.storage_accounts.begin_create(GROUP, "homes", body)
    assert PUBLIC not in plane.state.names
    poller.result()
    assert PUBLIC in plane.state.names
    azure.storage.storage_accounts.delete(GROUP, "homes")
    assert plane.state.names == {}


def test_the_data_plane_is_up_to_date_when_the_answer_comes(azure, plane):
    azure.account()
    for number in range(5):
        azure.share(f"share{number}")
        assert plane.export(f"share{number}") is not None
