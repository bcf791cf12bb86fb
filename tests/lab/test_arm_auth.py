# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in to the lab's cloud, and what it says to those who do not."""

import copy
import time
import types

import jwt
import pytest
import trustme
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential
from cryptography.hazmat.primitives import serialization

from lab.arm import client as lab_client


def credential(arm, **changes):
    values = {"tenant_id": arm.tenant, "client_id": arm.client_id, "client_secret": arm.secret, **changes}
    return ClientSecretCredential(
        **values, authority=arm.url, disable_instance_discovery=True, connection_verify=arm.ca_file
    )


def error_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_metadata_names_login_audience_and_storage_suffix(arm, anonymous):
    answer = anonymous.get("/metadata/endpoints", params={"api-version": "2022-09-01"}).json()
    assert answer["authentication"]["loginEndpoint"].rstrip("/") == arm.url
    assert answer["authentication"]["audiences"][0].rstrip("/") == arm.url
    assert answer["resourceManager"].rstrip("/") == arm.url
    assert answer["suffixes"]["storage"] == "core.lab.test"


def test_metadata_was_a_list_before_2022(arm, anonymous):
    answer = anonymous.get("/metadata/endpoints", params={"api-version": "2019-05-01"}).json()
    assert [cloud["suffixes"]["storage"] for cloud in answer] == ["core.lab.test"]


def test_service_principal_gets_a_token_that_the_resource_manager_takes(azure, arm, anonymous):
    token = credential(arm).get_token(f"{arm.url}/.default")
    headers = {"Authorization": f"Bearer {token.token}"}
    answer = anonymous.get(azure.group_id, params={"api-version": "2025-04-01"}, headers=headers)
    assert answer.status_code == 200


def test_the_labs_own_client_signs_in_again_before_its_token_ends(arm, azure, monkeypatch):
    client, sign_ins = copy.copy(arm), []
    for later in (0, 60, 3500):
        moment = types.SimpleNamespace(monotonic=lambda later=later: time.monotonic() + later, sleep=time.sleep)
        monkeypatch.setattr(lab_client, "time", moment)
        client.request("GET", azure.group_id)
        sign_ins.append(sum(request["path"].endswith("/oauth2/v2.0/token") for request in arm.requests()))
    assert sign_ins[0] == sign_ins[1] == sign_ins[2] - 1


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": "00000000-0000-0000-0000-000000000001"}, "AADSTS700016"),
    ],
)
def test_wrong_credentials_are_refused(arm, changes, code):
    with pytest.raises(ClientAuthenticationError, match=code):
        credential(arm, **changes).get_token(f"{arm.url}/.default")


def rsa_pem():
    """A private key with its certificate, and the certificate alone."""
    made = trustme.CA().issue_cert("azlin.test", key_type=trustme.KeyType.RSA)
    return made.private_key_and_cert_chain_pem.bytes(), made.cert_chain_pems[0].bytes().decode()


def federated(arm, key, **changes):
    claims = {
        "iss": "https://issuer.test",
        "sub": "homes",
        "aud": "api://AzureADTokenExchange",
        "exp": time.time() + 60,
        **changes,
    }
    made = ClientAssertionCredential(
        arm.tenant,
        arm.client_id,
        lambda: jwt.encode(claims, key, algorithm="RS256"),
        authority=arm.url,
        disable_instance_discovery=True,
        connection_verify=arm.ca_file,
    )
    return made.get_token(f"{arm.url}/.default").token


def test_a_certificate_counts_only_when_it_is_trusted(arm):
    both, certificate = rsa_pem()
    options = {"authority": arm.url, "disable_instance_discovery": True, "connection_verify": arm.ca_file}

    def token():
        made = CertificateCredential(arm.tenant, arm.client_id, certificate_data=both, **options)
        return made.get_token(f"{arm.url}/.default").token

    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        token()
    arm.trust(certificates=[rsa_pem()[1], certificate])
    assert token()


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"sub": "else"}, "AADSTS700213"),
        ({"iss": "https://else.test"}, "AADSTS700213"),
        ({"aud": "else"}, "AADSTS700212"),
        ({"exp": 1}, "AADSTS700024"),
        ({"nbf": 9_999_999_999}, "AADSTS700024"),
    ],
)
def test_a_federated_token_counts_only_for_what_is_trusted(arm, changes, code):
    key = serialization.load_pem_private_key(rsa_pem()[0], None)
    other = serialization.load_pem_private_key(rsa_pem()[0], None)
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = key.public_key().public_bytes(*form).decode()
    arm.trust(federated=[{"issuer": "https://issuer.test", "subject": "homes", "key": public}])
    assert federated(arm, key)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        federated(arm, other)
    with pytest.raises(ClientAuthenticationError, match=code):
        federated(arm, key, **changes)


def test_the_managed_identity_needs_its_header(arm, anonymous, azure):
    arm.trust(identity_header="known")
    query = {"api-version": "2019-08-01", "resource": arm.url}
    answer = anonymous.get("/msi/token", params=query, headers={"X-IDENTITY-HEADER": "known"}).json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    group = anonymous.get(azure.group_id, params={"api-version": "2025-04-01"}, headers=headers)
    assert (group.status_code, answer["resource"]) == (200, arm.url)
    for wrong in ({}, {"X-IDENTITY-HEADER": "guess"}):
        assert anonymous.get("/msi/token", params=query, headers=wrong).status_code == 401
    arm.trust()
    assert anonymous.get("/msi/token", params=query, headers={"X-IDENTITY-HEADER": ""}).status_code == 401


def test_instance_metadata_give_tokens_to_a_machine_with_an_identity(arm, anonymous, azure):
    def ask(**headers):
        query = {"api-version": "2018-02-01", "resource": arm.url}
        return anonymous.get("/metadata/identity/oauth2/token", params=query, headers=headers)

    assert ask(Metadata="true").status_code == 400
    arm.trust(machine=True)
    assert ask().status_code == 400
    headers = {"Authorization": f"Bearer {ask(Metadata='true').json()['access_token']}"}
    assert anonymous.get(azure.group_id, params={"api-version": "2025-04-01"}, headers=headers).status_code == 200


def test_wrong_secret_is_401_invalid_client(arm, anonymous):
    form = {
        "grant_type": "client_credentials",
        "client_id": arm.client_id,
        "client_secret": "wrong",
        "scope": f"{arm.url}/.default",
    }
    answer = anonymous.post(f"/{arm.tenant}/oauth2/v2.0/token", data=form)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_unknown_tenant_is_refused(arm, anonymous):
    answer = anonymous.get("/00000000-0000-0000-0000-000000000001/v2.0/.well-known/openid-configuration")
    assert answer.status_code == 400
    assert "AADSTS90002" in answer.json()["error_description"]


def test_token_for_another_cloud_is_refused(arm):
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        credential(arm).get_token("https://management.example.com/.default")


def test_requests_without_token_are_refused(azure, arm, anonymous):
    answer = anonymous.get(azure.group_id, params={"api-version": "2025-04-01"})
    assert error_of(answer) == (401, "AuthenticationFailed")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_requests_with_a_forged_token_are_refused(azure, arm, anonymous):
    token = credential(arm).get_token(f"{arm.url}/.default").token
    for bad in (token[:-2] + "xx", "nonsense", "a.b.c"):
        headers = {"Authorization": f"Bearer {bad}"}
        answer = anonymous.get(azure.group_id, params={"api-version": "2025-04-01"}, headers=headers)
        assert error_of(answer) == (401, "InvalidAuthenticationToken")


def test_the_secret_is_in_no_log(azure, arm):
    credential(arm).get_token(f"{arm.url}/.default")
    assert any(entry["path"].endswith("/token") for entry in arm.requests())
    assert arm.secret not in str(arm.requests())


def test_api_version_is_required_and_checked(azure, anonymous):
    headers = {"Authorization": azure.wire.headers["Authorization"]}
    assert error_of(anonymous.get(azure.group_id, headers=headers)) == (400, "MissingApiVersionParameter")
    answer = anonymous.get(azure.group_id, params={"api-version": "latest"}, headers=headers)
    assert error_of(answer) == (400, "InvalidApiVersionParameter")


def test_other_subscriptions_do_not_exist(azure):
    answer = azure.wire.get("/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups")
    assert error_of(answer) == (404, "SubscriptionNotFound")
    assert error_of(azure.wire.get("/subscriptions/mine/resourceGroups")) == (400, "InvalidSubscriptionId")


def test_unknown_types_and_paths(azure):
    provider = f"{azure.group_id}/providers"
    assert error_of(azure.wire.get(f"{provider}/Microsoft.Nothing/things/x")) == (404, "InvalidResourceNamespace")
    assert error_of(azure.wire.get(f"{provider}/Microsoft.Storage/things/x")) == (404, "InvalidResourceType")
    assert azure.wire.post(f"{provider}/Microsoft.Storage/storageAccounts/x").status_code == 405


def test_answers_carry_request_ids(azure):
    answer = azure.wire.get(azure.group_id, headers={"x-ms-client-request-id": "mine"})
    assert answer.headers["x-ms-request-id"]
    assert answer.headers["x-ms-correlation-request-id"]
    assert answer.headers["x-ms-client-request-id"] == "mine"
