# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin filter: _common.cloud_init renders."""

from __future__ import annotations

DOCUMENTATION = r"""
name: home_user_data
short_description: User-data with which cloud-init gives a new machine a shared home
version_added: 0.1.0
description:
  - Renders cloud-config that installs the NFS client and then, at the end of the first boot, moves the home of a user
    onto an Azure Files NFS share with the transaction of P(azlin.storage.azlin_nfs_home#module).
  - An empty share is filled with the home that the image and cloud-init made. A share with content is adopted, and the
    keys that cloud-init gave the user are added to those on it. If anything fails, the home stays local, the machine
    can be logged in to, and C(cloud-init status) tells of the error.
  - The user is one that the image or the cloud makes. Nothing secret is in the result.
author:
  - azlin.storage project (!UNKNOWN)
positional: _input
options:
  _input:
    description: The share, as C(HOST:/ACCOUNT/SHARE).
    type: str
    required: true
  user:
    description: The login name of the user.
    type: str
    default: azureuser
  home:
    description: The home directory. The default is the one in the user database of the machine.
    type: str
  client:
    description:
      - V(nfs) mounts in clear text, V(aznfs) through TLS.
      - The package C(aznfs) has to be in the image. Without it the home stays local at the first boot.
    type: str
    choices: [nfs, aznfs]
    default: nfs
  mount_options:
    description: Mount options besides those that Azure Files needs.
    type: list
    elements: str
    default: []
  local_paths:
    description: Paths in the home, such as C(.cache), that stay on the local disk.
    type: list
    elements: str
    default: []
  mount_timeout:
    description: Seconds to wait for name resolution, for the server to answer and for the mount.
    type: int
    default: 30
  os_family:
    description: The family of the image's distribution, as Ansible names it; it decides the name of the package.
    type: str
    choices: [Debian, RedHat, Suse]
    default: Debian
  manage_packages:
    description: Whether to install the NFS client. V(false) is for images that have it.
    type: bool
    default: true
  manage_selinux:
    description:
      - Whether to turn the SELinux boolean C(use_nfs_home_dirs) on where SELinux is enforced and it is off. With
        V(false) the home of such a machine stays local, since sshd could not read keys on the share.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Write user-data for the tool that starts machines
  ansible.builtin.copy:
    content: "{{ 'teamhomes01.file.core.windows.net:/teamhomes01/home' | azlin.storage.home_user_data }}"
    dest: cloud-config.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: Cloud-config of at most 65535 bytes, which is what Azure takes as custom data.
  type: str
"""

import yaml

from ansible_collections.azlin.storage.plugins.module_utils._common import cloud_init
from ansible_collections.azlin.storage.plugins.plugin_utils import _host_code
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter, as_list

_MODULE = "_home.first_boot"


class _Dumper(yaml.SafeDumper):
    """Shows a text of several lines as it is."""


def _text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


@as_filter
def home_user_data(
    source,
    user="azureuser",
    home=None,
    client="nfs",
    mount_options=(),
    local_paths=(),
    mount_timeout=30,
    os_family="Debian",
    manage_packages=True,
    manage_selinux=True,
):
    """Render the user-data."""
    wanted = cloud_init.request(
        source,
        user,
        client,
        as_list("mount_options", mount_options),
        home=home,
        local_paths=as_list("local_paths", local_paths),
        mount_timeout=mount_timeout,
        manage_selinux=manage_selinux,
    )
    code = _host_code.sources(_MODULE)
    config = cloud_init.config(wanted, code, f"{_host_code.UTILS}.{_MODULE}", os_family, manage_packages)
    text = yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=float("inf"))
    return cloud_init.checked_size(f"#cloud-config\n{text}")


class FilterModule:
    """The filter for Ansible."""

    def filters(self):
        """Return it by name."""
        return {"home_user_data": home_user_data}
