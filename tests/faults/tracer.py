# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops a function at its n-th system call that changes something, by killing the process that runs it.

What ``strace -f --seccomp-bpf -e inject=...:signal=SIGKILL:when=N`` does, with one difference that needs a tracer of
its own: strace counts for each thread and each call by itself, so no N reaches most of what many threads do at
once. Here all calls of all threads and children are one sequence, and at the n-th all of them die together before
it is carried out, as when a machine stops. Nothing in the traced code knows of it. Source: ptrace(2), seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from contextlib import suppress

_TRACEME, _CONT, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 7, 0x4200, 0x420E
# Fork, vfork, clone, exec, seccomp; and nobody survives the tracer.
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_EVENT_SECCOMP = 7
_WALL = 0x40000000
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_RET_ALLOW, _RET_TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Which argument of a call that opens a file holds the flags.
_OPENS = {"open": 1, "openat": 2}
# The kernel's arch/x86/entry/syscalls/syscall_64.tbl.
CALLS = {
    1: "write",
    2: "open",
    18: "pwrite64",
    20: "writev",
    40: "sendfile",
    59: "execve",
    74: "fsync",
    75: "fdatasync",
    76: "truncate",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    84: "rmdir",
    85: "creat",
    86: "link",
    87: "unlink",
    88: "symlink",
    90: "chmod",
    91: "fchmod",
    92: "chown",
    93: "fchown",
    94: "lchown",
    133: "mknod",
    162: "sync",
    165: "mount",
    166: "umount2",
    188: "setxattr",
    189: "lsetxattr",
    190: "fsetxattr",
    197: "removexattr",
    198: "lremovexattr",
    199: "fremovexattr",
    235: "utimes",
    257: "openat",
    258: "mkdirat",
    259: "mknodat",
    260: "fchownat",
    261: "futimesat",
    263: "unlinkat",
    264: "renameat",
    265: "linkat",
    266: "symlinkat",
    268: "fchmodat",
    280: "utimensat",
    285: "fallocate",
    306: "syncfs",
    316: "renameat2",
    326: "copy_file_range",
    428: "open_tree",
    429: "move_mount",
    431: "fsconfig",
    432: "fsmount",
    437: "openat2",
    442: "mount_setattr",
    452: "fchmodat2",
}
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long


class Failed(Exception):
    """The function raised, or its process ended in a way nobody asked for."""


def run(function, stop_at=None):
    """Run ``function()`` in a child process and return the names of the calls it made, in order.

    :param stop_at: number, from 0, of the call at which everything is killed; None lets it run to its end. With it
        the list ends with the call that was not carried out, or holds all of them if there are fewer.
    """
    if platform.machine() != "x86_64":
        raise Failed(f"the numbers of system calls on {platform.machine()} are not known here")
    reader, writer = os.pipe()
    root = os.fork()
    if root == 0:
        os.close(reader)
        _child(function, writer)
    os.close(writer)
    calls, status = _trace(root, stop_at)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as stream:
        said = stream.read()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if status != 0 and not (killed and _over(calls, stop_at)):
        raise Failed(said or f"status {status}")
    return calls


def _child(function, writer):
    status = 1
    try:
        _ptrace(_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        _report_calls()
        function()
        status = 0
    except BaseException as error:  # the parent reports it, whatever it is
        os.write(writer, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(status)


def _trace(root, stop_at):
    """Follow a stopped child, and what it starts, to the end; return the calls and its wait status."""
    os.waitpid(root, 0)
    _ptrace(_SETOPTIONS, root, _OPTIONS)
    _ptrace(_CONT, root)
    calls, known, status = [], {root}, 0
    while known:
        try:
            pid, event = os.waitpid(-1, _WALL)
        except ChildProcessError:
            break
        if not os.WIFSTOPPED(event):
            known.discard(pid)
            status = event if pid == root else status
            continue
        deliver = os.WSTOPSIG(event)
        if event >> 16 or pid not in known:
            # An event of ptrace's own, or the stop in which a new thread or child begins.
            deliver = 0
        if event >> 16 == _EVENT_SECCOMP and not _over(calls, stop_at):
            name = _changing(pid)
            calls += [name] if name else []
        if _over(calls, stop_at):
            _kill(known | {pid})
        known.add(pid)
        with suppress(ProcessLookupError):
            _ptrace(_CONT, pid, deliver)
    return calls, status


def _over(calls, stop_at):
    return stop_at is not None and len(calls) > stop_at


def _kill(pids):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _changing(pid):
    """The name of the call a stopped process is about to make, None if it only opens a file to read."""
    info = ctypes.create_string_buffer(96)
    try:
        _ptrace(_GET_SYSCALL_INFO, pid, len(info), ctypes.addressof(info))
    except ProcessLookupError:
        return None
    number, *arguments = struct.unpack_from("=7Q", info, 24)
    name = CALLS[number]
    return None if name in _OPENS and not arguments[_OPENS[name]] & _WRITES else name


def _report_calls():
    """Have this process, and all it starts, stop at the calls of the table and at no other."""
    program = [(_LOAD, 0, 0, 0)]
    for place, number in enumerate(CALLS):
        program.append((_EQUAL, len(CALLS) - place, 0, number))
    program += [(_RETURN, 0, 0, _RET_ALLOW), (_RETURN, 0, 0, _RET_TRACE)]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(code)
    argument = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    if _LIBC.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(argument), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def _ptrace(request, pid, address=0, data=0):
    if request in (_CONT, _SETOPTIONS):
        address, data = 0, address
    if _LIBC.ptrace(request, pid, address, data) == -1:
        code = ctypes.get_errno()
        raise ProcessLookupError(code, "gone") if code == 3 else OSError(code, f"ptrace {request}: {os.strerror(code)}")
