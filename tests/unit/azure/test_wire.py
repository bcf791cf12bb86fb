# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of answers, read through the real SDK; only the line to the server is the test's own."""

from __future__ import annotations

import io
import json

import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.storage import StorageManagementClient

from ansible_collections.azlin.storage.plugins.module_utils._azure import wire


class Line(requests.adapters.BaseAdapter):
    """Gives prepared answers, in their order."""

    def __init__(self, *answers):
        super().__init__()
        self._answers = list(answers)

    def send(self, request, **_options):
        """The next answer."""
        status, kind, text = self._answers.pop(0)
        response = requests.Response()
        response.status_code, response.request, response.url = status, request, request.url
        response.headers["Content-Type"] = kind
        response.raw = io.BytesIO(text.encode())
        return response

    def close(self):
        """Nothing is open."""


class Token:
    """A credential that is always good."""

    def get_token(self, *_scopes, **_options):
        """A token of the far future."""
        return AccessToken("token", 2**40)


def page(*names, following=None):
    """One page of a list."""
    return (200, "application/json", json.dumps({"value": [{"name": name} for name in names], "nextLink": following}))


def test_pages_survive_a_gateway_that_answers_in_html():
    following = "https://management.azure.com/subscriptions/s/providers/Microsoft.Storage/storageAccounts?page=2"
    gateway = (502, "text/html", "<html>Bad Gateway</html>")
    busy = (503, "application/json", '{"value": [{"name": "no item"}]}')
    session = requests.Session()
    session.mount("https://", Line(gateway, page("one", following=following), busy, page("two")))
    transport = RequestsTransport(session=session, session_owner=False)

    with StorageManagementClient(Token(), "s", transport=transport, retry_backoff_factor=0) as client:
        found = wire.items(client.storage_accounts.list)

    assert found == [{"name": "one"}, {"name": "two"}]
