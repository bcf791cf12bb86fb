# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The background services of a lab besides its hosts: Resource Manager, instance metadata, NFS, names."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import sys
import urllib.parse

from lab.arm import prices
from lab.arm.client import LabClient
from lab.arm.seed import COMPUTE_API, GROUP, LOCATION, seed
from lab.errors import LabError
from lab.hosts.addresses import address_of, mac_of
from lab.net import dns, namespace
from lab.net.metadata import instance_document
from lab.nfs import config, container, tunnel, volumes
from lab.nfs.ganesha import write_config
from lab.paths import REPOSITORY, LabPaths
from lab.processes import alive, end, spawn, wait_for

START_SECONDS = 120


def module_environment() -> dict[str, str]:
    """Environment in which ``python -m lab...`` finds this package from any folder."""
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def start_network(paths: LabPaths, hosts: list[str]) -> None:
    """Namespace, resolver and the names of the hosts."""
    namespace.create(paths)
    paths.dns_hosts_file.parent.mkdir(parents=True, exist_ok=True)
    paths.dns_hosts_file.write_text("".join(f"{address_of(name)} {name}\n" for name in hosts))
    dns.start(paths)
    dns.reload(paths)


def start_nfs(paths: LabPaths) -> None:
    """The NFS server with the exports that it had last, or with none."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    volumes.prepare(paths)
    if not (paths.shares / "config" / "ganesha.conf").exists():
        write_config(paths, config.render((), {}))
    container.start(paths)


def start_arm(paths: LabPaths, profile: str) -> LabClient:
    """The Resource Manager; its state survives in the state folder."""
    record = paths.processes / "arm.json"
    if not alive(record):
        paths.arm_file.unlink(missing_ok=True)
        log = paths.logs / "arm.log"
        spawn(
            record,
            [
                sys.executable,
                "-m",
                "lab.arm",
                "--state-dir",
                str(paths.state),
                "--profile",
                profile,
                "--data-plane",
                "lab.nfs.ganesha:create",
            ],
            log,
            cwd=pathlib.Path("/"),
            env=module_environment(),
        )
        wait_for(
            lambda: paths.arm_file.exists() or not alive(record), START_SECONDS, "the start of the Resource Manager"
        )
        if not alive(record):
            raise LabError(f"the Resource Manager does not start: {log.read_text()[-2000:].strip()}")
    return LabClient.from_state_dir(paths.state)


def start_tunnel(paths: LabPaths) -> None:
    """TLS in front of the NFS server; the Resource Manager has made the certificate."""
    record = paths.processes / "tunnel.json"
    if not alive(record):
        spawn(
            record,
            [*namespace.enter_argv(paths), sys.executable, "-m", "lab.nfs.tunnel", str(paths.state)],
            paths.logs / "tunnel.log",
            cwd=pathlib.Path("/"),
            env=module_environment(),
        )
        wait_for(
            lambda: namespace.listens(paths, tunnel.PORT) or not alive(record),
            START_SECONDS,
            "the start of TLS for NFS",
        )
        if not alive(record):
            raise LabError("TLS for NFS does not start: " + (paths.logs / "tunnel.log").read_text()[-2000:].strip())


def start_metadata(paths: LabPaths) -> None:
    """The instance metadata service."""
    record = paths.processes / "metadata.json"
    if not alive(record):
        spawn(
            record,
            [
                *namespace.enter_argv(paths),
                sys.executable,
                "-m",
                "lab.net.metadata",
                str(paths.metadata_file),
            ],
            paths.logs / "metadata.log",
            cwd=pathlib.Path("/"),
            env=module_environment(),
        )


def seed_azure(paths: LabPaths, client: LabClient, hosts: list[str]) -> None:
    """Create the virtual machines in Azure and tell each host who it is there."""
    seed(client, [(name, address_of(name)) for name in hosts])
    documents = {}
    for name in hosts:
        machine = client.request(
            "GET",
            f"/subscriptions/{client.subscription_id}/resourceGroups/{urllib.parse.quote(GROUP)}"
            f"/providers/Microsoft.Compute/virtualMachines/{name}",
            None,
            COMPUTE_API,
        )
        documents[address_of(name)] = instance_document(
            machine["id"],
            LOCATION,
            machine["properties"]["vmId"],
            address_of(name),
            mac_of(name),
        )
    paths.metadata_file.write_text(json.dumps(documents))


def write_environment(paths: LabPaths, client: LabClient) -> dict[str, str]:
    """Environment of the product's programs, as env.json and env.sh."""
    environment = {
        **client.env(),
        "AZLIN_PRICE_API": f"{client.url}{prices.PATH}",
        "AZLIN_LAB_DIR": str(paths.state),
        "ANSIBLE_INVENTORY": str(paths.inventory),
    }
    for name, text in (
        ("env.json", json.dumps(environment, indent=2) + "\n"),
        ("env.sh", "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())),
    ):
        file = paths.state / name
        file.touch(mode=0o600)
        file.write_text(text)
    return environment


def remove_all(paths: LabPaths) -> None:
    """End every service and remove everything outside the state folder."""
    for record in sorted(paths.processes.glob("*.json")) if paths.processes.exists() else ():
        end(record)
    container.remove_storage(paths)
    namespace.remove(paths)
    volumes.remove_all(paths)
    shutil.rmtree(paths.run, ignore_errors=True)
