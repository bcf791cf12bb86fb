# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import ipaddress

import kubernetes_validate
import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.manifests import manifests
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options

CLIENTS = ["10.30.1.0/24"]
HOSTS = [("host", "10.30.1.11")]
SERVERS = nas.servers([], "production7", CLIENTS, HOSTS)
PRODUCTION = {
    server["name"]: {"address": f"{server['name']}.example.net", "port": 2049 + number}
    for number, server in enumerate(SERVERS)
}
# From one that still ran when this was written, to the newest known to the library.
VERSIONS = ("1.25", "1.28", "1.31", "1.34", kubernetes_validate.latest_version())


def every_object(files):
    return [document for name in sorted(files) for document in files[name]]


def of_kind(kind, files=None):
    return [each for each in every_object(files or manifests(SERVERS)) if each["kind"] == kind]


def leaves(value, path=()):
    """Every scalar of an object, with the way to it."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overrides", [{}, PRODUCTION], ids=["development", "production"])
def test_the_api_of_a_cluster_takes_every_object(version, overrides):
    objects = every_object(manifests(SERVERS, "files", overrides))
    assert len(objects) == 7 + 7 + 2
    for document in objects:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_validation_notices_a_wrong_object():
    wrong = copy.deepcopy(of_kind("PersistentVolume")[0])
    wrong["spec"]["nfs"]["port"] = 32150
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_development_and_production_differ_in_server_and_port_only():
    development = dict(leaves(every_object(manifests(SERVERS))))
    production = dict(leaves(every_object(manifests(SERVERS, overrides=PRODUCTION))))
    assert development.keys() == production.keys()
    different = {path for path in development if development[path] != production[path]}
    for path in different:
        key = path[-1]
        if path[1:3] == ("spec", "mountOptions"):
            assert development[path].startswith("port=") and production[path].startswith("port=")
        elif path[1] == "data":
            assert key.endswith(("_HOST", "_PORT"))
        else:
            assert path[1:] == ("spec", "nfs", "server")
    # Server and port of each volume, host and port of each server in the ConfigMap.
    assert len(different) == 7 * 4


def test_a_volume_and_its_claim_are_bound_to_each_other_and_to_nothing_else():
    volumes, claims = of_kind("PersistentVolume"), of_kind("PersistentVolumeClaim")
    assert len(volumes) == len(claims) == 7
    for volume, claim in zip(volumes, claims, strict=True):
        assert volume["spec"]["storageClassName"] == claim["spec"]["storageClassName"] == ""
        assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
        assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
        assert volume["spec"]["claimRef"]["namespace"] == claim["metadata"]["namespace"]
        wanted = claim["spec"]["selector"]["matchLabels"]
        matching = [each for each in volumes if wanted.items() <= each["metadata"]["labels"].items()]
        assert matching == [volume]
        assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"]
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert volume["spec"]["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"] == "500Mi"


def test_only_the_backup_is_read_only_and_says_so_everywhere():
    for volume in of_kind("PersistentVolume"):
        backup = volume["metadata"]["name"] == "nas-backup"
        assert volume["spec"]["accessModes"] == ["ReadOnlyMany" if backup else "ReadWriteMany"]
        assert volume["spec"]["nfs"]["readOnly"] is backup
        assert ("ro" in volume["spec"]["mountOptions"]) is backup
    pod = of_kind("Deployment")[0]["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["containers"][0]["volumeMounts"] if each["readOnly"]] == ["nas-backup"]
    assert [each["name"] for each in pod["volumes"] if each["persistentVolumeClaim"]["readOnly"]] == ["nas-backup"]


def test_mount_options_are_those_of_every_other_mount_of_the_collection():
    for volume in of_kind("PersistentVolume"):
        options = volume["spec"]["mountOptions"]
        assert options[: len(mount_options())] == mount_options()
        assert len([option for option in options if option.startswith("port=")]) == 1
        assert not {"intr", "nolock"} & set(options)


def test_the_example_mounts_every_server_and_the_config_map_tells_where_each_is():
    pod = of_kind("Deployment")[0]["spec"]["template"]["spec"]
    assert [each["mountPath"] for each in pod["containers"][0]["volumeMounts"]] == [
        f"/nas/{server['name']}" for server in SERVERS
    ]
    data = of_kind("ConfigMap")[0]["data"]
    assert (data["NAS_COUNT"], data["NAS_NAMESPACE"]) == ("7", "default")
    assert (data["NAS_INPUT_1_HOST"], data["NAS_INPUT_1_PORT"]) == ("10.30.1.11", "32150")
    assert (data["NAS_BACKUP_PVC"], data["NAS_BACKUP_PATH"], data["NAS_BACKUP_ACCESS"]) == ("nas-backup", "/data", "ro")
    assert len(data) == 2 + 7 * 5
    ipaddress.ip_address(data["NAS_OUTPUT_3_HOST"])


def test_a_server_that_is_off_has_no_objects():
    files = manifests(nas.servers([{"name": "nas-backup", "enabled": False}], "production7", CLIENTS, HOSTS))
    assert "nas-backup.yml" not in files
    assert "nas-backup" not in str(files)


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": "Bad_Name"},
        {"image": "busybox latest"},
        {"overrides": {"nas-input-9": {"port": 2049}}},
        {"overrides": {"nas-input-1": {"path": "/other"}}},
        {"overrides": {"nas-input-1": {"port": 0}}},
        {"overrides": {"nas-input-1": {"address": "bad name"}}},
        *({"overrides": {"nas-input-1": {"address": place}}} for place in ("localhost", "127.1.2.3", "::1", "0.0.0.0")),
    ],
    ids=repr,
)
def test_what_cannot_work_is_refused(options):
    with pytest.raises(AzlinError) as caught:
        manifests(SERVERS, **options)
    assert caught.value.error_code == "invalid_argument"


def test_two_names_that_would_be_one_variable_are_refused():
    listed = [
        {"name": name, "role": "input", "port": 32150 + n, "fsid": 1 + n} for n, name in enumerate(("a", "nas-a"))
    ]
    with pytest.raises(AzlinError, match="NAS_A_HOST"):
        manifests(nas.servers(listed, clients=CLIENTS, hosts=HOSTS))


def test_volumes_that_would_be_on_the_node_itself_are_refused():
    nowhere = nas.servers([], "production7", CLIENTS)
    with pytest.raises(AzlinError, match=r"servers\[nas-input-1\].address.*'localhost'") as caught:
        manifests(nowhere)
    assert "ansible_host" in caught.value.causes[0][1]
    assert manifests(nowhere, overrides=PRODUCTION) == manifests(SERVERS, overrides=PRODUCTION)
