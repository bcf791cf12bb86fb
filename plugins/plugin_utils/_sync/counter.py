# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often copying went well and how often not, in a file of the controller.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from datetime import datetime, timezone

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

_NEW = {"succeeded": 0, "failed": 0, "files_sent": 0, "bytes_sent": 0, "last_success": None, "last_failure": None}


def count(path, host, result):
    """Add the result of a host to the numbers in the file. Many may do so at a time; a reader sees whole files."""
    try:
        with open(f"{path}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _write(path, add(_read(path), host, result, datetime.now(timezone.utc)))
    except (OSError, ValueError) as error:
        raise AzlinError(
            "invalid_argument",
            f"counter_file: {path} cannot be used: {error}.",
            causes=[("its directory is missing, or it is another file", "name a file that only this playbook writes")],
        ) from error


def add(numbers, host, result, moment):
    """The numbers with one result more."""
    time = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    numbers = {**_NEW, **numbers}
    if result.get("failed"):
        numbers["last_failure"] = {"host": host, "time": time, "error_code": result.get("error_code")}
        return {**numbers, "failed": numbers["failed"] + 1}
    numbers["last_success"] = {"host": host, "time": time}
    numbers["succeeded"] += 1
    for key in ("files_sent", "bytes_sent"):
        numbers[key] += result.get(key) or 0
    return numbers


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            numbers = json.load(file)
    except FileNotFoundError:
        return {}
    if not isinstance(numbers, dict) or not set(numbers) <= set(_NEW):
        raise ValueError("it holds something else")
    return numbers


def _write(path, numbers):
    descriptor, name = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(path)), prefix=".azlin-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(numbers, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(descriptor)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
