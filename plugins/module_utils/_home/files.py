# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the copier does to one open file: content, attributes, proof.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
import types
from contextlib import contextmanager

CHUNK = 1 << 20
_PAGE = 4096
_ZEROS = bytes(_PAGE)
# Azure Files keeps times in units of 100 ns (that of NTFS).
_TIME_UNIT_NS = 100
_OPEN_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Without O_EXCL, with which the NFS 4.1 client needs one round trip more; see check_new().
_OPEN_TO_CREATE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Not releasing Python's lock costs less than the calls take.
_LIBC = ctypes.PyDLL(None)


def open_to_read(name, dir_fd):
    """Open a file that must not be a symbolic link."""
    return os.open(name, _OPEN_TO_READ, dir_fd=dir_fd)


def create(name, mode, dir_fd):
    """Create a file where there is none; :func:`is_new` tells whether somebody else was faster."""
    return os.open(name, _OPEN_TO_CREATE, mode, dir_fd=dir_fd)


def is_new(status):
    """Whether a file that was just opened is one that nobody else made."""
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_nlink == 1


@contextmanager
def acting_as(uid, gid):
    """Let this thread make files as another user, so that they belong to it from the start.

    Linux keeps the identity for access to files per thread, and an NFS client sends it along.
    """
    before_gid = _LIBC.setfsgid(gid)
    before_uid = _LIBC.setfsuid(uid)
    try:
        yield
    finally:
        _LIBC.setfsuid(before_uid)
        _LIBC.setfsgid(before_gid)


def copy_range(source, target, start, end, sparse, check=lambda: None):
    """Copy the bytes from ``start`` to ``end``; stops early where the source has become shorter.

    :param sparse: whether to leave holes where the source has them, or zeros in their place.
    :param check: called before each chunk; may raise.
    """
    buffer = memoryview(bytearray(min(CHUNK, end - start)))
    for first, last in _extents(source, start, end) if sparse else ((start, end),):
        position = first
        while position < last:
            check()
            size = os.preadv(source, [buffer[: last - position]], position)
            if not size:
                return
            for offset, data in pieces(buffer[:size]) if sparse else ((0, buffer[:size]),):
                _write_at(target, data, position + offset)
            position += size


def read_ahead(handle, start, size):
    """Have the kernel read a part of a file that is needed soon; an NFS client asks for all of it at once."""
    os.posix_fadvise(handle, start, size, os.POSIX_FADV_WILLNEED)


def _write_at(handle, view, position):
    while view:
        written = os.pwrite(handle, view, position)
        view = view[written:]
        position += written


def _extents(handle, position, end):
    """Yield the (start, end) of data in a range; all of it where the file system does not tell holes."""
    while position < end:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
            if start >= end:
                return
            position = min(os.lseek(handle, start, os.SEEK_HOLE), end)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            start, position = position, end
        yield start, position


def pieces(chunk):
    """Yield the runs of pages of a chunk that are not all zeros, as (offset, data).

    NFS 4.1 cannot tell where holes are, so zeros in a sparse file become holes again.
    """
    start = None
    for offset in range(0, len(chunk), _PAGE):
        page = chunk[offset : offset + _PAGE]
        if page == _ZEROS[: len(page)]:
            if start is not None:
                yield start, chunk[start:offset]
                start = None
        elif start is None:
            start = offset
    if start is not None:
        yield start, chunk[start:]


def is_sparse(status):
    """Whether a file has holes worth keeping."""
    return status.st_size > _PAGE and status.st_blocks * 512 < status.st_size


def set_attributes(where, present, wanted, times=True):
    """Give a file or directory owner, mode and times of another; return whether anything differed.

    :param where: a descriptor, or the path of one below /proc.
    :param present: its status as it is; an owner and mode that are right already cost nothing.
    :param times: False leaves the times alone.
    """
    differs = False
    if (present.st_uid, present.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(where, wanted.st_uid, wanted.st_gid)
        differs = True
    # After the owner: a change of owner clears the set-id bits.
    if differs or stat.S_IMODE(present.st_mode) != stat.S_IMODE(wanted.st_mode):
        os.chmod(where, stat.S_IMODE(wanted.st_mode))
        differs = True
    if times and not same_time(present, wanted):
        os.utime(where, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))
        differs = True
    return differs


def without_set_id(status):
    """The status of a program, as if it gave nobody the rights of its owner and group."""
    found = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
    return types.SimpleNamespace(**dict(found, st_mode=status.st_mode & ~(stat.S_ISUID | stat.S_ISGID)))


def same_attributes(one, other):
    """Whether owner and mode agree."""
    return _owner_and_mode(one) == _owner_and_mode(other)


def same_content(one, other):
    """Whether size and time agree."""
    return one.st_size == other.st_size and same_time(one, other)


def same_time(one, other):
    """Whether the times of change agree, as far as Azure Files keeps them."""
    return one.st_mtime_ns // _TIME_UNIT_NS == other.st_mtime_ns // _TIME_UNIT_NS


def _owner_and_mode(status):
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def digest(handle, size, check=lambda: None):
    """SHA-256 of an open file."""
    result = hashlib.sha256()
    position = 0
    while position < size:
        check()
        chunk = os.pread(handle, CHUNK, position)
        if not chunk:
            break
        result.update(chunk)
        position += len(chunk)
    return result.digest()


def forget_pages(handle):
    """Write an open file out and drop it from memory, so that reading it again asks the server or the disk."""
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_file_system(handle):
    """Write out everything of the file system of an open file."""
    if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
