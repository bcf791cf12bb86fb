#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_home_files
short_description: Decide which files of the controller may be copied to homes
version_added: 0.1.0
description:
  - Looks through a directory of the controller and writes the list of what M(azlin.storage.azlin_home_sync) is to copy.
  - Secrets are left out and reported. A file is taken for one by its path (private keys, credentials of clouds and
    clusters, password files, histories of shells) or by its content (headers of private keys of every kind, tokens of
    known services, passwords in URLs and settings).
  - Left out and reported are also links that lead out of the directory, what is neither file nor link, and what cannot
    be read. What decides who may log in (C(authorized_keys) in any folder, a link C(.ssh), files of second factors
    and Kerberos logins) and the folder C(.azlin) at the top never go to hosts, whatever O(allow) says.
  - Nothing is written into the directory. The list lies in Ansible's own folder for temporary files, readable for the
    user alone, and goes when Ansible ends.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.attributes
  - azlin.storage.attributes.info_module
options:
  source:
    description:
      - The directory of the controller. If it is a link, the directory that it leads to.
    type: path
    default: ~/.azlin/home
  allow:
    description:
      - Paths that are copied although they look like secrets, for example V(.azure/msal_token_cache.json).
      - V(*) and V(?) match anything but a slash, V(**) also that. A pattern without a slash means a name at any depth,
        one with a slash a path from the top. Whatever matches means also all that is below.
    type: list
    elements: str
    default: []
  deny:
    description:
      - Paths that are not copied, whatever they are, in the same form. They count more than O(allow).
      - There is a warning for each pattern that matches nothing, such as a path of the machine.
    type: list
    elements: str
    default: []
  scan_limit:
    description:
      - How much of each file is searched for secrets, as bytes or with a unit such as V(5M).
    type: str
    default: 5M
  unscanned:
    description:
      - Whether to V(send) or to V(block) files that could not be searched as a whole, because they are larger than
        O(scan_limit) or packed. They are reported in both cases.
    type: str
    choices: [send, block]
    default: send
notes:
  - Runs on the controller as the user who runs Ansible, whatever connection and C(become) say.
  - It finds secrets that have a form. A password in prose has none, and a file that changes after it was searched is
    copied as it then is.
seealso:
  - module: azlin.storage.azlin_home_sync
"""

EXAMPLES = r"""
- name: Decide what is copied
  azlin.storage.azlin_home_files:
    deny: [Downloads, "*.iso"]
  run_once: true
  register: files

- name: Copy it to the home of every host
  azlin.storage.azlin_home_sync:
    source: "{{ files.source }}"
    list_file: "{{ files.list_file }}"
    user: azureuser
    home: /home/azureuser
"""

RETURN = r"""
source:
  description: The directory, links resolved.
  type: str
  returned: success
list_file:
  description: The file with the list, paths with a NUL after each, as rsync's C(--files-from) takes it.
  type: str
  returned: success
files:
  description: How many files are in the list.
  type: int
  returned: success
directories:
  description: How many directories are in the list. Those of which nothing is left are not.
  type: int
  returned: success
links:
  description: How many symbolic links are in the list.
  type: int
  returned: success
bytes:
  description: Size of these files together.
  type: int
  returned: success
blocked:
  description: What is not in the list, and why.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path in the source; a directory has a slash at its end.
      type: str
      sample: .ssh/id_ed25519
    reason:
      description: Why it is not copied.
      type: str
      sample: private key
unscanned:
  description: What could not be searched for secrets as a whole.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path in the source.
      type: str
    reason:
      description: Why not.
      type: str
      sample: a packed file
    bytes:
      description: Its size.
      type: int
allowed:
  description: What is in the list although it looks like a secret, because O(allow) says so.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path in the source.
      type: str
    reason:
      description: What it looks like.
      type: str
error_code:
  description: What kind of failure it is; a stable word to branch on.
  returned: failure
  type: str
  sample: not_found
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
