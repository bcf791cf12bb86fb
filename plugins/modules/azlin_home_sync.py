#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_home_sync
short_description: Copy files of the controller to the home of a user
version_added: 0.1.0
description:
  - Copies what M(azlin.storage.azlin_home_files) has listed to the home of a user on the host, with rsync. What only
    the home has stays; what both have becomes the one of the controller.
  - What is of another kind in the home stays as well, with a warning and in RV(conflicts). A file there never makes
    way for a folder or a link of the same name, or the other way round.
  - Nothing is deleted, and no rule of what to leave out is sent to the host. A file appears as a whole, together with
    the others at the end of the run. A run that was killed or lost its connection is gone on with by the next one.
  - Files belong to the user, whatever their owner on the controller. Their mode and time are kept, also the mode of
    directories, but for the home itself and its C(.ssh), which sshd accepts only with certain modes.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.attributes
attributes:
  check_mode:
    support: full
    details:
      - Has rsync find out what it would do, and returns that.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  source:
    description:
      - RV(azlin.storage.azlin_home_files#module:source) of M(azlin.storage.azlin_home_files).
    type: path
    required: true
  list_file:
    description:
      - RV(azlin.storage.azlin_home_files#module:list_file) of M(azlin.storage.azlin_home_files).
    type: path
    required: true
  user:
    description:
      - The user whose home it is. Files are received with the rights of this user, never of root. If Ansible logs in as
        somebody else, that login has to be allowed to run C(rsync) as the user with C(sudo) and without a password.
    type: str
    required: true
  home:
    description:
      - The home directory on the host.
    type: str
    required: true
  only:
    description:
      - Copy only what lies in these paths of the home. The default is everything in the list.
    type: list
    elements: str
  keep_newer:
    description:
      - Leave files alone that are newer in the home than on the controller.
    type: bool
    default: false
  free_bytes:
    description:
      - Free space in the home. If it is set and not enough, nothing is copied.
    type: int
  timeout:
    description:
      - Seconds without any progress after which rsync gives up; V(0) for no limit.
    type: int
    default: 300
  counter_file:
    description:
      - A JSON file on the controller that counts runs, for monitoring. Its keys are C(succeeded), C(failed),
        C(files_sent), C(bytes_sent) and, each with C(host) and C(time), C(last_success) and C(last_failure). Check mode
        does not count.
    type: path
notes:
  - rsync goes the way of Ansible's own ssh connection, with its host, port, user, key, arguments and jump hosts. While
    Ansible keeps that connection open (C(ControlPersist), by default) rsync goes through it, so that a login by
    password works as well. Without it a key or an ssh-agent is needed. No question is ever asked, and whether host keys
    are checked is left to ssh and to the user's own arguments.
  - Needs rsync 3.1 or newer on the controller, and rsync on the host.
  - "Sources: manual pages of rsync(1), on C(--files-from), C(--partial-dir) and C(--delay-updates), and of
    ssh_config(5)."
seealso:
  - module: azlin.storage.azlin_home_files
  - module: azlin.storage.azlin_nfs_home_info
"""

EXAMPLES = r"""
- name: Copy the listed files, but nothing that was changed on the host since
  azlin.storage.azlin_home_sync:
    source: "{{ files.source }}"
    list_file: "{{ files.list_file }}"
    user: azureuser
    home: /home/azureuser
    keep_newer: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path in the home, as rsync shows it.
      type: str
      sample: .bashrc
    kind:
      description: V(file), V(directory) or V(link).
      type: str
      sample: file
    change:
      description: V(create), V(update), or V(attributes) where only mode or time differed.
      type: str
      sample: update
    bytes:
      description: Size of a file whose content was sent; else 0.
      type: int
conflicts:
  description: Names that are of another kind in the home. They and what is below them were left alone. To have the
    controller's, move away what the home has; to be told no more, deny them.
  type: list
  elements: str
  returned: success
  sample: [.bashrc]
files_sent:
  description: How many files were sent, or would be in check mode.
  type: int
  returned: success
bytes_sent:
  description: Their size together. What rsync found on the host already counts in.
  type: int
  returned: success
bytes_on_the_wire:
  description: What went to the host in all, before ssh.
  type: int
  returned: success
rsync_status:
  description: Exit status of rsync.
  type: int
  returned: when rsync failed
rsync_lines:
  description: The last lines that it wrote.
  type: list
  elements: str
  returned: when rsync failed
error_code:
  description: What kind of failure it is; a stable word to branch on.
  returned: failure
  type: str
  sample: sync_failed
causes:
  description: Possible causes, each with its remedy.
  returned: failure
  type: list
  elements: dict
try:
  description: A command that helps.
  returned: failure
  type: str
"""
