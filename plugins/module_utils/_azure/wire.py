# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the REST API sends and expects, as plain dicts with camelCase keys, whatever the generation of the SDK.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json


def body(pipeline_response, _model=None, _headers=None):
    """Callback for the SDK's ``cls`` argument: the JSON of the (final) response; an empty dict when there is none.

    Models of azure-mgmt packages before and after 2026 differ in shape and drop unknown keys; the response does not.
    """
    text = pipeline_response.http_response.text()
    return json.loads(text) if text and text.strip() else {}


def of_model(model):
    """The REST form of a model out of a list, for both generations of models."""
    if hasattr(model, "serialize"):
        return model.serialize(keep_readonly=True)
    return model.as_dict()


def properties(resource):
    """The ``properties`` of a resource; an empty dict for a missing one."""
    return (resource or {}).get("properties") or {}


def dig(value, *keys):
    """The value under nested keys, or None as soon as one is missing or null."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
