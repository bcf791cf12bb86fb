# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.nas_manifests."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nas_manifests
short_description: Kubernetes objects for the servers of a NAS test bed
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - PersistentVolume and PersistentVolumeClaim of every server, a ConfigMap and an example Deployment.
  - Two environments differ in addresses and ports, and in nothing else.
positional: _input
options:
  _input:
    description: Servers, as P(azlin.storage.nas_servers#filter) returns them. Those that are not enabled are left out.
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of the claims, the ConfigMap and the Deployment.
    type: str
    default: default
  overrides:
    description: Where another environment has the servers, by the name of a server, each with C(address) and C(port).
    type: dict
    default: {}
  image:
    description: Image of the example.
    type: str
    default: busybox:1.37
"""

EXAMPLES = r"""
- name: Write one file
  ansible.builtin.copy:
    content: "{{ (servers | azlin.storage.nas_manifests)['configmap.yml'][0] | to_nice_yaml }}"
    dest: configmap.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: Lists of objects by the name of the file that is to hold them.
  type: dict
"""

from ansible_collections.azlin.storage.plugins.module_utils._common import manifests
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter


@as_filter
def nas_manifests(servers, namespace="default", overrides=None, image="busybox:1.37"):
    """The filter."""
    return manifests.manifests(servers, namespace, overrides, image)


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"nas_manifests": nas_manifests}
