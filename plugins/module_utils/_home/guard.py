# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever brings a home back when no run is there to do it.

A program that needs neither Ansible nor the controller is put beside the journals. It is started in three ways:
as the guard of one transaction, early at boot to settle what the reboot interrupted, and late at boot to mount
homes whose server was away. See recover for what it does.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic, journal

PROGRAM = "recover.pyz"
RECOVER_UNIT = "azlin-nfs-home-recover.service"
REMOUNT_UNIT = "azlin-nfs-home-remount.service"
_PACKAGE = "ansible_collections.azlin.storage.plugins.module_utils"
_MAIN = f"from {_PACKAGE}._home.recover import main\nmain()\n"
_WANTS = "multi-user.target.wants"
_START_TIMEOUT = 30
# So seldom that it stays below the limit of starts that systemd has by itself (systemd.unit(5), StartLimitBurst).
# Python ends with 2 when the program is gone: retire takes it away once nothing is left to settle.
_AGAIN = ("Restart=on-failure", "RestartSec=30", "RestartPreventExitStatus=2")
# Zip files know no earlier day; a fixed one keeps the program the same for the same sources.
_EPOCH = (1980, 1, 1, 0, 0, 0)

# Before remote mounts, so that none lands on a home that is about to be put back, and before anybody logs in.
# The program goes with the last attached home; systemd may know the units for a while longer.
_RECOVER_TEXT = """[Unit]
Description=Settle moves of home directories that the last shutdown interrupted
DefaultDependencies=no
RequiresMountsFor={state_dir}
After=local-fs.target
Wants=remote-fs-pre.target
Before=remote-fs-pre.target systemd-user-sessions.service shutdown.target
Conflicts=shutdown.target
ConditionPathExists={program}

[Service]
Type=oneshot
# Nearly always there is nothing to settle, and a boot need not wait for Python to find that out.
ExecCondition=/usr/bin/grep -rqF --include=*.json "\\"transaction\\": {{" {state_dir}
ExecStart={python} -I {program} boot
TimeoutStartSec=300

[Install]
WantedBy=multi-user.target
"""
_REMOUNT_TEXT = """[Unit]
Description=Mount home directories whose NFS server did not answer at boot
Wants=network-online.target
After=network-online.target remote-fs.target {recover_unit}
ConditionPathExists={program}

[Service]
ExecStart={python} -I {program} remount
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""


def install(host, home):
    """Put program and units in place, where systemd runs; a second time changes nothing.

    Returns the Python that runs the program.

    :param home: what is about to move, with all that lies beside it.
    """
    if not host.has_systemd:
        return None
    # The journal of this run is there already: who holds the lock to remove all this sees it.
    with journal.exclusive_units(host.state_dir):
        return _install(host, home)


def _install(host, home):
    _keep(_program(host), _archive(), 0o600)
    python = _python(host, home)
    names = {
        "state_dir": host.state_dir,
        "python": python,
        "program": _program(host),
        "recover_unit": RECOVER_UNIT,
    }
    for unit, text in ((RECOVER_UNIT, _RECOVER_TEXT), (REMOUNT_UNIT, _REMOUNT_TEXT)):
        path = os.path.join(host.units, unit)
        _keep(path, text.format(**names).encode(), 0o644)
        wants = os.path.join(host.units, _WANTS)
        os.makedirs(wants, exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(path, os.path.join(wants, unit))
            atomic.fsync_dir(wants)
    return python


def start(host, python, user_name, identifier):
    """Start the guard of a transaction; it outlives the login that started this run.

    It tries again for as long as it fails: what it waits for (a name service, a mount, room on a disk) may come back.
    """
    unit = f"azlin-nfs-home-guard-{identifier}"
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=KillMode=process"]
    argv += [*(f"--property={one}" for one in _AGAIN), python, "-I", _program(host), "guard", user_name, identifier]
    status, output = _execute(argv)
    if status != 0:
        raise AzlinError(
            "unsupported",
            f"The guard that brings the home back if nobody can log in could not be started: {output}",
            causes=[("systemd does not start services", "repair it, or set confirm_timeout to 0 to go without")],
        )


def start_remount(host):
    """Have homes whose server is away mounted when it comes back."""
    if host.has_systemd:
        _execute(["systemctl", "start", "--no-block", REMOUNT_UNIT])


def retire(host, user_name):
    """Remove program and units unless a home needs them; what the user's own transaction needs is over."""
    with journal.exclusive_units(host.state_dir):
        if any(_needed(host, name, user_name) for name in journal.users(host.state_dir)):
            return
        for unit in (RECOVER_UNIT, REMOUNT_UNIT):
            _remove(os.path.join(host.units, _WANTS, unit))
            _remove(os.path.join(host.units, unit))
        _remove(_program(host))


def _needed(host, name, user_name):
    try:
        record = journal.Journal(host.state_dir, name)
    except (AzlinError, OSError):
        # It may say anything.
        return True
    return record.attachment is not None or (record.transaction is not None and name != user_name)


def _remove(path):
    atomic.tidy(path)
    atomic.remove(path)


def _program(host):
    return os.path.join(host.state_dir, PROGRAM)


def _python(host, home):
    """That of the system if it can run the program: it may be old. Else the one that runs this."""
    present = os.path.realpath(sys.executable)
    if os.path.realpath(host.python) == present or _runs(host, host.python):
        return host.python
    # At boot it has to be there before any home is.
    parent = os.path.dirname(home)
    homes = home if parent == "/" else parent
    if os.path.commonpath([present, homes]) == homes:
        raise AzlinError(
            "unsupported",
            f"{host.python} cannot run the program that brings {home} back after a crash, and {present} lies among the"
            " homes.",
            causes=[("the Python of the system is missing or too old", "install a newer one, and have Ansible use it")],
        )
    return present


def _runs(host, python):
    return _execute([python, "-I", _program(host), "check"])[0] == 0


def _keep(path, content, mode):
    with suppress(FileNotFoundError), open(path, "rb") as stream:
        if stream.read() == content:
            return
    atomic.replace(path, content, mode=mode)


def _archive():
    """This collection's code for hosts, as a zip file that Python runs."""
    files = {"__main__.py": _MAIN}
    for name in sorted(sys.modules):
        if name.startswith((f"{_PACKAGE}._home", f"{_PACKAGE}._common")):
            module = sys.modules[name]
            is_package = hasattr(module, "__path__")
            path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            files[path] = module.__spec__.loader.get_source(name) or ""
    for path in list(files):
        for parent in _parents(path):
            files.setdefault(f"{parent}/__init__.py", "")
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for path, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), text, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def _parents(path):
    directory = os.path.dirname(path)
    while directory:
        yield directory
        directory = os.path.dirname(directory)


def _execute(argv):
    """Return (status, output) of a command of systemd."""
    # AnsibleModule.run_command knows no time limit.
    try:
        # pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            argv,
            check=False,
            timeout=_START_TIMEOUT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
