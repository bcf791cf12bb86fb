# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, errors, prices, attachments and the shape of results."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    desired,
    errors,
    observe,
    provisioned,
    result,
    softdelete,
    templates,
    waiters,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import plan
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import ERROR_CODES, AzlinError
from ansible_collections.azlin.storage.plugins.modules import azlin_nfs_storage
from tests.unit.azure import builders as make

GONE = {"account": None, "file_service": None, "share": None, "shares": None, "endpoint": None}
HIDDEN = {
    "nothing": ({}, None),
    "share of the list": ({"share": None}, "its share home"),
    "share that is deleted": ({"share": None, "shares": (make.deleted_share(),)}, None),
    "list": ({"shares": None}, "its list of shares"),
    "file service": ({"file_service": None}, "its file service"),
    "all of an account that is being made": (
        {"account": make.account(provisioningState="Creating"), "file_service": None, "share": None, "shares": None},
        None,
    ),
    "no account": (GONE, None),
    "account of a share": ({**GONE, "share": make.share()}, "the account itself"),
    "account of a file service": ({**GONE, "file_service": make.file_service()}, "the account itself"),
    "account of a list": ({**GONE, "shares": (make.share(),)}, "the account itself"),
    "account of an endpoint": ({**GONE, "endpoint": make.endpoint()}, "the account itself"),
    "account of an endpoint that waits": ({**GONE, "endpoint": make.endpoint("Pending")}, "the account itself"),
    "no account of a dead endpoint": ({**GONE, "endpoint": make.endpoint("Disconnected")}, None),
    "no account, and the endpoint is not ours": ({**GONE, "endpoint": {**make.endpoint(), "tags": {}}}, None),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_an_account_must_have_and_does_not_show(case):
    found, hidden = HIDDEN[case]
    values = vars(make.complete(**found))
    assert observe._hidden(make.wanted(), values) == hidden


def test_names_are_deterministic():
    wanted = make.wanted()
    assert str(wanted.account) == make.ACCOUNT_ID
    assert str(wanted.endpoint) == make.ENDPOINT_ID
    assert str(wanted.network.zone) == make.ZONE_ID
    assert str(wanted.zone_group) == f"{make.ENDPOINT_ID}/privateDnsZoneGroups/default"
    assert str(wanted.share_id) == f"{make.ACCOUNT_ID}/fileServices/default/shares/home"


def test_network_in_another_group():
    wanted = make.wanted(network=make.network(resource_group="hub"))
    assert "/resourceGroups/hub/" in str(wanted.network.subnets[0])
    assert wanted.network.zone.resource_group == "team"


def test_no_zone_over_a_service_endpoint():
    assert make.wanted(network=make.network(mode="service_endpoint")).network.zone is None


LIMITS = {None: (32, 262144), provisioned.V1: (100, 102400), provisioned.V2: (32, 262144)}


@pytest.mark.parametrize("model", LIMITS)
def test_sizes_at_the_limits(model):
    for size in LIMITS[model]:
        assert make.wanted(size=f"{size}GiB", billing_model=model).size_gib == size


@pytest.mark.parametrize("model", LIMITS)
def test_sizes_beyond_the_limits(model):
    least, most = LIMITS[model]
    for size in (least - 1, most + 1):
        with pytest.raises(AzlinError, match=re.escape(f"{size}GiB")):
            make.wanted(size=f"{size}GiB", billing_model=model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provisioned_iops": 2999}, ("2999", "3000 to 102400 IOPS")),
        ({"provisioned_iops": 102401, "billing_model": provisioned.V2}, ("102401", "on provisioned_v2")),
        ({"provisioned_throughput": 99}, ("99", "100 to 10340 MiB/s")),
        ({"provisioned_iops": 5000, "billing_model": provisioned.V1}, ("5000", "derives it from the size")),
        ({"provisioned_throughput": 200, "billing_model": provisioned.V1}, ("200", "provisioned_v2")),
        ({"paid_bursting": {"enabled": True}, "billing_model": provisioned.V2}, ("paid_bursting", "provisioned_v2")),
        ({"paid_bursting": {"enabled": True, "max_iops": 102401}}, ("102401",)),
        ({"paid_bursting": {"enabled": True, "max_throughput": 0}}, ("max_throughput",)),
        ({"paid_bursting": {"enabled": False, "max_iops": 5000}}, ("5000", "enabled is false")),
    ],
)
def test_provisioned_values_that_no_storage_has(options, words):
    with pytest.raises(AzlinError) as caught:
        make.wanted(**options)
    assert caught.value.error_code == "invalid_argument"
    assert all(word in caught.value.msg for word in words)


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_every_template_is_a_storage(name):
    wanted = make.wanted(template=name)
    template = templates.TEMPLATES[name]
    assert (wanted.redundancy, wanted.billing_model) == (template["redundancy"], template["billing_model"])
    assert (wanted.soft_delete_days, wanted.provisioned_iops) == (
        template["soft_delete_days"],
        template.get("provisioned_iops"),
    )


def test_what_is_set_beside_a_template_counts():
    wanted = make.wanted(template="team", size="500GiB", soft_delete_days=0)
    assert (wanted.size_gib, wanted.soft_delete_days, wanted.redundancy) == (500, 0, "ZRS")


def test_a_template_of_another_billing_model_leaves_its_iops_out():
    wanted = make.wanted(template="ml", billing_model=provisioned.V1)
    assert (wanted.size_gib, wanted.billing_model) == (4096, provisioned.V1)
    assert (wanted.provisioned_iops, wanted.provisioned_throughput) == (None, None)


def test_the_documentation_has_the_templates():
    documented = yaml.safe_load(azlin_nfs_storage.DOCUMENTATION)["options"]["template"]["description"]
    for name, options in templates.TEMPLATES.items():
        (line,) = [line for line in documented if line.startswith(f"V({name}):")]
        assert re.findall(r"O\((\w+)=([^)]*)\)", line) == [(key, str(value)) for key, value in options.items()]


MANY = {f"t{number}": "" for number in range(50)}


@pytest.mark.parametrize(
    ("tags", "words"),
    [({"Team": "a", "team": "b"}, ("team=b", "Team", "no case")), (MANY, ("51 tags", "50"))],
    ids=["one name twice", "too many"],
)
def test_tags_that_no_account_can_have(tags, words):
    with pytest.raises(AzlinError) as refused:
        desired.check_options(make.params(tags=tags))
    assert refused.value.error_code == "invalid_argument" and all(word in refused.value.msg for word in words)


def test_tags_that_find_no_room_are_refused_before_the_first_write():
    full = dict(list(MANY.items())[:49])
    present = make.complete(account=make.account(tags=({**full, "managed-by": "azlin"}).items()))
    assert plan(make.wanted(tags=full), present) == []
    with pytest.raises(AzlinError, match="51 tags"):
        plan(make.wanted(tags={"new": ""}), present)
    assert plan(make.wanted(tags={"new": ""}, purge_tags=True), present)


def test_tags_become_texts():
    assert make.wanted(tags={"cost": 12, "empty": None, "managed-by": "azlin"}).tags == {"cost": "12", "empty": ""}


def test_virtual_networks_are_read_once():
    subnets = ["a", "b", f"{make.VNET_ID.upper().replace('/SUBSCRIPTIONS', '/subscriptions')}/subnets/c"]
    network = make.network(mode="service_endpoint", subnets=subnets)
    assert len(make.wanted(network=network).network.virtual_networks) == 1


def storage(present, virtual_machines=()):
    return result.storage(
        present.account,
        present.file_service,
        present.share,
        present.endpoints,
        virtual_machines,
        present.shares,
        present.moment,
    )


def test_result():
    found = storage(make.complete())
    assert found["nfs_endpoint"] == "teamhomes01.file.core.windows.net:/teamhomes01/home"
    assert (found["used_bytes"], found["utilization_percent"]) == (250 * 1024**3, 50.0)
    assert found["network"]["private_endpoints"] == [
        {
            "name": "teamhomes01-pe",
            "id": make.ENDPOINT_ID,
            "state": "Approved",
            "subnet_id": f"{make.VNET_ID}/subnets/homes",
            "ip_address": "10.1.0.4",
        }
    ]
    assert found["network"]["dns_zone"] == make.ZONE_ID
    json.dumps(found)


def test_what_is_unknown_is_null():
    share = make.share()
    del share["properties"]["shareUsageBytes"]
    present = make.complete(share=share, shares=None, file_service=None, endpoint=None, zone_group=None)
    found = storage(present, None)
    for key in (
        "used_bytes",
        "utilization_percent",
        "soft_delete_days",
        "attached_vms",
        "soft_deleted",
        "restorable_shares",
    ):
        assert found[key] is None
    assert set(found["next_allowed_decrease"].values()) == {None}
    assert found["network"]["private_endpoints"][0]["ip_address"] is None


@pytest.mark.parametrize(
    ("properties", "mode"),
    [
        ({"publicNetworkAccess": "Disabled"}, "private_endpoint"),
        ({"networkAcls": {"virtualNetworkRules": [{"id": "x"}]}, "publicNetworkAccess": None}, "service_endpoint"),
        ({"publicNetworkAccess": "Enabled", "privateEndpointConnections": []}, None),
        # Closed by hand: the subnets come in again when it is opened, and nobody comes in another way.
        ({"networkAcls": {"virtualNetworkRules": [{"id": "x"}]}, "privateEndpointConnections": []}, "service_endpoint"),
        (
            {
                "networkAcls": {"virtualNetworkRules": [{"id": "x"}]},
                "privateEndpointConnections": [
                    {"properties": {"privateLinkServiceConnectionState": {"status": "Pending"}}}
                ],
            },
            "service_endpoint",
        ),
        ({"networkAcls": {"virtualNetworkRules": [{"id": "x"}]}}, "private_endpoint"),
        # Still without its endpoint.
        ({"privateEndpointConnections": []}, "private_endpoint"),
    ],
)
def test_network_mode(properties, mode):
    assert result.network_mode(make.account(**properties)) == mode


@pytest.mark.parametrize(
    ("https_only", "nfs", "word"), [(True, False, "required"), (False, True, "required"), (False, False, "disabled")]
)
def test_encryption(https_only, nfs, word):
    service = make.file_service(protocolSettings={"nfs": {"encryptionInTransit": {"required": nfs}}})
    assert result.encryption_in_transit(make.account(supportsHttpsTrafficOnly=https_only), service) == word


def test_result_on_provisioned_v2():
    found = storage(make.complete(account=make.v2_account(), share=make.v2_share()))
    assert (found["billing_model"], found["tier"]) == ("provisioned_v2", "premium")
    assert (found["provisioned_iops"], found["provisioned_throughput"], found["paid_bursting"]) == (5000, 200, None)
    assert found["next_allowed_decrease"] == dict.fromkeys(
        ("size", "provisioned_iops", "provisioned_throughput"), "2026-11-22T02:00:00Z"
    )


def test_result_on_provisioned_v1():
    found = storage(make.complete())
    assert (found["provisioned_iops"], found["provisioned_throughput"]) == (None, None)
    assert found["paid_bursting"] == {"enabled": False, "max_iops": None, "max_throughput": None}


@pytest.mark.parametrize("text", [None, "", "tomorrow", "Sun, 22 Nov"])
def test_a_time_that_cannot_be_read_is_unknown(text):
    share = make.share(nextAllowedQuotaDowngradeTime=text)
    assert provisioned.next_decrease(share, provisioned.SIZE) is None


def test_every_restorable_share_of_the_account_is_named():
    shares = (make.share(), make.deleted_share("projects"), make.deleted_share(), make.deleted_share(version="2"))
    assert storage(make.complete(shares=shares))["restorable_shares"] == ["home", "projects"]


def test_soft_deleted_versions_in_the_result():
    older = make.deleted_share(version="01A", deletedTime="2026-11-18T08:00:00.1Z", remainingRetentionDays=4)
    shares = (older, make.share(), make.deleted_share("other"), make.deleted_share(version="01B"), make.snapshot())
    assert storage(make.complete(shares=shares))["soft_deleted"] == [
        {
            "version": "01B",
            "deleted_time": "2026-11-20T08:00:00.1234567Z",
            "purge_time": "2026-11-27T08:00:00Z",
            "size_gib": 500,
        },
        {
            "version": "01A",
            "deleted_time": "2026-11-18T08:00:00.1Z",
            "purge_time": "2026-11-25T08:00:00Z",
            "size_gib": 500,
        },
    ]
    assert storage(make.complete())["soft_deleted"] == []


def test_shares_snapshots_and_deleted_ones_are_told_apart():
    """With a share its snapshots are deleted, and are listed as such beside it."""
    snapshot, deleted = make.snapshot(), make.deleted_share()
    deleted_snapshot = make.deleted_share(version="01B", snapshotTime="2026-11-20T08:00:00.0000000Z")
    shares = [make.share(), make.share("projects"), snapshot, deleted, deleted_snapshot]
    assert softdelete.live(shares) == shares[:2]
    assert softdelete.snapshots(shares, "home") == [snapshot]
    assert softdelete.snapshots(shares, "projects") == []
    assert softdelete.versions(shares, "home") == [deleted]


@pytest.mark.parametrize("missing", ["deletedTime", "remainingRetentionDays"])
def test_unknown_purge_time_is_null(missing):
    version = make.deleted_share(**{missing: None})
    assert softdelete.shown([version], "home", make.NOW)[0]["purge_time"] is None


VM = f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/vm1"


def test_attachments_of_one_share():
    machines = [
        {
            "id": VM,
            "tags": {
                "Azlin-Home-azureuser": "teamhomes01/home:/home/azureuser",
                "azlin-home-ops": "teamhomes01/projects:/home/ops",
                "azlin-home-odd": "nonsense",
                "owner": "teamhomes01/home:/x",
            },
        },
        {"id": VM.replace("vm1", "vm2"), "tags": None},
    ]
    assert attachments.of_storage(machines, "teamhomes01", "home") == [
        {"name": "vm1", "id": VM, "resource_group": "team", "user": "azureuser", "mount_point": "/home/azureuser"}
    ]


def test_attachment_goes_through_its_tag():
    attachment = attachments.Attachment("teamhomes01", "home", "azureuser", "/home/azureuser")
    assert attachments.parse(attachment.key, attachment.value) == attachment


@pytest.mark.parametrize("value", ["", "nonsense", "teamhomes01/home", "teamhomes01:/home/me", ":/home/me"])
def test_what_has_not_the_form_of_a_record_is_none(value):
    assert attachments.parse("azlin-home-me", value) is None
    assert attachments.parse("owner", "teamhomes01/home:/home/me") is None


def test_the_last_tag_that_finds_room_is_the_fiftieth():
    wanted = attachments.Attachment("teamhomes01", "home", "me", "/home/me")
    vm_id = attachments.virtual_machine_id(VM)
    tags = {f"tag{number}": "" for number in range(attachments.MAX_TAGS)}
    with pytest.raises(AzlinError, match="finds no room"):
        attachments.check_room(vm_id, tags, wanted)
    attachments.check_room(vm_id, {**tags, "Azlin-Home-me": "another/share:/home/me"}, wanted)
    del tags["tag0"]
    attachments.check_room(vm_id, tags, wanted)


class Response:
    """An answer of Azure."""

    def __init__(self, body):
        self._body = body

    def text(self):
        return self._body


class HttpResponseError(Exception):
    """What the SDK raises, as far as it matters."""

    def __init__(self, status, body):
        super().__init__("(sdk)")
        self.status_code, self.response, self.message = status, Response(body), "(sdk)"


def answer(status, code, message="Because.", **more):
    return HttpResponseError(status, json.dumps({"error": {"code": code, "message": message, **more}}))


@pytest.mark.parametrize("code", errors._MEANING_OF)
def test_every_code_with_a_meaning_has_a_remedy(code):
    assert errors.failure("It", code, "Because.").causes


@pytest.mark.parametrize("status", [401, 403, 429])
def test_every_status_with_a_meaning_has_a_remedy(status):
    assert errors.from_azure(answer(status, "SomethingElse"), "It").causes


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("MaxStorageAccountsCountPerSubscriptionExceeded", "quota"),
        ("MissingSubscriptionRegistration", "az provider register"),
        ("ReadOnlyDisabledSubscription", "disabled"),
    ],
)
def test_what_stops_a_whole_subscription_has_a_remedy(code, words):
    ((cause, remedy),) = errors.from_azure(answer(409, code), "It", "create_failed").causes
    assert words in f"{cause}: {remedy}"


def throttled(headers):
    exc = answer(429, "TooManyRequests")
    exc.response.headers = headers
    return exc


@pytest.mark.parametrize(
    ("status", "code", "error_code"),
    [
        (409, "StorageAccountAlreadyTaken", "name_conflict"),
        (409, "ScopeLocked", "in_use"),
        (409, "ShareHasSnapshots", "in_use"),
        (409, "SomethingElse", "azure_error"),
        (403, "AuthorizationFailed", "authorization_failed"),
        (403, "SomethingElse", "authorization_failed"),
        (401, "SomethingElse", "authentication_failed"),
        (429, "TooManyRequests", "throttled"),
        (429, "SomethingElse", "throttled"),
        (409, "ContainerQuotaDowngradeNotAllowed", "size_decrease_refused"),
        (404, "ResourceGroupNotFound", "not_found"),
        (400, "LocationNotAvailableForResourceType", "invalid_argument"),
    ],
)
def test_errors_by_code(status, code, error_code):
    found = errors.from_azure(answer(status, code), "Creating it")
    assert found.error_code == error_code
    assert "Creating it" in found.msg and code in found.msg and "Because." in found.msg


SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/team"
ADVICE = {
    "missing action": (
        "AuthorizationFailed",
        "The client 'c' with object id 'o' does not have authorization to perform action "
        f"'Microsoft.Storage/storageAccounts/write' over scope '{SCOPE}' or the scope is invalid.",
        {},
        ("Microsoft.Storage/storageAccounts/write", SCOPE, "docs/permissions.md"),
    ),
    "missing action on what is joined": (
        "LinkedAuthorizationFailed",
        "The client 'c' has permission to perform action 'Microsoft.Network/privateEndpoints/write' on scope 'x'; "
        "however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/"
        f"action' on the linked scope(s) '{SCOPE}/subnet' (respectively).",
        {},
        ("Microsoft.Network/virtualNetworks/subnets/join/action", f"{SCOPE}/subnet", "docs/permissions.md"),
    ),
    "locked scope": (
        "ScopeLocked",
        f"The scope '{SCOPE}/x' cannot perform delete operation because following scope(s) are locked: '{SCOPE}'. "
        "Please remove the lock and try again.",
        {},
        (SCOPE, "az lock list"),
    ),
    "named lock": (
        "ScopeLocked",
        f"The scope '{SCOPE}/x' cannot perform write operation because following scope(s) are locked: "
        f"'{SCOPE}/providers/Microsoft.Authorization/locks/keep'. Please remove the lock and try again.",
        {},
        (f"the lock keep protects {SCOPE}", "az lock delete --ids"),
    ),
    "policy": (
        "RequestDisallowedByPolicy",
        "Resource 'teamhomes01' was disallowed by policy.",
        {
            "additionalInfo": [
                {"type": "PolicyViolation", "info": {"policyAssignmentDisplayName": "Secure transfer only"}}
            ]
        },
        ("Secure transfer only", "exemption"),
    ),
    "second zone": (
        "Conflict",
        "A virtual network cannot be linked to multiple zones with overlapping namespaces.",
        {},
        ("same name", "network.dns.zone_id"),
    ),
}


@pytest.mark.parametrize("case", ADVICE)
def test_causes_name_what_azure_names(case):
    code, message, more, words = ADVICE[case]
    found = errors.from_azure(answer(409, code, message, **more), "Creating it")
    ((cause, remedy),) = found.causes
    assert all(word in f"{cause}\n{remedy}" for word in words)


@pytest.mark.parametrize("code", ["AuthorizationFailed", "LinkedAuthorizationFailed", "ScopeLocked"])
def test_causes_without_azures_usual_words(code):
    assert len(errors.remedies(code, "Because.")) == 1
    assert errors.remedies("Conflict", "Because.") == []


def test_every_meaning_is_documented():
    assert set(errors._MEANINGS) <= set(ERROR_CODES)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '"text"', '{"error": "text"}'])
def test_answers_without_an_error_object(body):
    assert errors.from_azure(HttpResponseError(500, body), "Reading").error_code == "azure_error"


@pytest.mark.parametrize(
    "exc",
    [
        answer(409, "StorageAccountOperationInProgress"),
        answer(429, "RetryableError", details=[{"code": "ReferencedResourceNotProvisioned"}]),
        answer(400, "NetworkAclsValidationFailure", "Validation failure: SubnetsNotProvisioned: x"),
        answer(412, "PreconditionFailed"),
        answer(409, "ConflictingConcurrentWriteNotAllowed"),
        errors.Failed({"code": "Canceled", "details": [{"code": "CanceledAndSupersededDueToAnotherOperation"}]}),
        answer(429, "SomethingElse"),
        errors.Failed({"code": "StorageAccountOperationInProgress", "message": "Busy."}),
    ],
)
def test_busy(exc):
    assert errors.is_busy(exc)


class ServiceResponseError(Exception):
    """What the SDK raises when an answer is lost, as far as it matters."""


@pytest.mark.parametrize(
    ("exc", "chance"),
    [
        (answer(500, "InternalServerError"), True),
        (answer(404, "ParentResourceNotFound"), True),
        (errors.Lost(answer(404, "OperationNotFound")), True),
        (ServiceResponseError(), True),
        (answer(404, "ResourceGroupNotFound"), False),
        (answer(404, "SubscriptionNotFound"), False),
        (answer(409, "ScopeLocked"), False),
        (answer(403, "AuthorizationFailed"), False),
        (ValueError(), False),
    ],
)
def test_chance(exc, chance):
    assert errors.is_chance(exc) is chance


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_azure_wants_to_be_left_alone(headers, seconds):
    assert errors.retry_after(throttled(headers)) == seconds


def failing(*outcomes):
    """A call that meets one outcome after the other."""
    left = list(outcomes)

    def call():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return call


def test_chances_are_counted_and_busy_is_not(monkeypatch):
    monkeypatch.setattr(waiters, "BUSY_PAUSE", (0, 0))
    busy, chance, deadline = answer(429, "TooManyRequests"), answer(500, "X"), waiters.Deadline(60)
    assert waiters.while_busy(failing(*[busy] * 20, *[chance] * waiters.CHANCES, "done"), deadline, "It") == "done"
    with pytest.raises(HttpResponseError):
        waiters.while_busy(failing(*[chance] * 20), deadline, "It")
    with pytest.raises(HttpResponseError):
        waiters.while_busy(failing(chance, "done"), deadline, "It", chances=0)


def test_azure_is_left_alone_for_as_long_as_it_says(monkeypatch):
    slept = []
    monkeypatch.setattr(waiters.time, "sleep", slept.append)
    answers = [throttled(headers) for headers in ({"Retry-After": "17"}, {"x-ms-retry-after-ms": "250"}, {})]
    assert waiters.while_busy(failing(*answers, "done"), waiters.Deadline(60), "It") == "done"
    # Without a word the pauses grow.
    assert slept == [17, 0.25, 4]


def test_the_wait_for_a_busy_resource_ends_with_its_last_word():
    with pytest.raises(AzlinError, match="Because.") as caught:
        waiters.while_busy(failing(answer(409, "ShareBeingDeleted")), waiters.Deadline(0), "It")
    assert caught.value.error_code == "timeout"
    with pytest.raises(HttpResponseError):
        waiters.while_busy(failing(answer(429, "TooManyRequests")), waiters.Deadline(0), "It")


def test_not_busy_and_not_missing():
    assert not errors.is_busy(answer(409, "StorageAccountAlreadyTaken"))
    assert not errors.is_missing(answer(404, "SubscriptionNotFound"))
    assert not errors.is_missing(answer(404, ""))
    assert errors.is_missing(answer(404, "ResourceNotFound"))


@pytest.mark.parametrize(
    "content",
    [
        {"status": "Failed", "error": {"code": "Unlucky", "message": "It broke."}},
        {"id": "x", "properties": {"provisioningState": "Failed"}},
        {},
        None,
    ],
)
def test_success_that_is_none(content):
    with pytest.raises(AzlinError) as caught:
        waiters.verify(content, "x", "Creating it", "create_failed")
    assert caught.value.error_code == "create_failed"


def test_success():
    content = {"id": "x", "properties": {"provisioningState": "Succeeded"}}
    assert waiters.verify(content, "x", "Creating it", "create_failed") == content


def test_encryption_is_unknown_without_the_file_service():
    assert result.encryption_in_transit(make.account(), None) is None
    assert result.encryption_in_transit(make.account(supportsHttpsTrafficOnly=True), None) == "required"
