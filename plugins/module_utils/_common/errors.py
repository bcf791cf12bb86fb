# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of an error, on the controller and on the hosts.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

ERROR_CODES = {
    "access_denied": "The NFS server refused the mount: its rules do not admit the host, or it demands encryption.",
    "authentication_failed": "Azure did not accept the credentials, or none were found.",
    "authorization_failed": "The identity lacks an Azure permission for the named action.",
    "azure_error": "Azure refused or failed a request for a reason this collection has no special word for.",
    "capacity_exceeded": "The shares of the account, soft-deleted ones included, would exceed Azure's limit for it.",
    "confirmation_required": "A deletion was not confirmed by the name of the storage.",
    "copy_failed": "Files could not be copied completely; the home is as it was.",
    "create_failed": "Azure accepted a creation and then failed it.",
    "encryption_conflict": "A host cannot reach one endpoint both with and without encryption in transit.",
    "home_busy": "Processes hold files under the home, or it could not be found out in time whether any do.",
    "immutable_property": "The wanted value differs from one that Azure cannot change after creation.",
    "in_use": "Virtual machines use the storage, or a lock or snapshots protect it, or it could not be found out.",
    "internal_error": "A defect of this collection; nothing else is known to be wrong.",
    "interrupted": "The module ended on the host before it could answer; the host undoes what was begun.",
    "invalid_argument": "An option has a value that cannot work.",
    "journal_conflict": "Another run changes the home or the share, or an unfinished one cannot be combined with this.",
    "merge_conflict": "Files of the host and of the share differ, and no policy says which of them count.",
    "missing_library": "A Python library that the controller needs is not installed.",
    "mount_failed": "The share could not be mounted.",
    "name_conflict": "The name of the storage account, or of its private endpoint, is taken.",
    "name_resolution_failed": "The host cannot resolve the name of the file service.",
    "network_failed": "The virtual network, subnet, private endpoint or DNS zone could not be set up.",
    "no_space": "There is not enough free space for the copy.",
    "not_confirmed": "Nobody came back through a new login in time, so the host put the home back.",
    "not_found": "A resource that was named does not exist.",
    "not_managed": "The storage account does not carry this collection's tag, or is not for NFS, and is left alone.",
    "rolled_back": "The transaction failed and everything is as it was before.",
    "rollback_failed": "The transaction failed and could not be undone completely; the journal says what is left.",
    "server_unreachable": "The NFS server or Azure Resource Manager does not answer.",
    "size_decrease_refused": "The wanted size, IOPS or throughput is smaller than the provisioned one.",
    "soft_deleted": "A deleted share or storage account has the wanted name, and nothing says what is to become of it.",
    "sync_failed": "Files could not all be copied to a home by rsync; what it had not finished there is not seen.",
    "throttled": "Azure answered 'too many requests' for longer than the wait limit.",
    "timeout": "Azure did not finish an operation within the wait limit.",
    "uid_mismatch": "Numeric user or group ids of the host and of the share differ.",
    "unsupported": "The files, the host or the service lack something this operation needs.",
    "verify_failed": "The result of an operation is not what it has to be.",
}


class AzlinError(Exception):
    """A failure that a user can act on.

    :param error_code: a key of :data:`ERROR_CODES`; stable, so that a workflow can branch on it.
    :param msg: what failed and why, naming the value.
    :param causes: pairs of (possible cause, its remedy), most likely first.
    :param try_: a command or playbook that exists and helps.
    """

    def __init__(self, error_code, msg, causes=(), try_=""):
        if error_code not in ERROR_CODES:
            raise ValueError(f"undocumented error code {error_code!r}")
        super().__init__(msg)
        self.error_code = error_code
        self.msg = msg
        self.causes = tuple(causes)
        self.try_ = try_
        # Further keys of the result, for programs rather than people.
        self.details = {}

    def with_addition(self, sentence):
        """The same error with one sentence more."""
        error = AzlinError(self.error_code, f"{self.msg} {sentence}", self.causes, self.try_)
        error.details = self.details
        return error

    def as_result(self):
        """The error as keys of a module's result."""
        return {
            "error_code": self.error_code,
            "msg": self.msg,
            "causes": [{"cause": cause, "remedy": remedy} for cause, remedy in self.causes],
            "try": self.try_,
            **self.details,
        }


def invalid(option, value, reason, remedy):
    """The error for a bad value of an option, naming value, reason and remedy."""
    return AzlinError(
        "invalid_argument",
        f"{option}: {value!r} is not usable: {reason}. {remedy}",
        causes=[(reason, remedy)],
    )


def run_module(module, func):
    """Exit the module with the dict that ``func()`` returns, or fail it with the AzlinError that it raises.

    The texts under ``warnings`` are shown as such.
    """
    try:
        result = func()
    except AzlinError as error:
        module.fail_json(**error.as_result())
    for text in result.pop("warnings", ()):
        module.warn(text)
    module.exit_json(**result)
