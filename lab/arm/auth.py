# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token endpoints for service principals and the managed identity, and the check of bearer tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import typing
import urllib.parse
import uuid

from lab.arm import assertions
from lab.arm.errors import ArmError
from lab.arm.identity import Identity

LIFETIME = 3599


class OAuthError(Exception):
    """An error of the token endpoint, in the form of Microsoft Entra ID."""

    def __init__(self, status: int, error: str, code: int, text: str):
        super().__init__(text)
        self.status = status
        self.error = error
        self.code = code
        self.text = text

    def body(self) -> dict:
        """The JSON document Entra ID would send."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.text} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {moment}",
            "error_codes": [self.code],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
        }


def openid_configuration(base_url: str, tenant: str, identity: Identity) -> dict:
    """The discovery document of a tenant."""
    _check_tenant(tenant, identity)
    authority = f"{base_url}/{tenant}"
    return {
        "token_endpoint": f"{authority}/oauth2/v2.0/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": f"{authority}/discovery/v2.0/keys",
        "response_types_supported": ["code", "token"],
        "scopes_supported": ["openid"],
        "issuer": f"{authority}/v2.0",
        "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
    }


def issue_token(
    form: typing.Mapping[str, str], base_url: str, tenant: str, identity: Identity, trusted: assertions.Trusted
) -> dict:
    """Answer a client_credentials request or refuse it."""
    _check_tenant(tenant, identity)
    if form.get("grant_type") != "client_credentials":
        raise OAuthError(
            400,
            "unsupported_grant_type",
            70003,
            f"The app requested an unsupported grant type '{form.get('grant_type')}'.",
        )
    client = form.get("client_id", "")
    if client.lower() != identity.client_id:
        raise OAuthError(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client}' was not found in the directory 'azlin lab'. This can happen if "
            "the application has not been installed by the administrator of the tenant or consented to by any user "
            "in the tenant. You may have sent your authentication request to the wrong tenant.",
        )
    if form.get("client_assertion_type") == assertions.JWT_BEARER:
        try:
            endpoint = f"{base_url}/{tenant}/oauth2/v2.0/token"
            assertions.check(form.get("client_assertion", ""), identity.client_id, endpoint, trusted)
        except assertions.Refused as refused:
            raise OAuthError(401, "invalid_client", refused.code, refused.text) from None
        return _granted(form.get("scope", "").rsplit("/.default", 1)[0], base_url, identity)
    if not form.get("client_secret"):
        raise OAuthError(
            401,
            "invalid_client",
            7000216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        )
    if not hmac.compare_digest(form["client_secret"].encode(), identity.secret.encode()):
        raise OAuthError(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client}'.",
        )
    return _granted(form.get("scope", "").rsplit("/.default", 1)[0], base_url, identity)


def managed_identity_token(
    query: typing.Mapping[str, str], header: str | None, base_url: str, identity: Identity, trusted: assertions.Trusted
) -> dict:
    """The answer of the local token endpoint of App Service (Azure docs: overview-managed-identity)."""
    if not trusted.identity_header or not hmac.compare_digest(header or "", trusted.identity_header):
        raise OAuthError(401, "unauthorized_client", 0, "The X-IDENTITY-HEADER is missing or wrong.")
    return _managed(query, base_url, identity)


def instance_metadata_token(
    query: typing.Mapping[str, str], header: str | None, base_url: str, identity: Identity, trusted: assertions.Trusted
) -> dict:
    """The answer of the instance metadata of a virtual machine (Azure docs: how-to-use-vm-token)."""
    if header != "true":
        raise OAuthError(400, "invalid_request", 0, "Required metadata header not specified")
    if not trusted.machine or query.get("client_id", identity.client_id).lower() != identity.client_id:
        raise OAuthError(400, "invalid_request", 0, "Identity not found")
    return {**_managed(query, base_url, identity), "expires_in": str(LIFETIME), "ext_expires_in": str(LIFETIME)}


def _managed(query: typing.Mapping[str, str], base_url: str, identity: Identity) -> dict:
    """A token of the managed identity."""
    granted = _granted(query.get("resource", "").rstrip("/"), base_url, identity)
    return {
        "access_token": granted["access_token"],
        "expires_on": str(int(time.time()) + LIFETIME),
        "resource": query.get("resource", ""),
        "token_type": "Bearer",
        "client_id": identity.client_id,
    }


def _granted(audience: str, base_url: str, identity: Identity) -> dict:
    """A token for the Resource Manager, and for nothing else."""
    if not _same_host(audience, base_url):
        raise OAuthError(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {audience} was not found in the tenant named azlin lab.",
        )
    claims = {"aud": audience, "tid": identity.tenant, "appid": identity.client_id, "exp": int(time.time()) + LIFETIME}
    return {
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": _sign(claims, identity),
    }


def check_token(header: str | None, base_url: str, identity: Identity) -> None:
    """Raise the 401 of the Resource Manager unless the header carries a token this lab issued."""
    if not header:
        raise _refuse(
            "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", base_url, identity
        )
    scheme, _blank, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refuse(
            "AuthenticationFailedInvalidHeader",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
            base_url,
            identity,
        )
    claims = _verify(token.strip(), identity)
    if claims is None:
        raise _refuse("InvalidAuthenticationToken", "The access token is invalid.", base_url, identity)
    if claims["exp"] < time.time():
        raise _refuse("ExpiredAuthenticationToken", "The access token expiry UTC time has passed.", base_url, identity)


def _refuse(code: str, message: str, base_url: str, identity: Identity) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="{base_url}/{identity.tenant}", error="invalid_token", error_description="{message}"'
    )
    return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})


def _check_tenant(tenant: str, identity: Identity) -> None:
    if tenant.lower() != identity.tenant:
        raise OAuthError(
            400,
            "invalid_request",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant.",
        )


def _same_host(one: str, other: str) -> bool:
    return urllib.parse.urlsplit(one).netloc.lower() == urllib.parse.urlsplit(other).netloc.lower()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(text: str, identity: Identity) -> str:
    return _encode(hmac.new(identity.token_key.encode(), text.encode(), hashlib.sha256).digest())


def _sign(claims: dict, identity: Identity) -> str:
    text = _encode(b'{"typ":"JWT","alg":"HS256"}') + "." + _encode(json.dumps(claims).encode())
    return f"{text}.{_signature(text, identity)}"


def _verify(token: str, identity: Identity) -> dict | None:
    text, _dot, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text, identity).encode()):
        return None
    payload = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
