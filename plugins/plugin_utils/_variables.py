# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the playbooks, and names that were probably meant to be one.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import difflib

PREFIX = "azlin_"
# Without the prefix, which would make all of them alike. A test compares with what the playbooks take.
WORDS = """
    allow_shrink billing_model busy busy_timeout checksum cleanup_confirm client confirm confirm_timeout copy_back
    currency delete_snapshots encryption_in_transit force grow_at grow_cap grow_step history_days home hosts
    idle_days keep_tag local_paths location manage_packages manage_selinux max_fail_percentage merge_conflicts
    mount_options mount_timeout nas_client nas_clients nas_fill nas_image nas_limit nas_namespace nas_output_dir
    nas_overrides nas_restart nas_servers nas_timeout nas_topology network paid_bursting provisioned_iops
    provisioned_throughput purge_tags record redundancy report_path report_title resource_group restore root_squash
    seed serial share size soft_delete_days storage_name sync_allow sync_counter_file sync_deny sync_ignore_errors
    sync_keep_newer sync_scan_limit sync_source sync_timeout sync_unscanned tags template tier unmanaged unsupported
    user user_data_file vm_address vm_costs vm_create vm_id vm_image vm_name vm_network_resource_group
    vm_os_family vm_public_key vm_resource_group vm_size vm_subnet vm_tasks vm_timeout vm_virtual_network wait_timeout
"""
VARIABLES = frozenset(WORDS.split())
# A letter is missing, doubled or in another place: a name that differs by more may be the user's own.
LIKENESS = 0.83


def mistyped(names):
    """Return a sentence for every name that is no variable of the playbooks but nearly one.

    >>> mistyped(["azlin_usr", "azlin_user", "azlin_department"])
    ["azlin_usr: no playbook has such a variable. Correct it to azlin_user, or rename it if it is your own."]
    """
    found = []
    for name in sorted(names):
        word = name[len(PREFIX) :]
        meant = difflib.get_close_matches(word.lower(), VARIABLES, 1, LIKENESS)
        if word not in VARIABLES and meant:
            found.append(
                f"{name}: no playbook has such a variable. "
                f"Correct it to {PREFIX}{meant[0]}, or rename it if it is your own."
            )
    return found
