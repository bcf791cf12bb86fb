# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses of the hosts."""

from __future__ import annotations

FIRST_ADDRESS = 11
MOST_HOSTS = 40


def number_of(name: str) -> int:
    """The number in a host's name."""
    return int(name.removeprefix("worker-"))


def host_names(count: int) -> list[str]:
    """worker-1 to worker-<count>."""
    return [f"worker-{number}" for number in range(1, count + 1)]


def address_of(name: str) -> str:
    """The host's address in the virtual network."""
    return f"10.30.1.{FIRST_ADDRESS - 1 + number_of(name)}"


def mac_of(name: str) -> str:
    """The host's hardware address, with the prefix of Azure's virtual machines."""
    return f"00:0d:3a:30:01:{FIRST_ADDRESS - 1 + number_of(name):02x}"
