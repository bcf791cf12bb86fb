# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate authority of a lab and the certificate of its servers: Resource Manager, and NFS through TLS."""

from __future__ import annotations

import pathlib

import trustme

from lab.arm.identity import write_private
from lab.arm.metadata import FILE_SUFFIX


def ensure(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Paths of the CA certificate and of the server's chain with key; made at the first call."""
    ca_file, server_file = directory / "ca.pem", directory / "server.pem"
    if not (ca_file.exists() and server_file.exists()):
        authority = trustme.CA(organization_name="azlin lab")
        certificate = authority.issue_cert("localhost", "127.0.0.1", f"*.{FILE_SUFFIX}")
        write_private(server_file, certificate.private_key_and_cert_chain_pem.bytes().decode())
        authority.cert_pem.write_to_path(str(ca_file))
    return ca_file, server_file
