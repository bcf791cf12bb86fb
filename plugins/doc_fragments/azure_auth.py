# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller modules sign in to Azure."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the controller modules."""

    DOCUMENTATION = r"""
options:
  auth_source:
    description:
      - Where the credentials come from.
      - V(auto) takes the first complete one of the options, the environment, the profile in C(~/.azure/credentials) and
        the Azure CLI. With O(profile) set, the environment is passed over. It never tries a managed identity.
      - V(env) takes a service principal from the options and the environment, V(credential_file) one from a profile,
        V(cli) the login of C(az login), V(msi) the managed identity of the machine.
      - A service principal proves itself with a secret, a certificate, or the token of a federated issuer in the file
        that E(AZURE_FEDERATED_TOKEN_FILE) names (workload identity, OIDC of a pipeline), in this order.
      - When not set, E(ANSIBLE_AZURE_AUTH_SOURCE) decides, else V(auto).
    type: str
    choices: [auto, cli, credential_file, env, msi]
  profile:
    description:
      - The profile in C(~/.azure/credentials). Of the environment only E(AZURE_SUBSCRIPTION_ID) and
        E(AZURE_CLOUD_ENVIRONMENT) fill in what it lacks.
      - When not set, E(AZURE_PROFILE) decides, else C(default).
    type: str
  subscription_id:
    description:
      - The subscription.
      - When not set, the profile that the credentials are from, E(AZURE_SUBSCRIPTION_ID) or the Azure CLI's choice
        decides, in this order.
    type: str
  client_id:
    description:
      - The client id of a service principal, or of a user-assigned managed identity.
      - When not set, E(AZURE_CLIENT_ID) is used.
    type: str
  secret:
    description:
      - The secret of a service principal.
      - When not set, E(AZURE_SECRET) or E(AZURE_CLIENT_SECRET) is used. Prefer that, since options end up in files.
    type: str
  tenant:
    description:
      - The tenant (directory) of a service principal.
      - When not set, E(AZURE_TENANT) or E(AZURE_TENANT_ID) is used.
    type: str
  cloud_environment:
    description:
      - The cloud, V(AzureCloud), V(AzureChinaCloud) or V(AzureUSGovernment), or the HTTPS URL of a Resource Manager
        that describes itself under C(/metadata/endpoints).
      - When not set, E(AZURE_CLOUD_ENVIRONMENT) is used, else V(AzureCloud).
    type: str
  x509_certificate_path:
    description:
      - The certificate with private key of a service principal, in PEM format, instead of a secret.
      - When not set, E(AZURE_X509_CERTIFICATE_PATH) or E(AZURE_CLIENT_CERTIFICATE_PATH) is used.
    type: path
  thumbprint:
    description:
      - Accepted so that variables written for C(azure.azcollection) can be reused; the thumbprint is computed from the
        certificate.
    type: str
requirements:
  - python >= 3.10 on the controller
  - azure-identity >= 1.16
  - azure-mgmt-storage >= 23.1
  - azure-mgmt-network >= 25.1
  - azure-mgmt-privatedns >= 1.1
  - azure-mgmt-resource >= 23
notes:
  - Runs on the controller (C(localhost)), never on the hosts. Set C(ansible_python_interpreter) to
    C({{ ansible_playbook_python }}) there, so that the Python with the libraries is used.
  - E(AZURE_AUTHORITY_HOST) is honoured with V(AzureCloud); the other clouds name their authority themselves.
  - E(HTTPS_PROXY) and E(REQUESTS_CA_BUNDLE) are honoured.
"""
