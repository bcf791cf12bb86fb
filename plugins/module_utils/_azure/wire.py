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


def items(call, *args, **kwargs):
    """The items of all pages of a list, as the responses have them."""
    pages = []

    def keep(response):
        # The SDK shows every answer, also those of a gateway that it will ask again, which need not be JSON.
        if response.http_response.status_code == 200:
            pages.append(body(response))

    # The models are made and dropped; walking over them is what makes the SDK ask for the next page.
    for _model in call(*args, raw_response_hook=keep, **kwargs):
        pass
    return [item for page in pages for item in page.get("value") or []]


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
