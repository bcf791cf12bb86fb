#!/usr/bin/python

# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin module: arguments in, _home.run does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_nfs_home
short_description: Move a user's home directory onto an Azure Files NFS share and back
version_added: 0.1.0
description:
  - Moves the home directory of a user onto an Azure Files NFS share, or back to the local disk, as one transaction.
  - Each step is written to a journal before it acts. After any error the home, fstab and the mounts are as they were
    before; after a crash the next run undoes or finishes what was begun.
  - The local copy of the home is kept as C(HOME.backup) when the home is attached. It is never overwritten and never
    removed.
  - An empty share is filled with the home of the first host. A share that has content is adopted as it is, unless
    O(seed) is V(merge); nothing on it is ever written over. Keys in C(~/.ssh/authorized_keys) of every host are added
    to the file on the share.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.attributes
attributes:
  action:
    description: Indicates this has a corresponding action plugin, so some parts of the options run on the controller.
    support: full
    details:
      - It runs the module as a background job, so that a lost connection does not end it half way, and shows how far it
        is at least every 10 seconds.
      - It logs in anew and confirms the switch; see O(confirm_timeout).
  async:
    description: Supports being used with the C(async) keyword.
    support: partial
    details:
      - With C(async) Ansible waits for the end, and nobody logs in anew. O(confirm_timeout) is V(0) then unless it is
        set, and O(state=confirmed) is up to you.
  check_mode:
    support: full
    details:
      - Checks the host, fstab, the mount table, name resolution and the server, and predicts the result. It does not
        look into the share, so what depends on its content is C(null).
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(attached) has the home on O(source).
      - V(detached) has the home on the local disk.
      - V(confirmed) makes the transaction named by O(confirmation) count; see O(confirm_timeout).
      - V(rolled_back) undoes a transaction that an earlier run did not finish, or that nobody has confirmed, and
        nothing if there is none.
    type: str
    choices: [attached, detached, confirmed, rolled_back]
    default: attached
  user:
    description:
      - The login name of the user. It must exist, and it cannot be root.
      - Lower-case letters, digits, underscores and hyphens. Names with capital letters or full stops are refused.
    type: str
    required: true
  home:
    description: The home directory. The default is the one in the user database.
    type: path
  source:
    description:
      - The share, as C(HOST:/ACCOUNT/SHARE).
      - Required for O(state=attached). With O(state=detached) the home is only detached if it is on this share.
    type: str
  seed:
    description:
      - V(if_empty) fills an empty share with the home.
      - V(never) attaches an empty share as it is, with nothing but the keys.
      - V(merge) fills an empty share, and merges the home into a share that has content. What the share lacks is
        copied, what is the same is left, and O(merge_conflicts) decides about the rest. Keys are merged line by line.
    type: str
    choices: [if_empty, never, merge]
    default: if_empty
  merge_conflicts:
    description:
      - What O(seed=merge) does with names that the home and the share both have with different content or type.
      - V(fail) lists them and changes nothing.
      - V(keep_share) leaves the share's. This host's are in the local copy of the home.
      - V(keep_home) copies this host's. The share's are renamed to C(NAME.azlin-replaced) and never removed.
    type: str
    choices: [fail, keep_share, keep_home]
    default: fail
  copy_back:
    description:
      - What the home is after O(state=detached).
      - V(full) copies everything from the share to the local disk.
      - V(none) brings back the local copy of the time before the home was attached, with the keys added since.
        It works without the server.
    type: str
    choices: [full, none]
    default: full
  busy:
    description:
      - What to do about programs that use the home when it is switched. They are found by the file system they hold
        (working directory, open file, mapping), seen twice, and do not count when this run descends from them.
      - All programs of a container that has a part of the local home mounted count as well.
      - V(fail) names them and changes nothing.
      - V(wait) waits for them for O(busy_timeout).
      - V(terminate) asks them to end, ends them 10 seconds later, and gives up after O(busy_timeout).
      - V(ignore) goes on. What they write through files that are open stays in the old home, and they are reported in
        RV(holders).
    type: str
    choices: [fail, wait, terminate, ignore]
    default: fail
  busy_timeout:
    description: Seconds that O(busy=wait) and O(busy=terminate) try.
    type: int
    default: 300
  confirm_timeout:
    description:
      - Seconds in which somebody has to come back through a new login after the home was switched. If nobody does, the
        host puts the old home back by itself. V(0) makes the switch count at once.
      - Another run of this module that wants the same, or O(state=confirmed), has to come through a new login. With
        Ansible's SSH connections this happens within the one task.
      - It proves the login of the user of the connection. If that is not O(user), nothing is proved of the login of
        O(user).
      - Connections that start processes without a login, such as C(local) or C(podman), have it as V(0).
      - Needs systemd on the host.
    type: int
    default: 120
  confirmation:
    description: Which transaction O(state=confirmed) is about; RV(confirmation) of the run that switched the home.
    type: str
  unsupported:
    description:
      - What to do about things in the home that NFS 4.1 on Azure cannot hold, when it fills a share. These are access
        control lists, extended attributes of users, capabilities of programs, device files, and more than 178 hard
        links to a file.
      - V(fail) names them and changes nothing.
      - V(save) keeps them in a file on the share, from which O(state=detached) puts them back. What has more hard links
        becomes several files on the share.
      - V(skip) leaves them behind and reports them in RV(unsupported).
    type: str
    choices: [fail, save, skip]
    default: fail
  checksum:
    description:
      - Whether to read every file back after it was copied and to compare the SHA-256 of both. Size and time are
        always compared.
      - This reads all files twice, and once over the network.
    type: bool
    default: false
  manage_selinux:
    description:
      - Whether to turn the SELinux boolean C(use_nfs_home_dirs) on, for good, before an attach where SELinux is
        enforced and it is off.
      - With V(false) such a host is refused, since sshd could not read keys on the share.
    type: bool
    default: false
  client:
    description:
      - V(nfs) mounts in clear text.
      - V(aznfs) mounts through a TLS tunnel, with the mount helper of Microsoft's package C(aznfs), which has to be
        installed. An account that requires encryption in transit admits nothing else.
      - One server is never reached both ways from one host. That is refused before anything is changed.
      - A home that is attached keeps its client; to change it, detach the home and attach it again.
    type: str
    choices: [nfs, aznfs]
    default: nfs
  local_paths:
    description:
      - Paths in the home, such as C(.cache), that stay on the local disk while the rest is on the share.
      - Relative to the home, none inside another, and not C(.ssh) or C(.azlin).
      - They are moved to C(HOME.local) by a rename and shown in the home by bind mounts, also after a reboot. One that
        does not exist is made. Detaching moves them back by a rename, with O(copy_back=none) too.
      - A home that is attached keeps its local paths; to change them, detach the home and attach it again.
      - The share must not squash root.
    type: list
    elements: str
    default: []
  mount_options:
    description:
      - Mount options besides those that Azure Files needs. One that is set by default replaces it.
      - Options that would lose data, such as C(soft), are refused.
    type: list
    elements: str
    default: []
  mount_timeout:
    description: Seconds to wait for name resolution, for the server to answer and for the mount.
    type: int
    default: 30
notes:
  - Runs as root. Use C(become).
  - Set C(ansible_remote_tmp) to C(/var/tmp), outside the home, since the home is replaced while the module runs.
    The role P(azlin.storage.nfs_home#role) does that. The files of its background job are in C(/run/azlin/jobs) unless
    C(ansible_async_dir) is set.
  - Sockets and named pipes are not copied but reported.
  - Type, mode, owner, times, hard links, holes and targets of links are kept. The time of a symbolic link itself is
    kept where the server stores it.
  - A change of O(mount_options) goes to fstab at once and to the mount at the next boot.
seealso:
  - module: azlin.storage.azlin_nfs_home_info
requirements:
  - nfs-common (Debian, Ubuntu) or nfs-utils (RHEL, SUSE)
  - Linux 3.15 or newer, with the home on a file system that can exchange two names (ext4, xfs, btrfs)
  - Where SELinux is enforced, its boolean C(use_nfs_home_dirs), which sshd needs for keys on a share; see
    O(manage_selinux)
"""

EXAMPLES = r"""
- name: Have the home of azureuser on the share
  azlin.storage.azlin_nfs_home:
    user: azureuser
    source: teamhomes01.file.core.windows.net:/teamhomes01/home
  become: true

- name: Bring it back with everything that is on the share
  azlin.storage.azlin_nfs_home:
    user: azureuser
    state: detached
  become: true

- name: Undo what a run that was cut short left behind
  azlin.storage.azlin_nfs_home:
    user: azureuser
    state: rolled_back
  become: true
"""

RETURN = r"""
action:
  description:
    - The transaction that ran or, in check mode, would run; C(null) when nothing has to be done.
    - V(recover) when what an earlier run left was undone or finished and nothing else was to be done; in check mode
      whenever there is something to recover, since what follows cannot be known before.
  type: str
  returned: success
  sample: attach
recovered:
  description: Whether an unfinished transaction of an earlier run was undone or finished first.
  type: bool
  returned: success
home:
  description: The home as it is, or in check mode would be, afterwards.
  type: dict
  returned: success
  contains:
    user:
      description: The user.
      type: str
      sample: azureuser
    path:
      description: The home directory.
      type: str
      sample: /home/azureuser
    state:
      description: V(attached) or V(local).
      type: str
      sample: attached
    mounted:
      description: Whether a share is mounted on the home at this moment.
      type: bool
    source:
      description: The share, or C(null) for a local home.
      type: str
      sample: teamhomes01.file.core.windows.net:/teamhomes01/home
    fstype:
      description: The file system type of what is mounted on the home, or C(null).
      type: str
      sample: nfs4
    options:
      description: Options in force on the mount.
      type: list
      elements: str
    fstab:
      description: The entries of fstab for the home.
      type: list
      elements: str
    backup:
      description: Where the local copy of the time before the home was attached lies, or C(null).
      type: str
      sample: /home/azureuser.backup
    client:
      description: V(nfs), V(aznfs), or C(null) for a local home.
      type: str
      sample: nfs
    local_paths:
      description: Paths in the home that are on the local disk.
      type: list
      elements: str
    journal:
      description: The journal of the transactions of this home.
      type: str
      sample: /var/lib/azlin/nfs_home/azureuser.json
seeded:
  description: Whether the share was empty and filled from this home. C(null) in check mode.
  type: bool
  returned: success
copied:
  description: What was copied. C(null) in check mode.
  type: dict
  returned: success
  contains:
    files:
      description: Number of files.
      type: int
    bytes:
      description: Their size in bytes.
      type: int
keys_added:
  description: Number of lines that were added to the authorized_keys of the share. C(null) in check mode.
  type: int
  returned: success
merged:
  description: What a merge met, C(null) when there was none and in check mode.
  type: dict
  returned: success
  contains:
    same:
      description: Number of names that were the same on both.
      type: int
    kept:
      description: Paths that differed and stayed as they are on the share.
      type: list
      elements: str
    replaced:
      description: New names of what had to make way on the share.
      type: list
      elements: str
host_record:
  description:
    - What became of this host's record on the share, by which other hosts know it. V(written), V(removed), or V(left)
      when the share could not be reached or written for that.
    - C(null) when there was nothing to do about it, and in check mode.
  type: str
  returned: success
  sample: written
not_copied:
  description: Sockets and named pipes, which were not copied. C(null) in check mode.
  type: list
  elements: str
  returned: success
unsupported:
  description:
    - With O(state=attached), what the share cannot hold and was left behind by O(unsupported=skip). In check mode, what
      it cannot hold; O(unsupported) decides what becomes of it if the share is empty.
    - With O(state=detached), what was on record and could not be put back, and programs that lost their set-id bits,
      as they would have given the user the rights of another user or group.
    - At most 1000 sentences. C(null) in check mode when no home would be moved to a share.
  type: list
  elements: str
  returned: success
holders:
  description:
    - Processes that used the home all the same with O(busy=ignore). What they write to the old one is not in the
      new one.
    - Also part of the failure with the error code C(home_busy).
    - C(null) in check mode, and where it could not be found out.
  type: list
  elements: dict
  returned: success
  contains:
    pid:
      description: The process.
      type: int
    user:
      description: Whose process it is.
      type: str
    command:
      description: Its name.
      type: str
    uses:
      description: What it has there, such as its working directory or an open file, five at most.
      type: list
      elements: str
      sample: [cwd /home/azureuser]
window_seconds:
  description:
    - For how long the home was not usable, from the moment when nobody used it any more to the verified home.
    - C(null) when nothing was switched.
  type: float
  returned: success
  sample: 0.412
confirmed:
  description: Whether this run has made the switch count by a new login.
  type: bool
  returned: when a switch was confirmed
confirmation:
  description: What O(state=confirmed) has to be told for the switch to count; C(null) when it counts already.
  type: dict
  returned: success
  contains:
    id:
      description: The transaction.
      type: str
    seconds:
      description: How long the host waits, from when it was switched.
      type: int
error_code:
  description: A stable word for what went wrong.
  type: str
  returned: failure
  sample: home_busy
causes:
  description: Possible causes, each with its remedy.
  type: list
  elements: dict
  returned: failure
try:
  description: A command that helps.
  type: str
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import CLIENTS, mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import recover, run
from ansible_collections.azlin.storage.plugins.module_utils._home.arguments import request_of
from ansible_collections.azlin.storage.plugins.module_utils._home.busy import POLICIES
from ansible_collections.azlin.storage.plugins.module_utils._home.holders import describe
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter
from ansible_collections.azlin.storage.plugins.module_utils._home.sidecar import POLICIES as UNSUPPORTED

_STATES = ["attached", "detached", "confirmed", "rolled_back"]


def _warn(module, result):
    if result["not_copied"]:
        module.warn(f"Sockets and named pipes were not copied: {', '.join(result['not_copied'][:10])}")
    if result["unsupported"]:
        shown = "; ".join(result["unsupported"][:10])
        module.warn(f"{len(result['unsupported'])} things that a share cannot hold or vouch for: {shown}")
    if result["merged"] and result["merged"]["kept"]:
        kept = result["merged"]["kept"]
        module.warn(f"{len(kept)} names differ and stayed as they are on the share: {', '.join(kept[:10])}")
    if result["host_record"] == "left":
        module.warn("This host's record on the share could not be written, and stays as it is.")
    if result["holders"]:
        module.warn(f"Programs still use the home as it was before: {describe(result['holders'][:10])}")


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": _STATES, "default": "attached"},
            "user": {"type": "str", "required": True},
            "home": {"type": "path"},
            "source": {"type": "str"},
            "seed": {"type": "str", "choices": ["if_empty", "never", "merge"], "default": "if_empty"},
            "merge_conflicts": {
                "type": "str",
                "choices": ["fail", "keep_share", "keep_home"],
                "default": "fail",
            },
            "copy_back": {"type": "str", "choices": ["full", "none"], "default": "full"},
            "client": {"type": "str", "choices": list(CLIENTS), "default": "nfs"},
            "local_paths": {"type": "list", "elements": "str", "default": []},
            "mount_options": {"type": "list", "elements": "str", "default": []},
            "mount_timeout": {"type": "int", "default": 30},
            "busy": {"type": "str", "choices": list(POLICIES), "default": "fail"},
            "busy_timeout": {"type": "int", "default": 300},
            "unsupported": {"type": "str", "choices": list(UNSUPPORTED), "default": "fail"},
            "checksum": {"type": "bool", "default": False},
            "manage_selinux": {"type": "bool", "default": False},
            "confirm_timeout": {"type": "int", "default": 120},
            "confirmation": {"type": "str"},
        },
        required_if=[("state", "attached", ["source"]), ("state", "confirmed", ["confirmation"])],
        supports_check_mode=True,
    )

    def apply():
        request = request_of(module.params)
        mounter = Mounter(mount_options(), module.params["mount_timeout"])
        result = run.apply(recover.host(mounter), request, check_mode=module.check_mode)
        _warn(module, result)
        return result

    run_module(module, apply)


if __name__ == "__main__":
    main()
