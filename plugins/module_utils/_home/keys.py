# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: whoever could log in before can log in after.

The share's authorized_keys belongs to the users of every host, so lines are only ever added, and the file is
replaced in one rename: a full share once left another tool with an empty file and nobody able to log in.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from contextlib import contextmanager, suppress
from functools import cache

from ansible_collections.azlin.storage.plugins.module_utils._common import homes
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child, trees, users
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import write_all

DIRECTORY = homes.KEYS
FILE = "authorized_keys"
TEMPORARY = ".authorized_keys.azlin-new"
_GROUP_OR_OTHERS_WRITE = 0o022
# Bytes that have to be free besides the file itself: a full share must not cost anybody the login.
_SPARE = 1 << 20
# Where sshd is, which is not in the PATH of everybody, and seconds that it has to print its settings.
_SBIN = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin"
_SSHD_TIMEOUT = 10
# sshd(8), AUTHORIZED_KEYS FILE FORMAT: a line that begins with one of these has no options before the type.
_TYPES = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"webauthn-sk-")


def read(user, home, timeout=20):
    """Return the bytes of the authorized_keys that sshd uses now: read as the user, links followed; b"" if none.

    sshd_config(5): unless AuthorizedKeysFile is set, there are two files.
    """
    path = os.path.join(home, DIRECTORY, FILE)
    further = (os.path.join(home, name) for name in _files_of_sshd(user) or ())
    paths = list(dict.fromkeys([path, path + "2", *further]))

    def content():
        texts = []
        for name in paths:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError), open(name, "rb") as stream:
                texts.append(stream.read().decode("utf-8", "surrogateescape"))
        return "\n".join(filter(None, texts))

    try:
        return users.call_as(user, content, timeout).encode("utf-8", "surrogateescape")
    except child.ChildTimeout as error:
        raise AzlinError(
            "server_unreachable",
            f"{path} could not be read within {timeout} s.",
            causes=[("the file system below it does not answer", "repair that mount first")],
        ) from error
    except child.ChildFailed as error:
        raise AzlinError(
            "unsupported",
            f"{path} could not be read as {user.name}: {error}.",
            causes=[
                ("it is not a file, or its links go in circles", "replace it by a plain file"),
                ("the share was deleted, or admits this host no more", "detach the home with copy_back: none"),
            ],
        ) from error


def require_file(user):
    """Fail where sshd takes the user's keys from the home, but not from the file that every host of a share adds to."""
    names = _files_of_sshd(user)
    if names and f"{DIRECTORY}/{FILE}" not in names:
        raise AzlinError(
            "unsupported",
            f"sshd takes the keys of {user.name} from {', '.join(names)} in the home, and not from {DIRECTORY}/{FILE},"
            " to which the keys of all hosts of a share are added.",
            causes=[("AuthorizedKeysFile is set in sshd_config", f"add {DIRECTORY}/{FILE} to it, and reload sshd")],
        )


def _files_of_sshd(user):
    """The files in the home, relative to it, from which sshd takes the user's keys; None when that is not known."""
    found = _setting_of_sshd(user.name, _SBIN)
    return found and [name for name in (_in_home(word, user) for word in found if word != "none") if name]


@cache
def _setting_of_sshd(user_name, path):
    program = shutil.which("sshd", path=path)
    if program is None:
        return None
    # What only holds for some addresses is not looked at.
    connection = f"user={user_name},host=localhost,addr=127.0.0.1"
    try:
        # AnsibleModule.run_command knows no time limit.
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            [program, "-T", "-C", connection],
            check=False,
            timeout=_SSHD_TIMEOUT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (line.split() for line in done.stdout.decode("utf-8", "replace").splitlines())
    return next((words[1:] for words in lines if words[:1] == ["authorizedkeysfile"]), None)


def _in_home(path, user):
    """A path of AuthorizedKeysFile relative to the home, None for one outside. Source: sshd_config(5), TOKENS."""
    tokens = {"%%": "%", "%h": user.home, "%u": user.name, "%U": str(user.uid)}
    path = os.path.normpath(re.sub("%.", lambda match: tokens.get(match[0], match[0]), path))
    if os.path.isabs(path):
        path = os.path.relpath(path, user.home)
    return None if path.startswith("..") else path


def missing(wanted, present):
    """Return the key lines of ``wanted`` that ``present`` lacks, in order and once each.

    Two lines are the same when options, type and key are: the comment behind them opens no door.
    """
    have = {_identity(line) for line in _key_lines(present)}
    lines = {}
    for line in _key_lines(wanted):
        lines.setdefault(_identity(line), line)
    return [line for identity, line in lines.items() if identity not in have]


def united(present, wanted):
    """Return ``present`` with the key lines of ``wanted`` that it lacks."""
    return _with_lines(present, missing(wanted, present))


def ensure(home, wanted, user, shown=None):
    """Make every line of ``wanted`` (bytes) part of a home's authorized_keys; return how many were added.

    Modes and owners are made such that sshd with StrictModes accepts them.

    :param shown: what errors call the home, if not as it is called now.
    """
    shown = shown or home
    root = trees.open_directory(home)
    try:
        if not _key_lines(wanted):
            return 0
        _tighten(root, shown, user)
        handle = _open_ssh(root, shown, user)
        try:
            return _ensure_lines(handle, wanted, user, f"{shown}/{DIRECTORY}")
        finally:
            os.close(handle)
    finally:
        os.close(root)


def own(home, user):
    """Return the bytes of a home's authorized_keys, b"" if there is none; fails where :func:`ensure` would."""
    with _present_ssh(home) as handle:
        return b"" if handle is None else _content(handle, f"{home}/{DIRECTORY}", user)[0]


def take_away(home, added, before, user):
    """Undo ``ensure(home, added, user)``: the file is as it was ``before`` (bytes), and gone when it was empty.

    One that somebody has changed since stays as it is.
    """
    lines = missing(added, before)
    with suppress(AzlinError), _present_ssh(home) as handle:
        content, mode = (b"", 0) if handle is None else _content(handle, f"{home}/{DIRECTORY}", user)
        if not lines or content != _with_lines(before, lines):
            return
        if before:
            _replace(handle, before, mode, user)
            return
        os.unlink(FILE, dir_fd=handle)
        # What else is in it stays.
        with suppress(OSError):
            os.rmdir(os.path.join(home, DIRECTORY))


@contextmanager
def _present_ssh(home):
    """Yield the open directory of the keys, None if there is none."""
    path = os.path.join(home, DIRECTORY)
    try:
        handle = trees.open_directory(path)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise _not_plain(path) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _key_lines(content):
    lines = (line.strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith(b"#")]


def _identity(line):
    """Options, type and key of a line; the line itself where it is none that sshd understands."""
    first, rest = _first_word(line)
    options = b""
    if not first.startswith(_TYPES):
        options = first
        first, rest = _first_word(rest)
    blob = _first_word(rest)[0]
    return (options, first, blob) if first.startswith(_TYPES) and blob else (line,)


def _first_word(text):
    """Split at the first blank that is not in double quotes, which options may hold; a backslash spares a quote."""
    quoted = False
    for position in range(len(text)):
        character = text[position : position + 1]
        if character == b'"' and text[position - 1 : position] != b"\\":
            quoted = not quoted
        elif character in b" \t" and not quoted:
            return text[:position], text[position:].lstrip()
    return text, b""


def _open_ssh(root, home, user):
    try:
        os.mkdir(DIRECTORY, 0o700, dir_fd=root)
    except FileExistsError:
        pass
    else:
        os.chown(DIRECTORY, user.uid, user.gid, dir_fd=root, follow_symlinks=False)
    try:
        handle = trees.open_directory(DIRECTORY, root)
    except OSError as error:
        raise _not_plain(f"{home}/{DIRECTORY}") from error
    _tighten(handle, f"{home}/{DIRECTORY}", user)
    return handle


def _ensure_lines(handle, wanted, user, path):
    present, mode = _content(handle, path, user)
    added = missing(wanted, present)
    if not added:
        return 0
    content = _with_lines(present, added)
    _check_space(handle, len(content), path)
    _replace(handle, content, mode, user)
    return len(added)


def _with_lines(present, added):
    if present and not present.endswith(b"\n"):
        present += b"\n"
    return present + b"".join(line + b"\n" for line in added)


def _check_space(handle, size, path):
    status = os.fstatvfs(handle)
    free = status.f_bavail * status.f_frsize
    if free < size + _SPARE:
        raise AzlinError(
            "no_space",
            f"{path}/{FILE} needs {size + _SPARE} bytes for the keys, and there is room for {free}.",
            causes=[("the share or the disk that it lies on is full", "enlarge it, or remove files first")],
        )


def _content(handle, path, user):
    try:
        # Without waiting: the user may have made it a pipe.
        keys = os.open(FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
    except FileNotFoundError:
        return b"", 0o600
    except OSError as error:
        raise _not_plain(f"{path}/{FILE}") from error
    if not stat.S_ISREG(os.fstat(keys).st_mode):
        os.close(keys)
        raise _not_plain(f"{path}/{FILE}")
    with os.fdopen(keys, "rb") as stream:
        _tighten(stream.fileno(), f"{path}/{FILE}", user)
        return stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)


def _replace(handle, content, mode, user):
    with suppress(FileNotFoundError):
        os.unlink(TEMPORARY, dir_fd=handle)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    temporary = os.open(TEMPORARY, flags, 0o600, dir_fd=handle)
    try:
        write_all(temporary, content)
        os.fchown(temporary, user.uid, user.gid)
        os.fchmod(temporary, mode)
        os.fsync(temporary)
    except BaseException:
        os.unlink(TEMPORARY, dir_fd=handle)
        raise
    finally:
        os.close(temporary)
    os.rename(TEMPORARY, FILE, src_dir_fd=handle, dst_dir_fd=handle)
    os.fsync(handle)


def _tighten(handle, path, user):
    """sshd_config(5), StrictModes: owned by the user or root, and writable by nobody else."""
    status = os.fstat(handle)
    if status.st_uid not in (0, user.uid):
        raise AzlinError(
            "uid_mismatch",
            f"{path} belongs to uid {status.st_uid}, and {user.name} is uid {user.uid} here:"
            " sshd would refuse the login.",
            causes=[
                ("the user has another uid on the host that filled the share", "give the user one uid on all hosts"),
                ("the share squashes everybody", "set root_squash to NoRootSquash or RootSquash"),
            ],
        )
    if status.st_mode & _GROUP_OR_OTHERS_WRITE:
        os.fchmod(handle, stat.S_IMODE(status.st_mode) & ~_GROUP_OR_OTHERS_WRITE)


def _not_plain(path):
    return AzlinError(
        "unsupported",
        f"{path} is not a plain file or directory, so keys cannot be added to it safely.",
        causes=[("it is a symbolic link", "replace it by what it points to, then run again")],
    )
