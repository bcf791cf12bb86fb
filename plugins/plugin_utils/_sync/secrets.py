# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in the content of a file: key headers, tokens of known services, passwords.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import base64
import codecs
import math
import re
from collections import Counter
from dataclasses import dataclass

# Bits a character, below which a value is words rather than chance.
_CHANCE = 3.5
# Looked at to tell binary content, in which an assignment means nothing.
_HEAD = 8192
_PLACEHOLDERS = {
    *("password", "passwd", "pass", "pw", "pwd", "secret", "token", "changeme", "change-me", "example", "redacted"),
    *("your-password", "your_password", "mypassword", "hunter2", "user", "username", "pat", "key"),
}


@dataclass(frozen=True)
class Rule:
    """A kind of secret.

    :param needles: every match holds one of them; looking for them is much quicker than the pattern.
    :param judge: says of the first group of a match, or of the match where there is none, whether it is meant.
    :param lower: needles and pattern are for the content in lower case.
    """

    reason: str
    needles: tuple
    pattern: re.Pattern
    judge: object = None
    lower: bool = False
    text_only: bool = False


def find(content):
    """Return what kind of secret the bytes of a file hold, or None."""
    content = _as_utf8(content)
    lower = content.lower()
    is_text = b"\0" not in content[:_HEAD]
    for rule in _RULES:
        if rule.text_only and not is_text:
            continue
        haystack = lower if rule.lower else content
        if any(needle in haystack for needle in rule.needles) and _matches(rule, haystack, content):
            return rule.reason
    return None


def _matches(rule, haystack, content):
    group = min(1, rule.pattern.groups)
    found = (match.span(group) for match in rule.pattern.finditer(haystack))
    return any(rule.judge is None or rule.judge(content[start:end]) for start, end in found)


def _as_utf8(content):
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="ignore").encode("utf-8", errors="ignore")
    return content


def _is_no_placeholder(value):
    text = value.decode("ascii", errors="replace").lower()
    return text not in _PLACEHOLDERS and not re.fullmatch(r"[x*.]+|%[\w(]+|\\\w+", text)


def _is_by_chance(value):
    """Whether a value looks drawn rather than written: letters and digits, spread widely."""
    if not (re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value)):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) >= _CHANCE


def _is_no_example(value):
    # Keys in Amazon's documentation have the word in them.
    return b"EXAMPLE" not in value


def _is_login(value):
    """Whether base64 hides a name and a password."""
    try:
        return b":" in base64.b64decode(value, validate=True)
    except ValueError:
        return False


def _encoded(words):
    """The beginnings of PEM headers as base64 shows them, such as in a kubeconfig."""
    for word in words:
        text = b"-----BEGIN " + word + b"PRIVATE KEY"
        yield base64.b64encode(text[: len(text) // 3 * 3])


_WORDS = (b"", b"RSA ", b"EC ", b"DSA ", b"OPENSSH ", b"ENCRYPTED ", b"PGP ")
_ENCODED = tuple(_encoded(_WORDS))
# What a token stands between.
_BEGIN = r"(?<![A-Za-z0-9_-])"
_END = r"(?![A-Za-z0-9_])"


def _rule(reason, needles, pattern, flags=0, **more):
    needles = (needles,) if isinstance(needles, bytes) else needles
    return Rule(reason, needles, re.compile(pattern.encode("ascii"), flags), **more)


_RULES = (
    # RFC 7468, RFC 1421, OpenSSH's PROTOCOL.key, RFC 9580.
    _rule("private key", b"PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"),
    # SSH 2 in the form of RFC 4716, SSH 1, PuTTY, age.
    _rule("private key", b"PRIVATE KEY", r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----"),
    _rule("private key", b"SSH PRIVATE KEY FILE FORMAT", r"\ASSH PRIVATE KEY FILE FORMAT"),
    _rule("private key", b"PuTTY-User-Key-File-", r"PuTTY-User-Key-File-[0-9]+:"),
    _rule("private key", b"AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _rule("private key", _ENCODED, "|".join(re.escape(one.decode("ascii")) for one in _ENCODED)),
    # DER: PKCS #8 of RSA, elliptic curves, DSA, X25519, X448, Ed25519 and Ed448 (RFC 5958, RFC 8410), PKCS #1, SEC 1.
    _rule(
        "private key",
        (b"\x02\x01\x00", b"\x02\x01\x01"),
        r"\A0(?:\x82..|\x81.|.)\x02\x01(?:[\x00\x01]0(?:\x82..|\x81.|.)\x06"
        r"(?:\t\*\x86H\x86\xf7\r\x01\x01\x01|\x07\*\x86H\xce(?:=\x02|8\x04)\x01|\x03\+e[n-q])"
        r"|\x00\x02(?:\x82..|\x81.)\x00|\x01\x04[\x14-H])",
        re.DOTALL,
    ),
    # Curve25519 in the form of wg(8).
    _rule(
        "private key",
        (b"PrivateKey", b"PresharedKey"),
        r"(?m)^[ \t]*P(?:rivate|reshared)Key[ \t]*=[ \t]*[A-Za-z0-9+/]{43}=\s*$",
    ),
    # The forms of tokens are those that their services document for scanners.
    _rule("AWS key", (b"AKIA", b"ASIA"), _BEGIN + r"A(?:KIA|SIA)[A-Z2-7]{16}" + _END, judge=_is_no_example),
    _rule(
        "AWS key",
        b"secret",
        r"aws.{0,20}secret.{0,20}[:=]\s*[\"']?([a-z0-9/+]{40})(?![a-z0-9/+=])",
        judge=_is_no_example,
        lower=True,
    ),
    # Shells that set without a sign in between.
    _rule(
        "AWS key",
        b"aws_secret_access_key",
        r"aws_secret_access_key[ \t]+[\"']?([a-z0-9/+]{40})(?![a-z0-9/+=])",
        judge=_is_no_example,
        lower=True,
    ),
    _rule("Azure key", b"AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("Azure key", b"SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/]{43}="),
    _rule("Azure token", b"sig=", r"[?&]sig=[A-Za-z0-9%+/]{43,64}(?:%3[Dd]|=)"),
    _rule(
        "Azure token", b"Q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])"
    ),
    _rule("Azure token", (b"AZDO",), _BEGIN + r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}" + _END),
    _rule("Google key", b"AIza", _BEGIN + r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    _rule("Google token", b"ya29.", _BEGIN + r"ya29\.[0-9A-Za-z_-]{30,}"),
    _rule("Google token", b"GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    _rule("GitHub token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), _BEGIN + r"gh[pousr]_[A-Za-z0-9]{36,}"),
    _rule("GitHub token", b"github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _rule(
        "GitLab token", (b"glpat-", b"gldt-", b"glrt-", b"glptt-"), _BEGIN + r"gl(?:pat|dt|rt|ptt)-[0-9A-Za-z_-]{20,}"
    ),
    _rule("Slack token", b"xox", _BEGIN + r"xox[abeoprs]-[0-9A-Za-z-]{20,}"),
    _rule("Slack token", b"xapp-", _BEGIN + r"xapp-\d-[A-Z0-9]{8,}-\d+-[a-f0-9]{32,}"),
    _rule("Slack token", b"hooks.slack.com/services/", r"hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}"),
    _rule("Stripe key", b"k_live_", _BEGIN + r"[rs]k_live_[0-9A-Za-z]{20,}"),
    _rule("npm token", b"npm_", _BEGIN + r"npm_[A-Za-z0-9]{36}" + _END),
    _rule("PyPI token", b"pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _rule("Hugging Face token", b"hf_", _BEGIN + r"hf_[A-Za-z]{34}" + _END),
    _rule("Docker token", b"dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    _rule("Vault token", (b"hvs.", b"hvb."), _BEGIN + r"hv[bs]\.[A-Za-z0-9_-]{90,}"),
    _rule("Terraform token", b".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}"),
    _rule("DigitalOcean token", b"_v1_", _BEGIN + r"do[opr]_v1_[a-f0-9]{64}"),
    _rule("SendGrid key", b"SG.", _BEGIN + r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _rule("Databricks token", b"dapi", _BEGIN + r"dapi[a-f0-9]{32}(?:-\d)?" + _END),
    _rule("API key", b"sk-", _BEGIN + r"sk-(?:[a-z]{2,8}[0-9]{0,2}-)?[A-Za-z0-9_-]{40,}", judge=_is_by_chance),
    # RFC 7519: header and payload are JSON objects.
    _rule("signed token", b"eyJ", _BEGIN + r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    _rule("login of a registry", b'"auth"', r"\"auth\"\s*:\s*\"([A-Za-z0-9+/]{8,}={0,2})\"", judge=_is_login),
    _rule("login of a registry", b"_auth", r"(?m)(?:^|:)_auth(?:Token)?\s*=\s*[A-Za-z0-9+/_=.-]{8,}\s*$"),
    # RFC 7617, RFC 6750; git's http.extraheader.
    _rule(
        "header of a login",
        b"authorization",
        r"authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:basic|bearer)\s{1,4}([a-z0-9+/=_.~-]{16,})",
        judge=_is_by_chance,
        lower=True,
        text_only=True,
    ),
    # In braces is what Maven has encrypted, or a variable.
    _rule(
        "password or token",
        (b"<password>", b"<passphrase>"),
        r"<(?:password|passphrase)>\s{0,40}([^<>\s${}]{3,200})\s{0,40}</",
        judge=_is_no_placeholder,
        lower=True,
        text_only=True,
    ),
    _rule(
        "password in a URL",
        b"://",
        r"://[^\s/:@\"'<>`]{0,64}:([^\s/:@\"'<>`${}()\[\]]{3,128})@[A-Za-z0-9\[]",
        judge=_is_no_placeholder,
        text_only=True,
    ),
    # Last, since it only guesses.
    _rule(
        "password or token",
        (b"pass", b"secret", b"token", b"key", b"credential"),
        r"(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|auth[_-]?key|credentials?)"
        r"\w{0,20}[\"']?\s{0,4}(?:=>|:=|[:=])\s{0,4}[\"']?([a-z0-9+/=_~!@#%^&*.-]{16,200})(?![a-z0-9({\[])",
        judge=_is_by_chance,
        lower=True,
        text_only=True,
    ),
)
