# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that renders cloud-init user-data for a machine whose home is a share.

Packages, then the transaction that moves a home: it stages and mounts the share, owns no more than its root, keeps
the keys and writes the line of fstab. Nothing here repeats what it does; its code travels in the user-data.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import bz2
import json

from ansible_collections.azlin.storage.plugins.module_utils._common import endpoints, homes, mounts, names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid

PROGRAM = "/var/lib/azlin/first_boot.py"
# Source: Azure docs, "Custom data and cloud-init on Azure Virtual Machines".
MOST_BYTES = 64 * 1024 - 1
# The digits of the packed code, for which base85 would be longer: what a line of text can have, but for what would end
# the quoted text, and for a brace, of which a template engine takes two for a template.
_DIGITS = "".join(char for char in map(chr, range(32, 127)) if char not in '"\\{')
# So many bytes are so many digits: 92 ** 16 is more than 256 ** 13.
_BYTES, _PLACES = 13, 16
_PROGRAM_TEXT = '''\
#!/usr/bin/python3
"""Moves a home onto its share with the host code of azlin.storage (GPL-3.0-or-later), packed below."""
import bz2
import os
import sys
import zipfile

PACKED = "{packed}"


def unpacked():
    digits = [code for code in range(32, 127) if code not in (34, 92, 123)]
    for start in range(0, len(PACKED), {places}):
        number = 0
        for digit in PACKED[start : start + {places}].encode():
            number = number * {base} + digits.index(digit)
        yield number.to_bytes({size}, "big")


if __name__ == "__main__":
    os.makedirs("/run/azlin", mode=0o700, exist_ok=True)
    code = "/run/azlin/first_boot.zip"
    parts = iter(bz2.decompress(b"".join(unpacked())).split(b"\\0"))
    with zipfile.ZipFile(code, "w") as archive:
        for name, text in zip(parts, parts):
            archive.writestr(name.decode(), text)
    sys.path.insert(0, code)
    from {module} import main
    main(sys.argv[1])
'''


def request(source, user, client="nfs", options=(), **others):
    """Return the parameters of the transaction, checked.

    ``others`` are ``home``, ``local_paths``, ``mount_timeout`` and ``manage_selinux``.

    :raises AzlinError: ``invalid_argument``.
    """
    home = others.get("home")
    timeout = int(others.get("mount_timeout") or 30)
    if timeout < 1:
        raise invalid("mount_timeout", timeout, "it is not a time", "Give a number of seconds from 1.")
    mounts.mount_options(client, options)
    return {
        "user": names.user_name(user),
        "home": names.absolute_path(home, "home") if home else None,
        "source": endpoints.parse_endpoint(source).source,
        "client": str(client),
        "mount_options": [str(option) for option in options],
        "local_paths": list(homes.local_paths(others.get("local_paths") or ())),
        "manage_selinux": bool(others.get("manage_selinux", True)),
        "mount_timeout": timeout,
        "busy_timeout": 300,
    }


def config(wanted, code, module, os_family="Debian", manage_packages=True):
    """Return the user-data as a dict of cloud-config.

    :param wanted: what :func:`request` returned.
    :param code: dict of file name to text, all that ``module`` imports besides Python's own.
    :param os_family: what Ansible calls the family of the distribution.
    """
    result = {
        "write_files": [
            {"path": PROGRAM, "permissions": "0700", "owner": "root:root", "content": program(code, module)},
        ],
        # The last step of a first boot: users, their keys and packages are there.
        "runcmd": [["python3", "-I", PROGRAM, json.dumps(wanted, sort_keys=True)]],
    }
    package = mounts.client_package(os_family, wanted["client"])
    # Microsoft's asks questions and comes from a repository of its own: the image brings it, or the role installs it.
    if manage_packages and not mounts.encrypted(wanted["client"]):
        result = {"packages": [package], **result}
    return result


def program(code, module):
    """Return the text of the Python program that unpacks ``code`` and calls ``main`` of ``module``."""
    # As JSON, with its escapes, it would be longer.
    text = "\0".join(part for file in sorted(code.items()) for part in file)
    # In one line: each further one would cost five bytes of the user-data.
    packed = "".join(_digits(bz2.compress(text.encode(), 9)))
    return _PROGRAM_TEXT.format(packed=packed, module=module, base=len(_DIGITS), size=_BYTES, places=_PLACES)


def _digits(data):
    """Bytes as text, a group at a time; the last one is filled with zeros, which bz2 leaves alone."""
    for start in range(0, len(data), _BYTES):
        number = int.from_bytes(data[start : start + _BYTES].ljust(_BYTES, b"\0"), "big")
        group = ""
        for _place in range(_PLACES):
            number, value = divmod(number, len(_DIGITS))
            group = _DIGITS[value] + group
        yield group


def checked_size(text):
    """Return user-data that Azure accepts.

    :raises AzlinError: ``unsupported`` when it is too long.
    """
    size = len(text.encode())
    if size > MOST_BYTES:
        raise AzlinError(
            "unsupported",
            f"The user-data has {size} bytes, and Azure takes {MOST_BYTES}.",
            causes=[("very long lists of local_paths or mount_options", "shorten them, or attach the machine later")],
            try_="ansible-playbook azlin.storage.attach",
        )
    return text
