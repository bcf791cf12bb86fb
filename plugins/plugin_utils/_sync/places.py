# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are secrets, or host-bound, by their place and name.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

# Where rsync keeps what is not complete.
PARTIAL = ".azlin-partial"
_KEY_NAMES = r"id_(?:rsa|dsa|ecdsa|ed25519|xmss|ecdsa_sk|ed25519_sk)"
# What of a folder .ssh may go to other machines; what else lies there is taken for a key.
_SSH = re.compile(r"config|config\.d/.+|known_hosts(?:\.old)?|[^/]+\.pub", re.IGNORECASE)
# Who may log in, and with what second factor: of sshd, OATH, Yubico's two PAM modules, Kerberos and rsh. By their names
# alone, since a link of the host may lead from where they are looked for to any folder.
_LOGIN = re.compile(
    r"authorized_keys.*|authorized_yubikeys|u2f_keys|\.google_authenticator|\.k5login|\.k5users|\.[rs]hosts",
    re.IGNORECASE | re.DOTALL,
)
_EXAMPLE = "(?:example|sample|template|dist)"
_ALLOWED_ENV = re.compile(rf".*\.env\.{_EXAMPLE}|(?:.*[._-])?{_EXAMPLE}\.env", re.IGNORECASE | re.DOTALL)

# By name, at any depth. ``*`` is anything but a slash.
_NAMES = {
    "private key": ("*.ppk", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.keystore", "*.bks"),
    "password database": ("*.kdbx", "*.kdb"),
    "passwords": (
        *(
            ".netrc",
            "_netrc",
            ".authinfo",
            ".pgpass",
            ".mylogin.cnf",
            ".git-credentials",
            ".vault-token",
            ".boto",
            ".s3cfg",
        ),
        *(
            ".my.cnf",
            ".msmtprc",
            ".fetchmailrc",
            ".pypirc",
            "*.env",
            ".env.*",
            ".htpasswd",
            ".smbcredentials",
            ".vault_pass*",
        ),
        *("vault_pass.txt", "vault_password*", ".databrickscfg", "*.tfstate", "*.tfstate.backup"),
        *("credentials.tfrc.json", ".rclone.conf", "rclone.conf", "application_default_credentials.json"),
    ),
    "history of a shell": (".*_history", "fish_history", ".zhistory", ".lesshst", ".viminfo"),
    "key of this login session": (".Xauthority", ".ICEauthority"),
}
# By the end of the path, at any depth; ``**`` is everything below.
_PATHS = {
    "cloud credentials": (
        *(".aws/credentials", ".aws/sso/cache/**", ".aws/cli/cache/**"),
        *(".azure/accessTokens.json", ".azure/msal_token_cache.*", ".azure/msal_http_cache.*"),
        *(".azure/service_principal_entries.*", ".azure/aksCredentials*", ".azure/azd/auth/**", ".azd/auth/**"),
        *(".config/gcloud/credentials.db", ".config/gcloud/access_tokens.db", ".config/gcloud/legacy_credentials/**"),
        *(
            ".oci/*.pem",
            ".bluemix/config.json",
            ".aliyun/config.json",
            ".pulumi/credentials.json",
            ".config/doctl/config.yaml",
            ".fly/config.yml",
        ),
    ),
    # Vaults of 1Password, which are folders.
    "password database": ("*.agilekeychain/**", "*.opvault/**"),
    "cluster credentials": (".kube/config*", ".kube/cache/oidc-login/**", ".minikube/**/*.key"),
    "login of a registry": (".docker/config.json", "containers/auth.json", ".config/helm/registry/config.json"),
    "passwords": (
        *(".config/git/credentials", ".config/gh/hosts.yml", ".config/glab-cli/config.yml", ".config/hub"),
        *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".m2/settings-security.xml"),
        *(
            ".subversion/auth/**",
            ".davfs2/secrets",
            ".config/op/**",
            ".config/filezilla/sitemanager.xml",
            ".terraform.d/credentials*",
        ),
        *(".vnc/passwd", ".config/tigervnc/passwd", ".config/msmtp/config"),
        *(".config/openstack/clouds.y*ml", ".config/openstack/secure.y*ml"),
        *(".config/composer/auth.json", ".composer/auth.json", ".config/pip/credentials*", ".config/rclone/**"),
        ".config/pypoetry/auth.toml",
    ),
    "key ring": (
        *(".gnupg/private-keys-v1.d/**", ".gnupg/secring.gpg", ".gnupg/openpgp-revocs.d/**", ".pki/**/key*.db"),
        *(".local/share/keyrings/**", ".local/share/kwalletd/**", ".config/sops/age/**"),
    ),
    "browser profile": (
        *("firefox/**/key*.db", "firefox/**/logins*.json", "firefox/**/cookies.sqlite*"),
        *("google-chrome/**/Login Data*", "google-chrome/**/Cookies*"),
        *("chromium/**/Login Data*", "chromium/**/Cookies*"),
        # All others that are made of these two, and programs that are a browser inside.
        *(".thunderbird/**/key*.db", ".thunderbird/**/logins*.json", ".thunderbird/**/cookies.sqlite*"),
        *(".config/**/Login Data*", ".config/**/Cookies", ".config/**/Cookies-journal"),
    ),
}


def harmful_place(path):
    """Return why a file at this path, relative to the source, would do harm in a home; None if it would not."""
    folders, name = path.split("/")[:-1], path.rpartition("/")[2]
    if _LOGIN.fullmatch(name) or ".yubico" in folders or path == ".ssh":
        return "decides who may log in to the hosts"
    if folders[-1:] == [".ssh"] and name.lower().startswith(("environment", "rc")):
        return "decides who may log in to the hosts"
    if folders[:1] == [".azlin"]:
        return "a folder of this collection's own on a share"
    if PARTIAL in folders:
        return "an unfinished copy"
    return None


def secret_place(path):
    """Return what kind of secret a file is by its path alone; None if that tells nothing."""
    folders, name = path.split("/")[:-1], path.rpartition("/")[2]
    if re.fullmatch(rf"{_KEY_NAMES}(?!.*\.pub\Z).*", name, re.IGNORECASE | re.DOTALL):
        return "private key"
    if ".ssh" in folders:
        return None if _SSH.fullmatch(path.rpartition(".ssh/")[2]) else "private key"
    if _ALLOWED_ENV.fullmatch(name):
        return None
    found = _BY_NAME.fullmatch(name) or (_BY_PATH.fullmatch(path) if folders else None)
    return _REASONS[found.lastgroup] if found else None


def pattern(globs, option):
    """Compile a user's patterns, matched against paths relative to the source; None if there are none.

    A pattern without a slash means a name at any depth, one with a slash a path from the top. ``*`` and ``?`` do not
    match a slash, ``**`` does. What matches means also everything below.
    """
    for glob in globs:
        # One slash at either end says something; an empty name, like . and .. and a home of the shell, is none.
        parts = glob.removeprefix("/").removesuffix("/").split("/")
        if {"", ".", ".."} & set(parts) or re.match(r"~(?:\Z|[^/]*/)", glob):
            raise invalid(option, glob, "it names nothing in the source", "Use for example *.iso or Downloads/**.")
    if not globs:
        return None
    parts = [("" if "/" in glob.rstrip("/") else "(?:.*/)?") + _regex(glob.strip("/")) + "(?:/.*)?" for glob in globs]
    return re.compile("|".join(parts), re.DOTALL)


def _regex(glob):
    """A regular expression for a glob; brackets mean themselves."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meanings.get(part) or re.escape(part) for part in parts)


def _table(rules, prefix, letter):
    """One expression for all rules, and the reason for each of its groups."""
    groups = {f"{letter}{number}": reason for number, reason in enumerate(rules)}
    parts = [
        f"(?P<{group}>{prefix}(?:{'|'.join(_regex(glob) for glob in rules[reason])}))"
        for group, reason in groups.items()
    ]
    return re.compile("|".join(parts), re.IGNORECASE | re.DOTALL), groups


_BY_NAME, _NAME_REASONS = _table(_NAMES, "", "n")
_BY_PATH, _PATH_REASONS = _table(_PATHS, "(?:.*/)?", "p")
_REASONS = {**_NAME_REASONS, **_PATH_REASONS}
