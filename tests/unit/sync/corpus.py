# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that must not leave the controller, and files that look like them and may.

What looks like a secret is put together here from chance, so that no file of the repository holds any.
"""

from __future__ import annotations

import base64
import json
import random
import string

HEX = "0123456789abcdef"
WORD = string.ascii_letters + string.digits
BASE64 = WORD + "+/"
BASE32 = string.ascii_uppercase + "234567"
URL = WORD + "-_"


def drawn(alphabet, length):
    """The same characters for the same question, drawn by chance; one digit and one letter are always among them."""
    chance = random.Random(f"{alphabet}{length}")
    return "".join(chance.choice(alphabet) for _place in range(length - 2)) + ("2a" if "a" in alphabet else "2A")


def pem(*words, body=None):
    kind = " ".join(words)
    body = body or "\n".join(drawn(BASE64, 64) for _line in range(4))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


def key(*words):
    return pem(*words, "PRIVATE", "KEY")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def kubeconfig(text):
    return f"users:\n- name: me\n  user:\n    client-key-data: {encoded(text)}\n"


# Found by content, wherever they lie and whatever their names are.
LEAKS = {
    "OpenSSH key": key("OPENSSH"),
    "RSA key": key("RSA"),
    "EC key": key("EC"),
    "DSA key": key("DSA"),
    "PKCS 8 key": key(),
    "encrypted PKCS 8 key": key("ENCRYPTED"),
    "key with encrypted headers": key("RSA").replace("\n", "\nProc-Type: 4,ENCRYPTED\n", 1),
    "PGP key": pem("PGP", "PRIVATE", "KEY", "BLOCK"),
    "key behind a certificate": pem("CERTIFICATE") + key("EC"),
    "key in the middle of notes": "remember this\n" * 100 + key(),
    "key with the line ends of Windows": key("RSA").replace("\n", "\r\n"),
    "key in UTF-16": key("OPENSSH").encode("utf-16"),
    "service account": json.dumps({"type": "service_account", "private_key": key()}),
    "SSH2 key": "---- BEGIN SSH2 ENCRYPTED " + "PRIVATE KEY ----\n" + drawn(BASE64, 64),
    "SSH 1 key": b"SSH " + b"PRIVATE KEY FILE FORMAT 1.1\n\0" + bytes(range(256)) * 2,
    "PuTTY key": "PuTTY-User-Key-" + "File-3: ssh-ed25519\nEncryption: none\n",
    "age key": "AGE-SECRET-" + "KEY-1" + drawn(string.ascii_uppercase + string.digits, 58),
    "DER key of RSA": b"0\x82\x04\xbd\x02\x01\x00" + b"0\r\x06\t*\x86H\x86\xf7\r\x01\x01\x01" + bytes(1200),
    "DER key of an elliptic curve": b"0w\x02\x01\x01\x04 " + bytes(112),
    "DER key of a curve of 521 bits": b"0\x81\xdc\x02\x01\x01\x04B" + bytes(215),
    "DER key of Ed25519": b'0.\x02\x01\x000\x05\x06\x03+ep\x04"\x04 ' + bytes(32),
    "DER key of Ed448": b"0G\x02\x01\x000\x05\x06\x03+eq\x04;\x049" + bytes(57),
    "DER key of Ed25519 with its public key": b'0Q\x02\x01\x010\x05\x06\x03+ep\x04"\x04 ' + bytes(67),
    "DER key of an elliptic curve in PKCS 8": b"0\x81\x87\x02\x01\x000\x13\x06\x07*\x86H\xce=\x02\x01" + bytes(120),
    "DER key of 521 bits in PKCS 8": b"0\x81\xee\x02\x01\x000\x10\x06\x07*\x86H\xce=\x02\x01" + bytes(220),
    "kubeconfig with a key": kubeconfig(key("RSA")),
    "kubeconfig with another key": kubeconfig(key("EC")),
    "AWS key id": "aws_access_key_id = AKI" + "A" + drawn(BASE32, 16),
    "AWS key id in a note": "ask for AKI" + "A" + drawn(BASE32, 16),
    "AWS secret in a note": "AWS Secret Access" + f" Key: {drawn(BASE64, 40)}\n",
    "AWS secret": "aws_secret_access" + f"_key = {drawn(BASE64, 40)}\n",
    "AWS secret in fish": "set -gx AWS_SECRET_ACCESS" + f"_KEY {drawn(BASE64, 40)}\n",
    "Azure storage key": "DefaultEndpointsProtocol=https;AccountName=a;Account" + f"Key={drawn(BASE64, 86)}==",
    "Azure bus key": "SharedAccessKeyName=Root;SharedAccess" + f"Key={drawn(BASE64, 43)}=",
    "Azure storage key in a program": b"\0Account" + f"Key={drawn(BASE64, 86)}==".encode(),
    "Azure bus key in a program": b"\0SharedAccess" + f"Key={drawn(BASE64, 43)}=".encode(),
    "Azure SAS": "https://a.blob.core.windows.net/c?sv=2022&si" + f"g={drawn(WORD, 43)}%3D&se=2030",
    "Entra client secret": f"client: abc{8}Q" + f"~{drawn(URL, 34)}\n",
    "Azure DevOps token": "use " + drawn(WORD, 76) + "AZ" + "DO" + drawn(WORD, 4),
    "Google key": "AI" + "za" + drawn(URL, 35),
    "Google token": "bearer ya" + "29." + drawn(URL, 60),
    "Google client secret": "client GOC" + "SPX-" + drawn(URL, 28),
    "GitHub token": "gh" + "p_" + drawn(WORD, 36),
    "GitHub fine-grained token": "github" + "_pat_" + drawn(WORD, 22) + "_" + drawn(WORD, 59),
    "GitLab token": "glp" + "at-" + drawn(WORD, 20),
    "Slack token": "xox" + f"b-{drawn(string.digits, 12)}-{drawn(WORD, 24)}",
    "Slack hook": "https://hooks.slack" + f".com/services/T{drawn(BASE32, 9)}/B{drawn(BASE32, 9)}/{drawn(WORD, 24)}",
    "Stripe key": "sk_li" + "ve_" + drawn(WORD, 24),
    "npm token": "np" + "m_" + drawn(WORD, 36),
    "npm login": "//registry.example.com/:_auth" + f"Token={drawn(WORD, 36)}\n",
    "npm login by name and password": "_au" + f"th = {encoded('me:' + drawn(WORD, 12))}\n",
    "PyPI token": "pyp" + "i-AgE" + drawn(URL, 80),
    "Hugging Face token": "h" + "f_" + "".join(random.Random(1).choice(string.ascii_letters) for _place in range(34)),
    "Docker login": json.dumps({"auths": {"registry.example.com": {"auth": encoded("me:" + drawn(WORD, 12))}}}),
    "Docker token": "dckr" + "_pat_" + drawn(URL, 27),
    "Vault token": "hv" + "s." + drawn(URL, 95),
    "Terraform token": drawn(WORD, 14) + ".atlas" + "v1." + drawn(URL, 67),
    "DigitalOcean token": "dop" + "_v1_" + drawn(HEX, 64),
    "SendGrid key": "SG" + f".{drawn(URL, 22)}.{drawn(URL, 43)}",
    "Databricks token": "da" + "pi" + drawn(HEX, 32),
    "API key": "sk" + "-" + drawn(WORD, 48),
    "signed token": f"eyJ{drawn(URL, 20)}.eyJ{drawn(URL, 60)}.{drawn(URL, 43)}",
    "password in a URL": "git clone https://me:" + f"{drawn(WORD, 12)}@git.example.com/x.git",
    "password of a database": "postgresql://app:" + f"{drawn(WORD, 9)}@db/app",
    "exported token": f"export SERVICE_TOKEN={drawn(WORD, 32)}\n",
    "quoted password": f'"password": "{drawn(WORD, 20)}"',
    "WireGuard key": "[Interface]\nPrivate" + f"Key = {drawn(BASE64, 43)}=\n",
    "Slack app token": "xap" + f"p-1-A0123456789-1700000000001-{drawn(HEX, 64)}",
    "header of a login": f"git -c http.extraheader='Authorization: Basic {encoded('pat:' + drawn(WORD, 20))}' fetch\n",
    "header with a token": f"curl -H 'authorization: bearer {drawn(WORD, 40)}' https://example.com\n",
    "password in XML": f"<server><password>{drawn(WORD, 10)}</password></server>",
    "secret in YAML": f"client_secret: {drawn(WORD, 32)}\n",
}

# Known by their paths, with nothing in them that would tell.
SECRET_PATHS = (
    *(".ssh/id_rsa", ".ssh/id_ed25519", ".ssh/id_github", ".ssh/id_backup", ".ssh/work_rsa", ".ssh/my_id_rsa"),
    *(".ssh/deploy.pem", "backup/.ssh/server", "id_rsa", "keys/id_ed25519.bak", "ID_RSA"),
    *(".aws/credentials", "dotfiles/.aws/credentials", ".aws/sso/cache/abc.json", ".azure/msal_token_cache.json"),
    *(".azure/accessTokens.json", ".azure/service_principal_entries.bin", ".azure/azd/auth/msal/cache.bin"),
    *(".config/gcloud/credentials.db", ".config/gcloud/legacy_credentials/me/adc.json", ".kube/config"),
    *(".config/gcloud/application_default_credentials.json", ".docker/config.json", ".config/containers/auth.json"),
    *(".netrc", ".pgpass", ".git-credentials", ".config/gh/hosts.yml", ".env", "project/.env", ".env.production"),
    *(".gnupg/private-keys-v1.d/AB12.key", ".gnupg/secring.gpg", ".local/share/keyrings/login.keyring"),
    *("vault.kdbx", "server.p12", "Server.PFX", "tls/server.jks", ".vault-token", "infra/terraform.tfstate"),
    *(".bash_history", ".zsh_history", ".python_history", ".local/share/fish/fish_history", ".Xauthority"),
    *(".mozilla/firefox/ab.default/logins.json", ".config/google-chrome/Default/Login Data", ".cargo/credentials"),
    *(".my.cnf", ".vnc/passwd", ".config/openstack/clouds.yaml", ".config/openstack/secure.yaml"),
    *(".config/BraveSoftware/Brave-Browser/Default/Login Data", ".config/microsoft-edge/Default/Network/Cookies"),
    *(".thunderbird/ab.default/key4.db", ".thunderbird/ab.default/logins.json", ".config/Slack/Cookies"),
    *(".thunderbird/ab.default/cookies.sqlite-wal", ".config/Slack/Cookies-journal"),
    *(".kube/config-prod", ".authinfo", ".pulumi/credentials.json", ".config/pypoetry/auth.toml"),
    *(".msmtprc", ".config/msmtp/config", ".fetchmailrc", "prod.env", "deploy/db.env", ".config/tigervnc/passwd"),
    *("putty/server.ppk", "tls/server.pkcs12", "android/release.keystore", "android/release.bks", "old.kdb"),
    *("me.agilekeychain/data", "me.opvault/band_0.js", "_netrc", ".mylogin.cnf", ".boto", ".s3cfg", ".pypirc"),
    *("www/.htpasswd", ".smbcredentials", ".vault_pass", "play/vault_pass.txt", "play/vault_password_prod"),
    *(".databrickscfg", "infra/terraform.tfstate.backup", "credentials.tfrc.json", ".rclone.conf", "rclone.conf"),
    *(".zhistory", ".lesshst", ".viminfo", ".ICEauthority", ".aws/cli/cache/abc.json", ".azure/msal_http_cache.bin"),
    *(".azure/aksCredentials.json", ".azd/auth/msal/cache.bin", ".config/gcloud/access_tokens.db", ".oci/api_key.pem"),
    *(".bluemix/config.json", ".aliyun/config.json", ".config/doctl/config.yaml", ".fly/config.yml"),
    *(".kube/config.prod", ".kube/cache/oidc-login/abc", ".minikube/profiles/minikube/client.key"),
    *(".config/helm/registry/config.json", ".config/git/credentials", ".config/glab-cli/config.yml", ".config/hub"),
    *(".cargo/credentials.toml", ".gem/credentials", ".m2/settings-security.xml", ".subversion/auth/svn.simple/ab"),
    *(".davfs2/secrets", ".config/op/config", ".config/filezilla/sitemanager.xml", ".terraform.d/credentials.json"),
    *(".config/composer/auth.json", ".composer/auth.json", ".config/pip/credentials.ini", ".config/rclone/my.conf"),
    *(".gnupg/openpgp-revocs.d/AB12.rev", ".pki/nssdb/key4.db", ".local/share/kwalletd/kdewallet.kwl"),
    *(".config/sops/age/keys.txt", ".mozilla/firefox/ab.default/key4.db", ".mozilla/firefox/ab/cookies.sqlite-wal"),
    *(".config/google-chrome/Default/Cookies", ".config/chromium/Default/Login Data", ".config/chromium/x/Cookies"),
)

# Would do harm in a home; nothing lifts that.
HARMFUL_PATHS = (
    *(".ssh/authorized_keys", ".ssh/authorized_keys2", ".ssh/environment", ".ssh/rc"),
    # Where a link .ssh may lead; and what asks for a second factor, or names who may log in by Kerberos.
    *(".dotfiles/ssh/authorized_keys", "authorized_keys", "dotfiles/Authorized_Keys2"),
    *(
        ".google_authenticator",
        ".k5login",
        ".yubico/authorized_yubikeys",
        ".yubico/challenge-1",
        ".config/Yubico/u2f_keys",
    ),
    *(".k5users", ".rhosts", ".shosts", "dotfiles/config/Yubico/u2f_keys"),
    *(".azlin/seed.json", ".azlin/hosts/a.json", "src/.azlin-partial/x"),
)

# May go, by path and by content.
HARMLESS = {
    ".ssh/config": "Host *\n  IdentityFile ~/.ssh/id_ed25519\n  ServerAliveInterval 30\n",
    ".ssh/config.d/work": "Host work\n  User me\n",
    ".ssh/known_hosts": f"example.com ssh-ed25519 {drawn(BASE64, 68)}\n",
    ".ssh/id_ed25519.pub": f"ssh-ed25519 {drawn(BASE64, 68)} me@example.com\n",
    ".ssh/id_github.pub": f"ssh-rsa {drawn(BASE64, 372)} me@example.com\n",
    "certificate.pem": pem("CERTIFICATE"),
    "public.pem": pem("PUBLIC", "KEY"),
    "pgp.asc": pem("PGP", "PUBLIC", "KEY", "BLOCK"),
    ".env.example": "DATABASE_URL=postgres://user:password@localhost/db\nTOKEN=\n",
    "prod.env.example": "TOKEN=\n",
    "example.env": "TOKEN=\n",
    "public.der": b"0*0\x05\x06\x03+ep\x03!\x00" + bytes(32),
    ".aws/config": "[default]\nregion = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n",
    ".azure/config": "[core]\noutput = table\n",
    ".gitconfig": "[user]\n  name = me\n[credential]\n  helper = cache --timeout=3600\n",
    ".bashrc": "export EDITOR=vim\nexport TOKEN=$(pass show token)\nexport KEY_FILE=~/.ssh/id_ed25519\n",
    ".profile": 'PASSWORD="$(cat /run/secrets/password)"\nAPI_KEY=${API_KEY:-}\n',
    "id_map.py": "id_rsa_length = 2048\n",
    "notes.txt": "Never commit a private key. The token is in the vault; the password is not here.\n",
    "aws.md": "The documentation has AKI" + "AIOSFODNN7EXAMPLE as an example.\n",
    "settings.py": 'password = os.environ["APP_PASSWORD"]\ntoken = settings.get_the_token(user_name)\n',
    "play.yml": 'password: "{{ vault_password }}"\ntoken: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n',
    "parser.c": "struct token *next_token(struct token_stream_state *state);\n#define TOKEN_KIND(t) ((t)->kind)\n",
    "ui.ts": "const passwordField: HTMLInputElement = document.querySelector('#password');\n",
    "urls.md": "See https://example.com:8080/path and ssh://git@example.com:22/me/x.git and mailto:a@b.example\n",
    "curl.md": "curl https://user:$PASSWORD@example.com and https://user:<password>@example.com/\n",
    "commit.txt": f"commit {drawn(HEX, 40)}\nsha256:{drawn(HEX, 64)}\n",
    "lock.json": json.dumps({"integrity": f"sha512-{drawn(BASE64, 86)}==", "resolved": "https://example.com/x.tgz"}),
    "picture.bin": bytes(range(256)) * 64,
    "docker.json": json.dumps({"auths": {"registry.example.com": {}}, "credsStore": "secretservice"}),
    "npmrc": "//registry.example.com/:_auth" + "Token=${NPM_TOKEN}\nsave-exact=true\n",
    "wg.md": "PrivateKey = <the output of wg genkey>\nPublicKey = " + drawn(BASE64, 43) + "=\n",
    "settings.xml": "<password>${env.DEPLOY_PASSWORD}</password><password>{drawn+by+maven=}</password><password/>",
    "headers.md": "Authorization: Basic base64(user:password)\nAuthorization: Bearer your-access-token-here\n",
    "aws.txt": f"aws_secret_access_key rotated\naws_secret_access_key in {drawn(HEX, 40)}\n",
    ".config/fish/config.fish": "set -gx AWS_SECRET_ACCESS_KEY (pass show aws)\nset -gx EDITOR vim\n",
    "keynote.key": "no key at all\n",
    "history.md": "# History\n",
}


def as_bytes(content):
    return content if isinstance(content, bytes) else content.encode()
