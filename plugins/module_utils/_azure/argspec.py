# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option specifications that several controller modules share.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure.auth import SOURCES
from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V1, V2
from ansible_collections.azlin.storage.plugins.module_utils._azure.templates import TEMPLATES


def auth_options():
    """The options of the doc fragment azlin.storage.azure_auth."""
    return {
        "auth_source": {"type": "str", "choices": list(SOURCES)},
        "profile": {"type": "str"},
        "subscription_id": {"type": "str"},
        "client_id": {"type": "str"},
        "secret": {"type": "str", "no_log": True},
        "tenant": {"type": "str"},
        "cloud_environment": {"type": "str"},
        "x509_certificate_path": {"type": "path"},
        "thumbprint": {"type": "str", "no_log": True},
    }


def price_options():
    """The options of the doc fragment azlin.storage.prices."""
    return {
        "prices": {"type": "str", "choices": ["auto", "builtin"], "default": "auto"},
        "price_api": {"type": "str"},
        "currency": {"type": "str", "default": "USD"},
    }


def network_options():
    """The suboptions of ``network``."""
    return {
        "mode": {"type": "str", "choices": ["private_endpoint", "service_endpoint"], "default": "private_endpoint"},
        "virtual_network": {"type": "str"},
        "subnets": {"type": "list", "elements": "str", "required": True, "aliases": ["subnet"]},
        "resource_group": {"type": "str"},
        "create": {"type": "bool", "default": False},
        "address_prefix": {"type": "str", "default": "10.0.0.0/16"},
        "subnet_prefix": {"type": "str", "default": "10.0.0.0/24"},
        "endpoint_name": {"type": "str"},
        "manual_approval": {"type": "bool", "default": False},
        "request_message": {"type": "str"},
        "nsg_rule": {"type": "bool", "default": False},
        "dns": {
            "type": "dict",
            "options": {"manage": {"type": "bool", "default": True}, "zone_id": {"type": "str"}},
        },
    }


def paid_bursting_options():
    """The suboptions of ``paid_bursting``."""
    return {
        "enabled": {"type": "bool", "required": True},
        "max_iops": {"type": "int"},
        "max_throughput": {"type": "int"},
    }


def storage_options():
    """The options of azlin_nfs_storage besides those of authentication."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "resource_group": {"type": "str", "required": True},
        "location": {"type": "str"},
        "share": {"type": "str", "default": "home"},
        "more_shares": {"type": "list", "elements": "str", "default": []},
        "size": {"type": "str"},
        "tier": {"type": "str", "choices": ["premium", "standard"], "default": "premium"},
        "redundancy": {"type": "str", "choices": ["LRS", "ZRS"]},
        "billing_model": {"type": "str", "choices": [V1, V2]},
        "provisioned_iops": {"type": "int"},
        "provisioned_throughput": {"type": "int"},
        "paid_bursting": {"type": "dict", "options": paid_bursting_options()},
        "root_squash": {"type": "str", "choices": ["NoRootSquash", "RootSquash", "AllSquash"]},
        "encryption_in_transit": {"type": "str", "choices": ["disabled", "required"]},
        "network": {"type": "dict", "options": network_options()},
        "soft_delete_days": {"type": "int"},
        "tags": {"type": "dict"},
        "purge_tags": {"type": "bool", "default": False},
        "template": {"type": "str", "choices": list(TEMPLATES)},
        "restore": {"type": "bool"},
        "delete_snapshots": {"type": "bool", "default": False},
        "allow_shrink": {"type": "bool", "default": False},
        "confirm": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "used_by": {"type": "list", "elements": "str", "default": []},
        "wait_timeout": {"type": "int", "default": 1800},
    }


def attachment_options():
    """The options of azlin_attachment besides those of authentication."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "vm_id": {"type": "str"},
        "vm_name": {"type": "str"},
        "vm_resource_group": {"type": "str"},
        "storage_name": {"type": "str"},
        "share": {"type": "str", "default": "home"},
        "user": {"type": "str", "required": True},
        "mount_point": {"type": "str"},
    }
