# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which virtual machine this host is.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import urllib.request

# Azure docs, "Azure Instance Metadata Service": a link-local address that must not go through a proxy.
URL = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
_TIMEOUT = 2


def describe(url=URL):
    """Return the virtual machine as its metadata service describes it, or None where there is none.

    :param url: empty where it is known that there is none.
    """
    if not url:
        return None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Metadata": "true"})
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            compute = json.load(answer)["compute"]
        return {
            "vm_id": compute["resourceId"],
            "name": compute["name"],
            "resource_group": compute["resourceGroupName"],
            "subscription_id": compute["subscriptionId"],
            "location": compute["location"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
