# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local Azure Resource Manager for the resource types that azlin.storage uses.

Unmodified SDK clients talk to it over HTTPS: cloud metadata under ``/metadata/endpoints``, tokens for one service
principal, resource groups, tags, virtual networks, subnets, interfaces, private endpoints, private DNS, storage
accounts, file services and their metrics, file shares, and virtual machines as far as tags and lists need them. Paths
are answered by handlers that the modules here register for a type; ``app`` takes requests apart, ``cloud`` holds what
handlers share, ``store`` the resources, ``operations`` what is under way, ``exports`` works out what the NFS server
must serve.

Known differences from Azure, on purpose:

- One subscription and one service principal that may do everything; refusals for missing rights come from faults.
- Creating a share under the name of a soft-deleted one removes the deleted one for good.
- ``nextAllowedQuotaDowngradeTime`` is shown for provisioned v1 shares, too.
- Only provisioned v1 accounts (``Premium_LRS``, ``Premium_ZRS``) and general-purpose ones; no blobs, queues, keys.
- Network security groups, route tables and the like are kept on subnets as they are sent, and never looked up.
- Metrics are what the control path set: a moment without such a value has none, also where Azure would show a 0.
- Of the peers of a virtual network, and of IP rules, the data plane hears nothing (Azure ignores IP rules for NFS).

``/_lab/`` is the control path (``client.LabClient`` speaks it): request log, fault rules, profile, names taken
elsewhere, metrics, reset. It wants the header ``x-lab-key`` with the key from ``arm.json``.
"""
