# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to sign in, with the real azure-identity against the lab's token endpoints, and no secret on the way."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import azure.identity
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from ansible_collections.azlin.storage.plugins.module_utils._azure import auth
from tests.integration.support import assert_refused, assert_succeeded, run_module, storage

INFO = "azlin_storage_info"
ISSUER, SUBJECT = "https://issuer.test", "repo:team/homes:ref:refs/heads/main"
IDENTITY_HEADER = "header-of-the-managed-identity"
ROOT = pathlib.Path(__file__).resolve().parents[2]
# The beginning of every signed token, and of every private key in PEM.
TOKEN = re.compile(r"eyJ[\w-]{8,}|PRIVATE KEY")


@pytest.fixture(scope="module")
def pem():
    """A private key with its certificate."""
    made = trustme.CA().issue_cert("azlin.test", key_type=trustme.KeyType.RSA)
    return made.private_key_and_cert_chain_pem.bytes().decode()


def key_of(pem):
    return serialization.load_pem_private_key(pem.encode(), None)


def public_key(pem):
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key_of(pem).public_key().public_bytes(*form).decode()


@pytest.fixture
def cloud(arm, monkeypatch, tmp_path, pem):
    """The Resource Manager, which trusts everybody of these tests, and an environment that has nobody in it."""
    federated = {"issuer": ISSUER, "subject": SUBJECT, "key": public_key(pem)}
    certificate = pem[pem.index("-----BEGIN CERTIFICATE") :]
    arm.trust(certificates=[certificate], federated=[federated], identity_header=IDENTITY_HEADER, machine=True)
    for name in ("AZURE_TENANT", "AZURE_CLIENT_ID", "AZURE_SECRET"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return arm


def federated_token(pem, **changes):
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "exp": int(time.time()) + 600}
    return jwt.encode({**claims, **changes}, key_of(pem), algorithm="RS256")


def written(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


AZ = """#!{python}
import json, sys
expected = ["account", "get-access-token", "--output", "json", "--resource", {resource!r}]
if sys.argv[1:7] != expected or "another" in sys.argv:
    sys.exit("Please run 'az login'")
print(json.dumps({{"accessToken": open({token!r}).read(), "expires_on": {end}, "tokenType": "Bearer"}}))
"""


def command_line(arm, folder):
    """A stand-in for the Azure CLI, of somebody who is signed in; the variables that make it found."""
    principal = azure.identity.ClientSecretCredential(
        arm.tenant, arm.client_id, arm.secret, authority=arm.url, disable_instance_discovery=True
    )
    token = written(folder / "token", principal.get_token(f"{arm.url}/.default").token)
    script = AZ.format(python=sys.executable, resource=arm.url, token=token, end=int(time.time()) + 3000)
    written(folder / "az", script)
    (folder / "az").chmod(0o700)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_AZURE_AUTH_SOURCE": "cli"}


def ways(arm, folder, pem):
    """Variables of the environment for every way to sign in."""
    principal = {"AZURE_TENANT_ID": arm.tenant, "AZURE_CLIENT_ID": arm.client_id}
    return {
        "secret": {**principal, "AZURE_CLIENT_SECRET": arm.secret},
        "secret, names of azure.azcollection": {
            "AZURE_TENANT": arm.tenant,
            "AZURE_CLIENT_ID": arm.client_id,
            "AZURE_SECRET": arm.secret,
        },
        "certificate": {**principal, "AZURE_CLIENT_CERTIFICATE_PATH": written(folder / "cert.pem", pem)},
        "workload identity": {
            **principal,
            "AZURE_FEDERATED_TOKEN_FILE": written(folder / "federated", federated_token(pem)),
            # AKS sets it to the public cloud; the cloud that was chosen knows better.
            "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
        },
        "managed identity": {
            "ANSIBLE_AZURE_AUTH_SOURCE": "msi",
            "IDENTITY_ENDPOINT": f"{arm.url}/msi/token",
            "IDENTITY_HEADER": IDENTITY_HEADER,
        },
        "managed identity of the machine": {
            "ANSIBLE_AZURE_AUTH_SOURCE": "msi",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": arm.url,
        },
        "command line": command_line(arm, folder),
    }


NAMES = [
    "secret",
    "secret, names of azure.azcollection",
    "certificate",
    "workload identity",
    "managed identity",
    "managed identity of the machine",
    "command line",
]


def assert_discreet(text, *secrets):
    """Neither a secret nor a token is in a text."""
    for secret in secrets:
        assert secret not in text
    assert not TOKEN.search(text)


@pytest.mark.parametrize("way", NAMES)
def test_signing_in(cloud, monkeypatch, tmp_path, pem, way):
    for name, value in ways(cloud, tmp_path, pem)[way].items():
        monkeypatch.setenv(name, value)
    result = assert_succeeded(run_module(INFO))
    assert result["storages"] == []
    assert_discreet(json.dumps(result), cloud.secret, IDENTITY_HEADER)


def test_signing_in_with_options(cloud, tmp_path, pem):
    principal = {"tenant": cloud.tenant, "client_id": cloud.client_id}
    for proof in ({"secret": cloud.secret}, {"x509_certificate_path": written(tmp_path / "cert.pem", pem)}):
        result = assert_succeeded(run_module(INFO, **principal, **proof, thumbprint="AB" * 20))
        assert_discreet(json.dumps(result), cloud.secret)


def test_signing_in_with_a_profile(cloud, tmp_path):
    (tmp_path / ".azure").mkdir()
    lines = ["[team]", f"tenant={cloud.tenant}", f"client_id={cloud.client_id}", f"secret={cloud.secret}"]
    lines.append(f"subscription_id={cloud.subscription_id}")
    written(tmp_path / ".azure" / "credentials", "\n".join(lines))
    assert_discreet(json.dumps(assert_succeeded(run_module(INFO, profile="team"))), cloud.secret)


def sign_ins(arm):
    """Who was asked for a token: the paths, in their order."""
    return [one["path"] for one in arm.requests() if one["path"].endswith("/token")]


def test_the_machine_is_asked_for_its_identity(cloud, monkeypatch, tmp_path, pem):
    for name, value in ways(cloud, tmp_path, pem)["managed identity of the machine"].items():
        monkeypatch.setenv(name, value)
    cloud.clear_requests()
    assert_succeeded(run_module(INFO))
    assert sign_ins(cloud) == ["/metadata/identity/oauth2/token"]


def test_authority_of_the_environment(cloud, monkeypatch):
    """Named clouds sign in where AZURE_AUTHORITY_HOST says, also at an authority that Microsoft does not know."""
    # The public cloud with the lab's Resource Manager; who issues its tokens is left open, as it is there.
    public = auth.find_cloud("AzureCloud", None)
    here = dataclasses.replace(public, resource_manager=cloud.url, audience=cloud.url, storage_suffix="core.lab.test")
    assert here.authority == ""
    monkeypatch.setitem(auth._CLOUDS, "azurecloud", here)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", cloud.url)
    principal = {"tenant": cloud.tenant, "client_id": cloud.client_id, "secret": cloud.secret}
    cloud.clear_requests()

    result = assert_succeeded(run_module(INFO, cloud_environment="AzureCloud", **principal))

    assert result["storages"] == []
    assert sign_ins(cloud) == [f"/{cloud.tenant}/oauth2/v2.0/token"]


def other_certificate():
    made = trustme.CA().issue_cert("else.test", key_type=trustme.KeyType.RSA)
    return made.private_key_and_cert_chain_pem.bytes().decode()


REFUSED = {
    "wrong secret": ("secret", {"AZURE_CLIENT_SECRET": "not-the-secret-at-all"}, "AADSTS7000215"),
    "unknown certificate": ("certificate", other_certificate, "AADSTS700027"),
    "certificate that is none": ("certificate", lambda: "hush-hush", "cannot be used"),
    "no certificate": ("certificate", {"AZURE_CLIENT_CERTIFICATE_PATH": "/nowhere/cert.pem"}, "/nowhere/cert.pem"),
    "token of another branch": ("workload identity", {"sub": "repo:team/homes:pull_request"}, "AADSTS700213"),
    "token that has ended": ("workload identity", {"exp": 1}, "AADSTS700024"),
    "token that is none": ("workload identity", lambda: "hush-hush", "AADSTS50027"),
    "no token": ("workload identity", {"AZURE_FEDERATED_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token"),
    # The releases of azure-identity that are admitted word it in two ways.
    "wrong managed identity": (
        "managed identity",
        {"IDENTITY_HEADER": "hush-hush"},
        re.compile("managed identity|X-IDENTITY-HEADER"),
    ),
    "machine without an identity": (
        "managed identity of the machine",
        {"AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000001"},
        "ManagedIdentityCredential authentication unavailable",
    ),
    "nobody signed in": ("command line", {"AZURE_TENANT": "another"}, "az login"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_tell_why_and_nothing_secret(cloud, monkeypatch, tmp_path, pem, case):
    way, change, word = REFUSED[case]
    variables = ways(cloud, tmp_path, pem)[way]
    files = {"certificate": "cert.pem", "workload identity": "federated"}
    if callable(change):
        written(tmp_path / files[way], change())
    elif set(change) <= {"sub", "exp"}:
        written(tmp_path / files[way], federated_token(pem, **change))
    else:
        variables.update(change)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    result = run_module(INFO)

    assert_refused(result, "authentication_failed")
    assert re.search(word, result["msg"])
    assert_discreet(json.dumps(result), cloud.secret, "not-the-secret-at-all", "hush-hush", IDENTITY_HEADER)


PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - azlin.storage.azlin_nfs_storage: {create}
    - azlin.storage.azlin_nfs_storage: {grow}
    - azlin.storage.azlin_storage_info: {{auth_source: msi}}
    - azlin.storage.azlin_storage_info: {{auth_source: cli}}
    - azlin.storage.azlin_storage_info: {{x509_certificate_path: {certificate}}}
    - azlin.storage.azlin_storage_info: {{secret: "{{{{ lookup('env', 'WRONG') }}}}"}}
      ignore_errors: true
"""


def test_nothing_secret_is_printed(cloud, tmp_path, pem):
    """Ansible at its most talkative, with diff and a run that fails, for every way to sign in."""
    variables = {name: value for way in NAMES[3:] for name, value in ways(cloud, tmp_path, pem)[way].items()}
    del variables["ANSIBLE_AZURE_AUTH_SOURCE"]
    create = storage(network={"virtual_network": "lab-vnet", "subnet": "endpoints"})
    play = PLAY.format(
        create=json.dumps(create),
        grow=json.dumps({**create, "size": "600GiB", "secret": "{{ lookup('env', 'RIGHT') }}"}),
        certificate=written(tmp_path / "cert.pem", pem),
    )
    written(tmp_path / "play.yml", play)
    environ = {
        **os.environ,
        **variables,
        # Ansible itself quotes the lines of a task that fails.
        "RIGHT": cloud.secret,
        "WRONG": "not-the-secret-at-all",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(tmp_path),
        # From 2.21 on it shows the arguments of modules only where that is asked for.
        "ANSIBLE_INJECT_INVOCATION": "true",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "LC_ALL": "C.UTF-8",
    }
    argv = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "play.yml", "-vvvv", "--diff"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]

    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert re.search(r"ok=6 +changed=2 .* ignored=1", printed) and "AADSTS7000215" in printed
    assert '+    "share home": {' in printed and "module_args" in printed
    token = (tmp_path / "token").read_text()
    assert_discreet(printed, cloud.secret, "not-the-secret-at-all", IDENTITY_HEADER, token, token[-20:])
