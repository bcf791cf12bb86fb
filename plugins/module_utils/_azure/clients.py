# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Azure SDK, imported and set up in one place and only when it is used.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import importlib
import threading
import time

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.azlin.storage.plugins.module_utils._azure import auth, errors
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

USER_AGENT = "ansible-azlin-storage"
# Seconds before its end at which a token is no longer used.
_TOKEN_RESERVE = 300
# Connections that a client keeps; no part of this collection has more requests in flight.
CONNECTIONS = 32
# Seconds for a connection and for an answer, before the SDK tries again; its own default is 300 for both.
_PATIENCE = {"connection_timeout": 20, "read_timeout": 60}


def load(module_name, library):
    """Import a module of the Azure SDK, or raise the usual message about a missing library."""
    try:
        return importlib.import_module(module_name)
    except ImportError as exc:
        raise AzlinError(
            "missing_library",
            missing_required_lib(library),
            causes=[
                (
                    f"{module_name} cannot be imported: {exc}",
                    "Install the collection's requirements with the pip of the Python that Ansible uses, "
                    "and set ansible_python_interpreter to ansible_playbook_python for localhost.",
                )
            ],
            try_="python -m pip install azure-identity azure-mgmt-storage azure-mgmt-network azure-mgmt-privatedns "
            "azure-mgmt-resource",
        ) from exc


def _transport():
    """The SDK's transport with a connection for each request in flight: its own keeps ten and opens the rest anew."""
    requests = load("requests", "requests")
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    return load("azure.core.pipeline.transport", "azure-core").RequestsTransport(session=session, **_PATIENCE)


class SharedToken:
    """A credential that asks another one once, however many clients and threads want a token.

    Each client of the SDK keeps its own token, and the Azure CLI starts a process for each of them.
    """

    def __init__(self, credential):
        self._credential = credential
        self._tokens = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes, **kwargs):
        """The token for scopes; a request with claims, after a challenge, always asks anew."""
        with self._lock:
            token = self._tokens.get(scopes)
            if token is None or kwargs.get("claims") or token.expires_on - time.time() < _TOKEN_RESERVE:
                try:
                    token = self._tokens[scopes] = self._credential.get_token(*scopes, **kwargs)
                except OSError as exc:
                    raise _unusable(exc) from exc
            return token


def _unusable(exc):
    """The error for credentials that cannot even be presented."""
    return AzlinError(
        "authentication_failed",
        f"The credentials cannot be used: {exc}",
        causes=[("a malformed tenant, authority, certificate or token file", "Check the authentication options.")],
    )


class Azure:
    """A signed-in session: the management clients of any subscription, made when first asked for."""

    def __init__(self, params):
        self._login = auth.resolve(params)
        self._identity = load("azure.identity", "azure-identity")
        self._core = load("azure.core", "azure-core")
        load("azure.mgmt.core", "azure-mgmt-core")
        self.cloud = auth.find_cloud(self._login.cloud_environment, self._fetch)
        self._credential = self._make_credential()
        self._clients = {}
        self._lock = threading.Lock()

    @property
    def subscription(self):
        """The subscription that the user chose."""
        return self._login.subscription_id

    def storage(self):
        """azure-mgmt-storage for the chosen subscription."""
        return self._client("azure.mgmt.storage", "azure-mgmt-storage", "StorageManagementClient", self.subscription)

    def network(self, subscription=None):
        """azure-mgmt-network; networks may live in another subscription."""
        return self._client(
            "azure.mgmt.network", "azure-mgmt-network", "NetworkManagementClient", subscription or self.subscription
        )

    def private_dns(self, subscription=None):
        """azure-mgmt-privatedns; central zones often live in another subscription."""
        return self._client(
            "azure.mgmt.privatedns",
            "azure-mgmt-privatedns",
            "PrivateDnsManagementClient",
            subscription or self.subscription,
        )

    def resources(self, subscription=None):
        """azure-mgmt-resource: resource groups, generic lists and tags."""
        return self._client(
            "azure.mgmt.resource.resources",
            "azure-mgmt-resource",
            "ResourceManagementClient",
            subscription or self.subscription,
        )

    def _client(self, module_name, library, class_name, subscription):
        key = (class_name, subscription.lower())
        with self._lock:
            if key not in self._clients:
                self._clients[key] = getattr(load(module_name, library), class_name)(
                    self._credential,
                    subscription,
                    base_url=self.cloud.resource_manager,
                    credential_scopes=[f"{self.cloud.audience}/.default"],
                    user_agent=USER_AGENT,
                    transport=_transport(),
                )
            return self._clients[key]

    def _make_credential(self):
        try:
            return SharedToken(auth.credential(self._login, self.cloud, self._identity))
        except (ValueError, OSError) as exc:
            raise _unusable(exc) from exc

    def _fetch(self, url):
        try:
            return self.get_json(url)
        except (ValueError, self._core.exceptions.AzureError) as exc:
            raise errors.from_azure(exc, f"Reading the cloud's endpoints from {url}") from exc

    def get_json(self, url, **patience):
        """The JSON behind a URL, over the SDK's own transport, so that proxies and CA bundles mean the same."""
        rest = load("azure.core.rest", "azure-core")
        client = self._core.PipelineClient(base_url=url, **{**_PATIENCE, **patience})
        try:
            response = client.send_request(rest.HttpRequest("GET", url))
            response.raise_for_status()
            return response.json()
        finally:
            client.close()
