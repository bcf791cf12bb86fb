# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud metadata: how a client that only knows the URL learns where to sign in and what names end with."""

from __future__ import annotations

STORAGE_SUFFIX = "core.lab.test"
FILE_SUFFIX = f"file.{STORAGE_SUFFIX}"
FILE_ZONE = f"privatelink.{FILE_SUFFIX}"


def endpoints(base_url: str, tenant: str, api_version: str) -> object:
    """The answer to /metadata/endpoints: one object since 2022-09-01, a list of clouds before."""
    cloud = {
        "name": "AzlinLab",
        "portal": base_url,
        "resourceManager": f"{base_url}/",
        "graph": f"{base_url}/",
        "graphAudience": f"{base_url}/",
        "microsoftGraphResourceId": f"{base_url}/",
        "authentication": {
            "loginEndpoint": f"{base_url}/",
            "audiences": [f"{base_url}/"],
            "tenant": tenant,
            "identityProvider": "AAD",
        },
        "suffixes": {"storage": STORAGE_SUFFIX},
    }
    return cloud if api_version >= "2022-09-01" else [cloud]
