# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to sign in without a secret: the certificate of the service principal, or the token of a trusted issuer."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
import typing

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What a token has to be for, to be exchanged (Azure docs: workload-identity-federation).
EXCHANGE = "api://AzureADTokenExchange"
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
PADDINGS = {"RS256": padding.PKCS1v15(), "PS256": PSS}


@dataclasses.dataclass
class Trusted:
    """What the lab accepts besides the secret; set over the control path.

    ``certificates`` are PEM documents of the service principal, ``federated`` dictionaries with issuer, subject and
    key (PEM), ``identity_header`` is what a request for the token of the managed identity has to carry, and
    ``machine`` says that the machine itself has one, so that its instance metadata hand out tokens.
    """

    certificates: list[str] = dataclasses.field(default_factory=list)
    federated: list[dict] = dataclasses.field(default_factory=list)
    identity_header: str = ""
    machine: bool = False


class Refused(Exception):
    """An assertion that does not prove anything: the number of the error and why."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code
        self.text = text


def check(assertion: str, client_id: str, endpoint: str, trusted: Trusted) -> None:
    """Raise unless an assertion is the service principal's own, or that of an issuer trusted to speak for it."""
    try:
        signed, _dot, signature = assertion.strip().rpartition(".")
        header, claims = (json.loads(_decode(part)) for part in signed.split("."))
    except ValueError:
        raise Refused(50027, "JWT token is invalid or malformed.") from None
    if claims.get("iss") == client_id:
        keys = [_certificate_key(text) for text in trusted.certificates]
        audience, subject = endpoint, client_id
    else:
        matching = [entry for entry in trusted.federated if entry["issuer"] == claims.get("iss")]
        keys = [_public_key(entry["key"]) for entry in matching if entry["subject"] == claims.get("sub")]
        audience, subject = EXCHANGE, claims.get("sub")
        if not keys:
            raise Refused(
                700213,
                f"No matching federated identity record found for presented assertion subject '{subject}'. "
                "Check your federated identity credential Subject, Audience and Issuer against the presented "
                "assertion.",
            )
    if claims.get("aud") != audience:
        raise Refused(700212, f"No matching record found for presented assertion audience '{claims.get('aud')}'.")
    if claims.get("sub") != subject or not _is_signed(signed, signature, header.get("alg"), keys):
        raise Refused(700027, "Client assertion failed signature validation.")
    if not claims.get("nbf", 0) - 300 <= time.time() < claims.get("exp", 0):
        raise Refused(700024, "Client assertion is not within its valid time range.")


def _is_signed(text: str, signature: str, algorithm: typing.Any, keys: list[rsa.RSAPublicKey]) -> bool:
    for key in keys if algorithm in PADDINGS else []:
        try:
            key.verify(_decode(signature), text.encode(), PADDINGS[algorithm], hashes.SHA256())
            return True
        except InvalidSignature:
            continue
    return False


def _certificate_key(text: str) -> rsa.RSAPublicKey:
    return typing.cast(rsa.RSAPublicKey, x509.load_pem_x509_certificate(text.encode()).public_key())


def _public_key(text: str) -> rsa.RSAPublicKey:
    return typing.cast(rsa.RSAPublicKey, serialization.load_pem_public_key(text.encode()))


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
