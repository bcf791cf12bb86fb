# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes objects for the servers of a NAS test bed, or for the production servers that it stands for.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import nas_options

# Kubernetes docs, "Object Names and IDs": RFC 1123 labels.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# Also with a registry and its port, a tag and a digest.
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,200}(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_PART_OF = {"app.kubernetes.io/part-of": "nas"}
_EXAMPLE = "nas-example"


def manifests(servers, namespace="default", overrides=None, image="busybox:1.37"):
    """Return the objects as a dict of file name to list of objects.

    :param servers: complete servers, as :func:`nas.servers` returns them; those that are not enabled are left out.
    :param overrides: dict of server name to ``{address, port}``: where production has that server.
    :raises AzlinError: ``invalid_argument``.
    """
    label(namespace, "namespace")
    if not _IMAGE.fullmatch(str(image)):
        raise invalid("image", image, "it is not the name of an image", "Use for example busybox:1.37.")
    found = [placed(server, overrides or {}) for server in servers if server["enabled"]]
    unknown = sorted(set(overrides or {}) - {server["name"] for server in found})
    if unknown:
        raise invalid("overrides", unknown[0], "there is no such server", "Use the name of a server.")
    return {
        **{f"{server['name']}.yml": [volume(server, namespace), claim(server, namespace)] for server in found},
        "configmap.yml": [config_map(found, namespace)],
        "deployment.yml": [deployment(found, namespace, image)],
    }


def label(value, option):
    """Return a name of a Kubernetes object."""
    if not _LABEL.fullmatch(str(value)):
        raise invalid(
            option, value, "a name is 1 to 63 lower-case letters, digits and hyphens between them", "Use e.g. default."
        )
    return value


def placed(server, overrides):
    """Return the server with address and port of another environment; nothing else can differ."""
    override = overrides.get(server["name"], {})
    option = f"overrides[{server['name']}]"
    for key in override:
        if key not in ("address", "port"):
            raise invalid(f"{option}.{key}", override[key], "only address and port may differ", "Leave it out.")
    port = str(override.get("port", server["port"]))
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise invalid(f"{option}.port", port, "it is not a port", "Use 1 to 65535.")
    option = option if "address" in override else f"{nas.OPTION}[{server['name']}]"
    place = nas.address(override.get("address", server["address"]), f"{option}.address")
    if is_own(place):
        raise invalid(
            f"{option}.address",
            place,
            "each node of a cluster would look for the server on itself",
            "Give the host of the server an ansible_host in the inventory, or set address in azlin_nas_servers or "
            "azlin_nas_overrides.",
        )
    return {**server, "address": place, "port": int(port)}


def is_own(place):
    """Whether a name or an address means the machine that uses it. RFC 6761, section 6.3."""
    try:
        found = ipaddress.ip_address(place)
    except ValueError:
        return place.lower().endswith(".localhost") or place.lower() == "localhost"
    return found.is_loopback or found.is_unspecified


def volume(server, namespace):
    """The PersistentVolume of a server: bound to its claim and to no other, kept when the claim goes."""
    read_only = server["access"] == "ro"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": server["name"], "labels": labels(server)},
        "spec": {
            **_binding(server),
            "capacity": {"storage": f"{server['size_mib']}Mi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": namespace,
                "name": server["name"],
            },
            "mountOptions": nas_options(server["port"], read_only),
            "nfs": {"server": server["address"], "path": nas.EXPORTED, "readOnly": read_only},
        },
    }


def claim(server, namespace):
    """The PersistentVolumeClaim of a server."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": server["name"], "namespace": namespace, "labels": labels(server)},
        "spec": {
            **_binding(server),
            "volumeName": server["name"],
            "selector": {"matchLabels": {"nas-server": server["name"]}},
            "resources": {"requests": {"storage": f"{server['size_mib']}Mi"}},
        },
    }


def _binding(server):
    # An empty class, not a missing one: a missing one is replaced by the default class of a cluster, and a volume of
    # no class is then never bound. Kubernetes docs, "Persistent Volumes", section "Class".
    return {
        "storageClassName": "",
        "volumeMode": "Filesystem",
        "accessModes": ["ReadOnlyMany" if server["access"] == "ro" else "ReadWriteMany"],
    }


def labels(server):
    """What tells the objects of a server; the environment is not among it."""
    return {**_PART_OF, "nas-server": server["name"], "nas-role": server["role"]}


def config_map(servers, namespace):
    """The ConfigMap by which programs find the servers."""
    data = {"NAS_COUNT": str(len(servers)), "NAS_NAMESPACE": namespace}
    for server in servers:
        prefix = "NAS_" + server["name"].upper().replace("-", "_").removeprefix("NAS_")
        if f"{prefix}_HOST" in data:
            raise invalid(nas.OPTION, server["name"], f"two servers would be {prefix}_HOST", "Rename one of them.")
        data.update(
            {
                f"{prefix}_HOST": server["address"],
                f"{prefix}_PORT": str(server["port"]),
                f"{prefix}_PATH": nas.EXPORTED,
                f"{prefix}_PVC": server["name"],
                f"{prefix}_ACCESS": server["access"],
            }
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "nas-servers", "namespace": namespace, "labels": dict(_PART_OF)},
        "data": data,
    }


def deployment(servers, namespace, image):
    """An example that mounts every server at /nas/NAME, without capabilities, and is ready when all answer.

    It names no user: OpenShift gives a pod one of its own and refuses another, elsewhere the image decides.
    """
    names = [server["name"] for server in servers]
    selected = {"app.kubernetes.io/name": _EXAMPLE}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _EXAMPLE, "namespace": namespace, "labels": {**_PART_OF, **selected}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selected},
            "template": {
                "metadata": {"labels": {**_PART_OF, **selected}},
                "spec": {
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "example",
                            "image": image,
                            "command": ["sleep", "infinity"],
                            "envFrom": [{"configMapRef": {"name": "nas-servers"}}],
                            "readinessProbe": {
                                "exec": {"command": ["ls", *(f"/nas/{name}" for name in names)]},
                                "periodSeconds": 30,
                                "timeoutSeconds": 10,
                            },
                            "resources": {
                                "requests": {"cpu": "10m", "memory": "16Mi"},
                                "limits": {"cpu": "100m", "memory": "64Mi"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "volumeMounts": [
                                {
                                    "name": server["name"],
                                    "mountPath": f"/nas/{server['name']}",
                                    "readOnly": server["access"] == "ro",
                                }
                                for server in servers
                            ],
                        }
                    ],
                    "volumes": [
                        {
                            "name": server["name"],
                            "persistentVolumeClaim": {
                                "claimName": server["name"],
                                "readOnly": server["access"] == "ro",
                            },
                        }
                        for server in servers
                    ],
                },
            },
        },
    }
