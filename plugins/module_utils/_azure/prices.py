# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small table of rounded list prices, for estimates only: not read from the price API, never checked against it.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

DATE = "2026-11-21"
CURRENCY = "USD"

# USD per provisioned GiB and month of SSD shares on provisioned v1, by region. Rounded public list prices that were
# not checked live. A region or redundancy that is missing here has an unknown price.
STORAGE_GIB_MONTH = {
    "centralus": {"LRS": 0.16, "ZRS": 0.20},
    "eastus": {"LRS": 0.16, "ZRS": 0.20},
    "eastus2": {"LRS": 0.16, "ZRS": 0.20},
    "southcentralus": {"LRS": 0.16, "ZRS": 0.20},
    "swedencentral": {"LRS": 0.19},
    "westus2": {"LRS": 0.16, "ZRS": 0.20},
    "westus3": {"LRS": 0.16, "ZRS": 0.20},
}
# USD per private endpoint and hour, everywhere; a rounded list price, not checked live.
PRIVATE_ENDPOINT_HOUR = 0.01
