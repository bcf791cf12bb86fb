# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for Azure, bounded by one deadline for the whole run.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import time

from ansible_collections.azlin.storage.plugins.module_utils._azure import errors, wire
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# Seconds between polls when Azure does not send Retry-After; the SDK's own default is 30.
POLLING_INTERVAL = 2
# Seconds before a request that met a busy resource is repeated, doubled up to the second value, where Azure does not
# say by itself how long to wait.
BUSY_PAUSE = (1, 15)
# How often a request is repeated whose failure may be chance.
CHANCES = 3
# Seconds for which a read waits for Azure's permission to read; its windows are 5 minutes long.
# Source: Azure docs, request-limits-and-throttling.
READ_PATIENCE = 300


class Deadline:
    """A point in time that all waits of one run share."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self):
        """Seconds that are left; 0 when none are."""
        return max(0.0, self._end - time.monotonic())

    def expired(self, doing, last_word=""):
        """The error for a wait that came to its end."""
        return AzlinError(
            "timeout",
            f"{doing} was not finished within {self._seconds} seconds.{last_word}",
            causes=[
                ("Azure is slow or still works on it", "Run again: what is done is kept and the rest is resumed."),
                ("the limit is too short", "Raise wait_timeout."),
            ],
        )


def finish(poller, deadline, doing):
    """The body of a finished long-running operation."""
    try:
        poller.wait(deadline.remaining())
        if not poller.done():
            raise deadline.expired(doing)
        content = poller.result()
    except Exception as exc:
        if getattr(exc, "status_code", None) == 404:
            raise errors.Lost(exc) from exc
        raise
    error = errors.error_in(content)
    if error:
        raise errors.Failed(error)
    return content


def while_busy(call, deadline, doing, chances=None):
    """Repeat ``call`` while Azure says that it is busy, and a few times after a failure that may be chance."""
    pause, longest = BUSY_PAUSE
    chances = CHANCES if chances is None else chances
    while True:
        try:
            return call()
        except AzlinError:
            raise
        except Exception as exc:  # the SDK's classes say less than Azure's code; see errors.describe
            busy = errors.is_busy(exc)
            chances -= not busy
            wait = errors.retry_after(exc) or pause
            if not busy and (chances < 0 or not errors.is_chance(exc)):
                raise
            if deadline.remaining() <= wait:
                if not busy or errors.is_throttled(exc):
                    raise
                raise deadline.expired(doing, f" Azure's last word: {errors.describe(exc)[1]}") from exc
        time.sleep(wait)
        pause = min(pause * 2, longest)


def verify(content, resource_id, doing, default):
    """Make sure that a finished operation left a resource that works, and return the body.

    The SDK reports success when the last poll is HTTP 200 with a body of status "Failed" (azure-cli issue 32434).
    """
    content = content or {}
    error = errors.error_in(content)
    state = wire.properties(content).get("provisioningState") or content.get("status")
    if error:
        raise errors.failure(doing, error.get("code") or "", error.get("message") or "no reason given", default)
    if state in ("Failed", "Canceled"):
        raise errors.failure(doing, "", f"the resource is in state {state}", default)
    if not content.get("id"):
        raise errors.failure(doing, "", f"Azure reported success but no resource {resource_id}", default)
    return content
