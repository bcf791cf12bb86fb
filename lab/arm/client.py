# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client for the lab itself: ordinary requests as the service principal, and the control path."""

from __future__ import annotations

import json
import pathlib
import ssl
import time
import typing
import urllib.error
import urllib.parse
import urllib.request

# Seconds before its end from which a token is not used any more.
RENEW_BEFORE = 300


class LabError(Exception):
    """The Resource Manager refused a request of the lab."""


class LabClient:
    """Talks to a running Resource Manager, described by the contents of its ``arm.json``."""

    def __init__(self, description: typing.Mapping[str, typing.Any]):
        self.url: str = description["url"]
        self.ca_file: str = description["ca_file"]
        self.tenant: str = description["tenant"]
        self.subscription_id: str = description["subscription_id"]
        self.client_id: str = description["client_id"]
        self.secret: str = description["secret"]
        self._lab_key: str = description["lab_key"]
        self._token = ""
        self._renew_at = 0.0

    @classmethod
    def from_state_dir(cls, state_dir: str | pathlib.Path) -> LabClient:
        """The client of the server that keeps its state in a directory."""
        return cls(json.loads((pathlib.Path(state_dir) / "arm.json").read_text(encoding="utf-8")))

    def env(self) -> dict[str, str]:
        """Environment variables that point Azure clients at this cloud."""
        return {
            "AZURE_TENANT": self.tenant,
            "AZURE_SUBSCRIPTION_ID": self.subscription_id,
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_SECRET": self.secret,
            "AZURE_CLOUD_ENVIRONMENT": self.url,
            "REQUESTS_CA_BUNDLE": self.ca_file,
        }

    def status(self) -> dict:
        """Profile in force, number of resources, running operations, requests and faults left."""
        return self._control("GET", "status")

    def requests(self) -> list[dict]:
        """The request log."""
        return self._control("GET", "requests")["value"]

    def clear_requests(self) -> None:
        """Start the request log anew."""
        self._control("DELETE", "requests")

    def faults(self, *rules: dict) -> None:
        """Add fault rules (see lab.arm.faults.Rule)."""
        self._control("POST", "faults", list(rules))

    def clear_faults(self) -> None:
        """Drop all fault rules."""
        self._control("DELETE", "faults")

    def profile(self, name: str, **values: typing.Any) -> None:
        """Switch the latency profile; ``scale``, ``page_size`` and ``operations`` change values of it."""
        self._control("PUT", "profile", {"name": name, **values})

    def taken_names(self, *names: str) -> None:
        """Declare account names taken by somebody else in the world."""
        self._control("PUT", "taken-names", list(names))

    def trust(self, **what: typing.Any) -> None:
        """Accept further ways to sign in (see lab.arm.assertions.Trusted)."""
        self._control("PUT", "trusted", what)

    def checkpoint(self) -> None:
        """Remember all resources as they are now, for ``rewind``."""
        self._control("PUT", "checkpoint")

    def rewind(self) -> None:
        """Go back to the checkpoint; faults and requests are forgotten."""
        self._control("POST", "rewind")

    def hasten(self, seconds: float) -> None:
        """Let all operations that are under way be over in so many seconds."""
        self._control("POST", "hasten", {"seconds": seconds})

    def let_pass(self, hours: float) -> None:
        """Let hours pass: accounts get older, earliest decreases and the end of soft-deleted shares come nearer."""
        self._control("POST", "let-pass", {"hours": hours})

    def metrics(self, account: str, metric: str, points: dict[str, float], share: str | None = None) -> None:
        """Set values of a metric by hour (``2026-11-01T00:00:00Z``), of a share or of what concerns none."""
        self._control("PUT", "metrics", {"account": account, "metric": metric, "share": share, "points": points})

    def subscriptions(self, *subscription_ids: str) -> None:
        """Let the principal see further, empty subscriptions."""
        self._control("PUT", "subscriptions", list(subscription_ids))

    def reset(self) -> None:
        """Forget all resources, faults and requests."""
        self._control("POST", "reset")

    def request(self, method: str, path: str, body: typing.Any = None, api_version: str = "2025-04-01") -> typing.Any:
        """One request to the Resource Manager; waits until its long-running operation is over."""
        separator = "&" if "?" in path else "?"
        url = f"{self.url}{path}{separator}api-version={api_version}"
        answer, headers = self._send(method, url, body, {"Authorization": f"Bearer {self._bearer()}"})
        poll = headers.get("Azure-AsyncOperation") or headers.get("Location")
        while poll:
            time.sleep(float(headers.get("Retry-After") or 0.02))
            status, headers = self._send("GET", poll, None, {"Authorization": f"Bearer {self._bearer()}"})
            state = (status or {}).get("status")
            if state == "Failed":
                raise LabError(f"{method} {path}: {status['error']}")
            if state != "InProgress" and not headers.get("Location"):
                break
        return answer

    def _bearer(self) -> str:
        if time.monotonic() >= self._renew_at:
            asked = time.monotonic()
            form = {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.secret,
                "scope": f"{self.url}/.default",
            }
            url = f"{self.url}/{self.tenant}/oauth2/v2.0/token"
            answer, _headers = self._send("POST", url, urllib.parse.urlencode(form).encode(), {})
            self._token = answer["access_token"]
            self._renew_at = asked + answer["expires_in"] - RENEW_BEFORE
        return self._token

    def _control(self, method: str, name: str, body: typing.Any = None) -> typing.Any:
        answer, _headers = self._send(method, f"{self.url}/_lab/{name}", body, {"x-lab-key": self._lab_key})
        return answer

    def _send(self, method: str, url: str, body: typing.Any, headers: dict[str, str]) -> tuple[typing.Any, typing.Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None and not isinstance(body, bytes):
            headers = {**headers, "Content-Type": "application/json"}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        context = ssl.create_default_context(cafile=self.ca_file)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=120) as response:
                text = response.read()
                return (json.loads(text) if text else None), response.headers
        except urllib.error.HTTPError as error:
            raise LabError(f"{method} {url.split('?')[0]}: {error.code} {error.read().decode()}") from None
