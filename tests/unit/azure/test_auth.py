# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials and clouds: which source wins, and what a metadata URL gives."""

from __future__ import annotations

import collections
import json
import time

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import auth, clients
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

PRINCIPAL = {
    "AZURE_CLIENT_ID": "id",
    "AZURE_SECRET": "hush",
    "AZURE_TENANT": "tenant",
    "AZURE_SUBSCRIPTION_ID": "subscription",
}


def resolve(home, environ=None, **params):
    return auth.resolve(params, environ or {}, str(home))


def error_of(call, *args, **kwargs):
    with pytest.raises(AzlinError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_environment(tmp_path):
    login = resolve(tmp_path, PRINCIPAL)
    assert (login.kind, login.client_id, login.secret, login.tenant) == ("secret", "id", "hush", "tenant")
    assert (login.subscription_id, login.cloud_environment) == ("subscription", "AzureCloud")


def test_names_of_azure_identity_work_too(tmp_path):
    environ = {**PRINCIPAL, "AZURE_CLIENT_SECRET": "hush2", "AZURE_TENANT_ID": "tenant2"}
    del environ["AZURE_SECRET"], environ["AZURE_TENANT"]
    login = resolve(tmp_path, environ)
    assert (login.secret, login.tenant) == ("hush2", "tenant2")


def test_options_win(tmp_path):
    login = resolve(tmp_path, PRINCIPAL, client_id="mine", subscription_id="other", cloud_environment="AzureChinaCloud")
    assert (login.client_id, login.subscription_id, login.cloud_environment) == ("mine", "other", "AzureChinaCloud")


def test_certificate(tmp_path):
    environ = {**PRINCIPAL, "AZURE_CLIENT_CERTIFICATE_PATH": "/cert.pem"}
    del environ["AZURE_SECRET"]
    login = resolve(tmp_path, environ)
    assert (login.kind, login.certificate_path) == ("certificate", "/cert.pem")


FEDERATED = {
    "AZURE_CLIENT_ID": "id",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_FEDERATED_TOKEN_FILE": "/token",
    "AZURE_SUBSCRIPTION_ID": "subscription",
}


@pytest.mark.parametrize("source", [None, "env"])
def test_federated_token(tmp_path, source):
    login = resolve(tmp_path, FEDERATED, auth_source=source)
    assert (login.kind, login.token_file, login.client_id) == ("federated", "/token", "id")


def test_federated_token_comes_after_secret_and_certificate_and_not_from_a_profile(tmp_path):
    assert resolve(tmp_path, {**FEDERATED, "AZURE_SECRET": "hush"}).kind == "secret"
    assert resolve(tmp_path, {**FEDERATED, "AZURE_CLIENT_CERTIFICATE_PATH": "/cert"}).kind == "certificate"
    assert resolve(tmp_path, FEDERATED, auth_source="cli").kind == "cli"
    assert error_of(resolve, tmp_path, FEDERATED, auth_source="credential_file").error_code == "authentication_failed"


def write_profile(home, name="default"):
    folder = home / ".azure"
    folder.mkdir()
    lines = [f"[{name}]", "client_id=file", "secret=50%hush", "tenant=t", "subscription_id=s"]
    (folder / "credentials").write_text("\n".join(lines))


def test_profile(tmp_path):
    write_profile(tmp_path, "lab")
    login = resolve(tmp_path, {"AZURE_PROFILE": "lab"})
    assert (login.client_id, login.secret, login.subscription_id) == ("file", "50%hush", "s")


def test_missing_profile_is_an_error_not_another_source(tmp_path):
    assert error_of(resolve, tmp_path, profile="lab").error_code == "authentication_failed"
    assert error_of(resolve, tmp_path, auth_source="credential_file").error_code == "authentication_failed"


OTHER = {"AZURE_CLIENT_ID": "other", "AZURE_TENANT": "o", "AZURE_SECRET": "loud", "AZURE_SUBSCRIPTION_ID": "other"}


def test_profile_of_the_options_comes_before_the_environment(tmp_path):
    write_profile(tmp_path, "lab")
    login = resolve(tmp_path, OTHER, profile="lab")
    assert (login.client_id, login.secret, login.subscription_id) == ("file", "50%hush", "s")
    assert resolve(tmp_path, OTHER, profile="lab", subscription_id="mine").subscription_id == "mine"
    # One of the environment is part of the environment.
    assert resolve(tmp_path, {**OTHER, "AZURE_PROFILE": "lab"}).client_id == "other"
    assert resolve(tmp_path, OTHER, profile="lab", auth_source="env").client_id == "other"


@pytest.mark.parametrize("auth_source", [None, "credential_file"])
def test_a_missing_profile_is_not_made_up_from_the_environment(tmp_path, auth_source):
    write_profile(tmp_path, "lab")
    error = error_of(resolve, tmp_path, OTHER, profile="lib", auth_source=auth_source)
    assert error.error_code == "authentication_failed" and "'lib'" in error.msg


def test_command_line_is_the_last_source(tmp_path):
    folder = tmp_path / ".azure"
    folder.mkdir()
    listed = {"subscriptions": [{"id": "a", "isDefault": False}, {"id": "b", "isDefault": True}]}
    (folder / "azureProfile.json").write_text(json.dumps(listed), encoding="utf-8-sig")
    login = resolve(tmp_path)
    assert (login.kind, login.subscription_id) == ("cli", "b")


def test_managed_identity(tmp_path):
    login = resolve(tmp_path, {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_CLIENT_ID": "user"}, auth_source="msi")
    assert (login.kind, login.client_id) == ("msi", "user")


def test_incomplete_environment(tmp_path):
    error = error_of(resolve, tmp_path, {"AZURE_CLIENT_ID": "id"}, auth_source="env")
    assert error.error_code == "authentication_failed"


def test_no_subscription(tmp_path):
    assert error_of(resolve, tmp_path).error_code == "invalid_argument"


def test_unknown_source(tmp_path):
    assert "magic" in error_of(resolve, tmp_path, {"ANSIBLE_AZURE_AUTH_SOURCE": "magic"}).msg


def test_a_login_does_not_show_its_secret(tmp_path):
    assert "hush" not in repr(resolve(tmp_path, PRINCIPAL))


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("AzureCloud", "core.windows.net"),
        ("azurechinacloud", "core.chinacloudapi.cn"),
        ("AzureUSGovernment", "core.usgovcloudapi.net"),
    ],
)
def test_clouds_by_name(name, suffix):
    assert auth.find_cloud(name, None).storage_suffix == suffix


def entry(url):
    return {
        "resourceManager": f"{url}/",
        "authentication": {"loginEndpoint": "https://login.test/", "audiences": ["https://audience.test/"]},
        "suffixes": {"storage": "core.test"},
    }


@pytest.mark.parametrize("listed", [False, True])
def test_cloud_by_url(listed):
    content = [entry("https://other.test"), entry("https://arm.test")] if listed else entry("https://arm.test")
    cloud = auth.find_cloud("https://arm.test/", lambda _url: content)
    assert cloud == auth.Cloud("https://arm.test", "https://audience.test", "core.test", "https://login.test", True)


@pytest.mark.parametrize("content", [{}, [], [{"authentication": None}]])
def test_cloud_that_says_nothing(content):
    assert error_of(auth.find_cloud, "https://arm.test", lambda _url: content).error_code == "invalid_argument"


@pytest.mark.parametrize("name", ["AzureMoon", "http://arm.test", ""])
def test_unknown_cloud(name):
    assert error_of(auth.find_cloud, name, None).error_code == "invalid_argument"


Token = collections.namedtuple("Token", "token expires_on")


class Counting:
    """A credential that counts."""

    def __init__(self, lifetime):
        self.asked, self.lifetime = 0, lifetime

    def get_token(self, *_scopes, **_kwargs):
        self.asked += 1
        return Token(str(self.asked), time.time() + self.lifetime)


@pytest.mark.parametrize(("lifetime", "asked"), [(3600, 1), (10, 2)])
def test_a_token_is_shared_until_its_end_is_near(lifetime, asked):
    credential = Counting(lifetime)
    shared = clients.SharedToken(credential)
    shared.get_token("scope")
    shared.get_token("scope")
    assert credential.asked == asked


def test_missing_library():
    error = error_of(clients.load, "azlin_no_such_module", "azlin-no-such-library")
    assert error.error_code == "missing_library"
    assert "azlin-no-such-library" in error.msg


def test_a_malformed_credential_file_does_not_show_its_content(tmp_path):
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "credentials").write_text("secret hush\n[default]\n")
    error = error_of(resolve, tmp_path, auth_source="credential_file")
    assert error.error_code == "authentication_failed"
    assert "hush" not in json.dumps(error.as_result()) and error.__suppress_context__


def test_requests_have_short_timeouts(monkeypatch):
    for name, value in PRINCIPAL.items():
        monkeypatch.setenv(name, value.replace("tenant", "11111111-2222-3333-4444-555555555555"))
    config = clients.Azure({"auth_source": "env"}).storage()._client._pipeline._transport.connection_config
    assert (config.timeout, config.read_timeout) == (20, 60)
