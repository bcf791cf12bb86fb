# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address under which an NFS share is mounted.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.names import account_name, share_name

_HOST = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.ASCII)
_FILE_URL = re.compile(r"https://([^/:]+)(?::[0-9]+)?/?", re.ASCII)
_FORM = "the address of an Azure NFS share is HOST:/ACCOUNT/SHARE"
_EXAMPLE = "Use for example teamhomes01.file.core.windows.net:/teamhomes01/home, as status shows it."


@dataclass(frozen=True)
class NfsEndpoint:
    """An NFS share: ``host`` answers on TCP 2049 and exports ``/account/share``.

    Source: Azure docs, "Mount NFS Azure file shares on Linux".
    """

    host: str
    account: str
    share: str

    @property
    def source(self):
        """The form that mount(8) and fstab(5) take."""
        return f"{self.host}:/{self.account}/{self.share}"


def parse_endpoint(value, option="source"):
    """Return the :class:`NfsEndpoint` of ``HOST:/ACCOUNT/SHARE``.

    The privatelink name is refused: it resolves, but certificates and failover are bound to the public name.
    """
    text = str(value)
    host, colon, path = text.partition(":")
    parts = path.split("/")
    if not colon or not _HOST.fullmatch(host):
        raise invalid(option, value, _FORM, _EXAMPLE)
    if len(parts) != 3 or parts[0]:
        raise invalid(option, value, _FORM + ", with the account and the share in its path", _EXAMPLE)
    if ".privatelink." in host:
        raise invalid(
            option,
            value,
            "a share is mounted by its public name, which resolves to the private endpoint inside the network",
            f"Use {text.replace('.privatelink.', '.', 1)}.",
        )
    return NfsEndpoint(host, account_name(parts[1], option), share_name(parts[2], option))


def endpoint_of(file_endpoint_url, account, share):
    """Return the endpoint of a share, given the account's ``primaryEndpoints.file`` URL."""
    match = _FILE_URL.fullmatch(str(file_endpoint_url))
    if not match:
        raise invalid("primaryEndpoints.file", file_endpoint_url, "it is not an https URL", "Report it as a defect.")
    return NfsEndpoint(match.group(1), account, share)
