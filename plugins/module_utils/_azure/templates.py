# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named presets of options. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V1, V2

TEMPLATES = {
    # Cheap and small.
    "dev": {
        "size": "100GiB",
        "redundancy": "LRS",
        "billing_model": V1,
        "soft_delete_days": 3,
    },
    # Homes of many people: survives the loss of a zone, forgives a deletion for longer.
    "team": {
        "size": "1TiB",
        "redundancy": "ZRS",
        "billing_model": V1,
        "soft_delete_days": 14,
    },
    # Large data sets: more IOPS and throughput than the size alone would bring.
    "ml": {
        "size": "4TiB",
        "redundancy": "LRS",
        "billing_model": V2,
        "provisioned_iops": 20000,
        "provisioned_throughput": 1024,
        "soft_delete_days": 7,
    },
}
# Options that mean something in the billing model of their template only.
_OF_THE_MODEL = ("provisioned_iops", "provisioned_throughput")


def merged(params):
    """The options with those of their template where they are not set."""
    template = dict(TEMPLATES.get(params["template"], {}))
    if params["billing_model"] not in (None, template.get("billing_model")):
        template = {name: value for name, value in template.items() if name not in _OF_THE_MODEL}
    return {**params, **{name: value for name, value in template.items() if params[name] is None}}
