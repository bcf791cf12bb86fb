# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signs in to which cloud: azure.azcollection's options and environment variables, carried out by azure-identity.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import configparser
import json
import os
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid

# Option -> environment variables, in order; azure.azcollection's names first, azure-identity's after them.
_ENVIRONMENT = {
    "subscription_id": ("AZURE_SUBSCRIPTION_ID",),
    "client_id": ("AZURE_CLIENT_ID",),
    "secret": ("AZURE_SECRET", "AZURE_CLIENT_SECRET"),
    "tenant": ("AZURE_TENANT", "AZURE_TENANT_ID"),
    "cloud_environment": ("AZURE_CLOUD_ENVIRONMENT",),
    "x509_certificate_path": ("AZURE_X509_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH"),
    "profile": ("AZURE_PROFILE",),
}
# Set by AKS and by pipelines that sign in without a secret; azure.azcollection has no option for it.
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"
SOURCES = ("auto", "cli", "credential_file", "env", "msi")


@dataclass(frozen=True)
class Login:
    """What azure-identity is asked to do; ``kind`` is secret, certificate, federated, cli or msi."""

    kind: str
    subscription_id: str
    cloud_environment: str
    tenant: str = ""
    client_id: str = ""
    secret: str = ""
    certificate_path: str = ""
    token_file: str = ""

    def __repr__(self):
        return f"Login(kind={self.kind!r}, subscription_id={self.subscription_id!r})"


@dataclass(frozen=True)
class Cloud:
    """Where a cloud signs in, takes requests, and what its storage names end in."""

    resource_manager: str
    audience: str
    storage_suffix: str
    authority: str = ""
    is_custom: bool = False


# Azure docs: "Azure Government endpoint mapping", "Azure in China developer guide". An empty authority leaves the
# choice to azure-identity, which honours AZURE_AUTHORITY_HOST.
_CLOUDS = {
    "azurecloud": Cloud("https://management.azure.com", "https://management.azure.com", "core.windows.net"),
    "azurechinacloud": Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "core.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
    ),
    "azureusgovernment": Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
        "core.usgovcloudapi.net",
        "https://login.microsoftonline.us",
    ),
}


def resolve(params, environ=None, home=None):
    """Return the :class:`Login` that options, environment and files ask for.

    ``auto`` takes the first complete one of: options, environment, credential file, Azure CLI; a profile that the
    options name comes before the environment, as in azure.azcollection. Managed identity is never guessed, since asking
    for one takes seconds on a machine that has none.
    """
    environ = os.environ if environ is None else environ
    home = os.path.expanduser("~") if home is None else home
    source = params.get("auth_source") or environ.get("ANSIBLE_AZURE_AUTH_SOURCE") or "auto"
    if source not in SOURCES:
        raise invalid("auth_source", source, f"it is not one of {', '.join(SOURCES)}", "Use for example auto.")
    options = {key: params.get(key) for key in _ENVIRONMENT}
    variables = _from_environment(environ)
    profile = options["profile"] or variables["profile"]
    if source == "env" or (source == "auto" and not options["profile"]):
        login = _service_principal(_filled(options, variables), environ.get(_TOKEN_FILE))
        if login:
            return _checked(login)
        if source == "env":
            raise _none_found("the environment holds no complete service principal")
    if source in ("auto", "credential_file"):
        stored = _from_file(os.path.join(home, ".azure", "credentials"), profile or "default")
        # Half of the environment's principal would make up another one.
        around = {key: variables[key] for key in ("subscription_id", "cloud_environment")}
        login = _service_principal(_filled(options, _filled(stored, around)))
        if login:
            return _checked(login)
        if source == "credential_file" or profile:
            raise _none_found(f"~/.azure/credentials holds no complete profile {profile or 'default'!r}")
    values = _filled(options, variables)
    if source == "msi":
        return _checked(_login("msi", values))
    values["subscription_id"] = values["subscription_id"] or _cli_subscription(environ, home)
    return _checked(_login("cli", values))


def _from_environment(environ):
    return {
        option: next((environ[name] for name in names if environ.get(name)), None)
        for option, names in _ENVIRONMENT.items()
    }


def _filled(values, defaults):
    return {key: values.get(key) or defaults.get(key) for key in _ENVIRONMENT}


def _from_file(path, profile):
    """A profile of azure.azcollection's INI file of credentials; empty when there is none."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, ValueError):
        # The parser's own message quotes the line, which may hold a secret.
        raise _none_found(f"{path} is not an INI file") from None
    return dict(parser[profile]) if parser.has_section(profile) else {}


def _cli_subscription(environ, home):
    """The subscription that 'az account set' chose, or None."""
    folder = environ.get("AZURE_CONFIG_DIR") or os.path.join(home, ".azure")
    try:
        with open(os.path.join(folder, "azureProfile.json"), encoding="utf-8-sig") as stream:
            listed = json.load(stream).get("subscriptions", [])
    except (OSError, ValueError):
        return None
    return next((item.get("id") for item in listed if item.get("isDefault")), None)


def _service_principal(values, token_file=None):
    """A login for complete service principal values, else None."""
    if not (values["client_id"] and values["tenant"]):
        return None
    if values["secret"]:
        return _login("secret", values)
    if values["x509_certificate_path"]:
        return _login("certificate", values)
    return _login("federated", values, token_file) if token_file else None


def _login(kind, values, token_file=None):
    return Login(
        kind=kind,
        subscription_id=values["subscription_id"] or "",
        cloud_environment=values["cloud_environment"] or "AzureCloud",
        tenant=values["tenant"] or "",
        client_id=values["client_id"] or "",
        secret=values["secret"] or "",
        certificate_path=values["x509_certificate_path"] or "",
        token_file=token_file or "",
    )


def _checked(login):
    if not login.subscription_id:
        raise AzlinError(
            "invalid_argument",
            "subscription_id: no subscription was given or found.",
            causes=[
                (
                    "neither the option, nor AZURE_SUBSCRIPTION_ID, nor a profile, nor the Azure CLI names one",
                    "Set subscription_id or AZURE_SUBSCRIPTION_ID; 'az account list' shows the choices.",
                )
            ],
            try_="az account list --output table",
        )
    return login


def _none_found(reason):
    return AzlinError(
        "authentication_failed",
        f"No credentials: {reason}.",
        causes=[
            (
                "client id, tenant and secret (or certificate, or federated token file) must all be there",
                "Set AZURE_CLIENT_ID, AZURE_TENANT and AZURE_SECRET, or choose another auth_source.",
            )
        ],
    )


def find_cloud(name_or_url, fetch):
    """Return the :class:`Cloud` of a name or of a metadata URL; ``fetch(url)`` returns the JSON behind a URL."""
    text = str(name_or_url)
    if text.lower().startswith("https://"):
        return _cloud_of_metadata(text, fetch)
    known = _CLOUDS.get(text.lower().replace("_", ""))
    if known:
        return known
    raise invalid(
        "cloud_environment",
        name_or_url,
        "it is neither AzureCloud, AzureChinaCloud or AzureUSGovernment nor an https URL",
        "Leave it unset for the public cloud.",
    )


def _cloud_of_metadata(url, fetch):
    """A cloud that describes itself under ``/metadata/endpoints``, such as Azure Stack."""
    base = url.rstrip("/")
    content = fetch(f"{base}/metadata/endpoints?api-version=2022-09-01")
    listed = content if isinstance(content, list) else [content]
    matching = [item for item in listed if _same_host(item.get("resourceManager"), base)]
    entry = next(iter(matching + listed), {})
    authentication = entry.get("authentication") or {}
    audiences = authentication.get("audiences") or []
    suffix = (entry.get("suffixes") or {}).get("storage")
    if not (authentication.get("loginEndpoint") and audiences and suffix):
        raise invalid(
            "cloud_environment",
            url,
            "its /metadata/endpoints names no login endpoint, audience or storage suffix",
            "Check the URL.",
        )
    return Cloud(
        resource_manager=(entry.get("resourceManager") or base).rstrip("/"),
        audience=audiences[0].rstrip("/"),
        storage_suffix=suffix.lstrip("."),
        authority=authentication["loginEndpoint"].rstrip("/"),
        is_custom=True,
    )


def _same_host(url, base):
    return str(url or "").rstrip("/").lower() == base.lower()


def credential(login, cloud, identity):
    """The credential object of ``identity`` (the azure.identity package) for a login."""
    common = {"authority": cloud.authority} if cloud.authority else {}
    if login.kind == "cli":
        return identity.AzureCliCredential(**({"tenant_id": login.tenant} if login.tenant else {}))
    if login.kind == "msi":
        return identity.ManagedIdentityCredential(**({"client_id": login.client_id} if login.client_id else {}))
    # Only the authorities of Microsoft's own clouds are known to the discovery service.
    common["disable_instance_discovery"] = cloud.is_custom or bool(os.environ.get("AZURE_AUTHORITY_HOST"))
    if login.kind == "federated":
        return identity.WorkloadIdentityCredential(
            tenant_id=login.tenant, client_id=login.client_id, token_file_path=login.token_file, **common
        )
    if login.kind == "certificate":
        return identity.CertificateCredential(login.tenant, login.client_id, login.certificate_path, **common)
    return identity.ClientSecretCredential(login.tenant, login.client_id, login.secret, **common)
