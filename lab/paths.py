# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its files, and the names derived from that place."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
DEFAULT_STATE_DIR = REPOSITORY / ".lab"
CACHE_DIR = REPOSITORY / ".cache" / "lab"
# In the state folder: where benchmarks put what they measured, which outlives the lab.
RESULTS = "bench"


@dataclasses.dataclass(frozen=True)
class LabPaths:
    """All paths of one lab. Two labs with different state folders share nothing but the image cache."""

    state: pathlib.Path

    @classmethod
    def of(cls, state_dir: str | pathlib.Path) -> LabPaths:
        """The lab that lives in ``state_dir``."""
        return cls(pathlib.Path(state_dir).resolve())

    @property
    def lab_id(self) -> str:
        """Eight hexadecimal digits that tell the labs of one machine apart."""
        return hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def namespace(self) -> str:
        """Name of the network namespace, also of the container and the run folder."""
        return f"azlin-lab-{self.lab_id}"

    @property
    def netns(self) -> pathlib.Path:
        """The file that stands for the network namespace (where ``ip netns`` puts it)."""
        return pathlib.Path("/run/netns") / self.namespace

    @property
    def run(self) -> pathlib.Path:
        """Sockets and podman's run folder: podman refuses a run folder with more than 50 characters."""
        return pathlib.Path("/run") / self.namespace

    @property
    def processes(self) -> pathlib.Path:
        """Records of the processes that the lab started."""
        return self.state / "processes"

    @property
    def logs(self) -> pathlib.Path:
        """Output of the lab's services."""
        return self.state / "logs"

    @property
    def lab_file(self) -> pathlib.Path:
        """What ``up`` was asked for: exists exactly while there is a lab."""
        return self.state / "lab.json"

    @property
    def arm_file(self) -> pathlib.Path:
        """Address and credentials of the Resource Manager, written by it."""
        return self.state / "arm.json"

    @property
    def ca_file(self) -> pathlib.Path:
        """Certificate authority of the Resource Manager."""
        return self.state / "ca.pem"

    @property
    def metadata_file(self) -> pathlib.Path:
        """Instance metadata documents by guest address."""
        return self.state / "imds.json"

    @property
    def dns_hosts_file(self) -> pathlib.Path:
        """Host names of the guests, in hosts(5) form."""
        return self.state / "dns" / "hosts"

    @property
    def dns_storage_file(self) -> pathlib.Path:
        """Names of the storage accounts, in hosts(5) form."""
        return self.state / "dns" / "storage"

    @property
    def ssh_key(self) -> pathlib.Path:
        """Private key that opens every host of the lab."""
        return self.state / "ssh" / "id_ed25519"

    @property
    def host_key(self) -> pathlib.Path:
        """SSH host key of all hosts of the lab."""
        return self.state / "ssh" / "host_ed25519"

    @property
    def known_hosts(self) -> pathlib.Path:
        """known_hosts file that knows exactly the lab's hosts."""
        return self.state / "ssh" / "known_hosts"

    @property
    def inventory(self) -> pathlib.Path:
        """Ansible inventory of the hosts."""
        return self.state / "inventory.yml"

    def host(self, name: str) -> pathlib.Path:
        """Folder of one guest."""
        return self.state / "hosts" / name

    @property
    def shares(self) -> pathlib.Path:
        """Images and mount points of the shares."""
        return self.state / "nfs"
