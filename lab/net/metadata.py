# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service at 169.254.169.254; knows a guest by the address it asks from.

``python -m lab.net.metadata FILE``: FILE holds ``{address: document}`` and is read anew for every request.
Source of shape and errors: Azure docs, instance-metadata-service.
"""

from __future__ import annotations

import http.server
import json
import pathlib
import sys
import urllib.parse

from lab.net.namespace import METADATA_ADDRESS

API_VERSIONS = (
    "2017-08-01",
    "2018-02-01",
    "2019-11-01",
    "2020-06-01",
    "2021-01-01",
    "2021-02-01",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
)


def instance_document(resource_id: str, location: str, vm_id: str, address: str, mac: str) -> dict:
    """What a virtual machine is told about itself."""
    parts = resource_id.split("/")
    compute = {
        "azEnvironment": "AzurePublicCloud",
        "location": location,
        "name": parts[8],
        "osType": "Linux",
        "provider": "Microsoft.Compute",
        "resourceGroupName": parts[4],
        "resourceId": resource_id,
        "subscriptionId": parts[2],
        "tags": "",
        "tagsList": [],
        "vmId": vm_id,
        "vmSize": "Standard_B2s",
        "zone": "",
    }
    ipv4 = {
        "ipAddress": [{"privateIpAddress": address, "publicIpAddress": ""}],
        "subnet": [{"address": "10.30.1.0", "prefix": "24"}],
    }
    interface = {"ipv4": ipv4, "ipv6": {"ipAddress": []}, "macAddress": mac.replace(":", "").upper()}
    return {"compute": compute, "network": {"interface": [interface]}}


def answer(documents: dict, address: str, path: str, headers) -> tuple[int, object]:
    """Status and body for a GET request from ``address``."""
    url = urllib.parse.urlsplit(path)
    query = urllib.parse.parse_qs(url.query)
    version = query.get("api-version", [""])[0]
    if headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in headers:
        return 400, {"error": "Bad request. Required metadata header not specified"}
    if version not in API_VERSIONS:
        newest = list(reversed(API_VERSIONS[-3:]))
        return 400, {
            "error": "Bad request. api-version is invalid or was not specified in the request. "
            "For more information refer to aka.ms/azureimds",
            "newest-versions": newest,
        }
    steps = [step for step in url.path.split("/") if step]
    if steps[:2] != ["metadata", "instance"] or address not in documents:
        return 404, {"error": "Not found"}
    node = documents[address]
    for step in steps[2:]:
        if isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            return 404, {"error": "Not found"}
    if not isinstance(node, (dict, list)) and query.get("format") != ["text"]:
        return 400, {"error": "Bad request. Only format=text is supported for a leaf"}
    return 200, node


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the documents of ``source``."""

    protocol_version = "HTTP/1.1"
    server_version = "IMDS/150.870.65.1854"
    source = pathlib.Path()

    def do_GET(self) -> None:
        try:
            documents = json.loads(self.source.read_text())
        except FileNotFoundError:
            documents = {}
        status, body = answer(documents, self.client_address[0], self.path, self.headers)
        plain = isinstance(body, str)
        data = (body if plain else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if plain else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    Handler.source = pathlib.Path(sys.argv[1])
    http.server.ThreadingHTTPServer((METADATA_ADDRESS, 80), Handler).serve_forever()
