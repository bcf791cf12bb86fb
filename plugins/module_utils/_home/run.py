# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: recover what an earlier one left, look, decide, act, report.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._common.endpoints import parse_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    attach,
    child,
    confirmation,
    detach,
    fstab,
    mounter,
    mountinfo,
    preflight,
    records,
    rescue,
    squash,
    transaction,
    trees,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal, exclusive
from ansible_collections.azlin.storage.plugins.module_utils._home.progress import Progress, path_of

_OPERATIONS = {
    operation.action: operation
    for operation in (attach.Attach, attach.Mount, attach.Persist, detach.Detach, detach.DetachToBackup)
}


def apply(host, request, check_mode=False, checkpoint=lambda _when, _step: None):
    """Bring a home into the wanted state and return the module's result.

    :raises AzlinError: after everything was put back as it was, unless its code is ``rollback_failed``.
    """
    transaction.leave_home()
    squash.forget_refusals()
    if request.source is not None:
        parse_endpoint(request.source)
    with nullcontext() if check_mode else exclusive(host.state_dir, request.user.name, host.lock_wait):
        return _apply(host, request, check_mode, checkpoint)


def describe(host, journal, request):
    """The home as it is now, in the shape of every result."""
    situation = preflight.look(host, journal, request.home)
    mounted = host.mounter.is_share(situation.mount)
    attachment = _outcome(journal)
    attached = mounted or attachment is not None
    return {
        "user": request.user.name,
        "path": request.home,
        "state": "attached" if attached else "local",
        "mounted": mounted,
        "source": situation.source if attached else None,
        "fstype": situation.mount.fstype if situation.mount else None,
        "options": _options(situation.mount),
        "fstab": [f"{entry.source} {entry.path} {entry.fstype} {entry.options}" for entry in situation.entries],
        "backup": (attachment or {}).get("backup"),
        "client": situation.client(attachment or {}) if attached else None,
        "local_paths": list((attachment or {}).get("local_paths", ())),
        "journal": journal.path,
    }


def _outcome(journal):
    """The attachment, or what it becomes when the transaction that waits is confirmed."""
    waiting = journal.transaction
    if waiting is None or waiting["state"] != "unconfirmed":
        return journal.attachment
    if _OPERATIONS[waiting["action"]].goal == "detached":
        return None
    return journal.attachment or waiting["facts"]


def _options(mount):
    if mount is None:
        return []
    return list(dict.fromkeys(mount.options + mount.super_options))


def recover(host, user, journal, reason):
    """Finish or undo the transaction that a journal holds; the host's lock on the home is held."""
    transaction.recover(_rebuilt(host, user, journal), journal, reason)


def _apply(host, request, check_mode, checkpoint):
    journal = Journal(host.state_dir, request.user.name)
    before = describe(host, journal, request)
    if request.state == "confirmed":
        return _confirm(host, request, journal, before, check_mode)
    unfinished = journal.transaction is not None
    if not check_mode:
        # What a run that was killed at its very end left.
        journal.tidy()
        Progress(path_of(request.user.name, host.run_dir)).close()
    if unfinished and not check_mode:
        with transaction.Interrupts():
            _settle(host, request, journal)
    operation = None
    # What an unfinished run left cannot be judged before it is undone.
    if request.state != "rolled_back" and not (unfinished and check_mode):
        operation = _choose(host, request, journal)
    if operation is not None and not check_mode:
        with transaction.Interrupts() as interrupts:
            wanted = _completed(request, journal, host)
            chosen = operation(_with_mounter(host, wanted), wanted, journal, _identifier(request), interrupts)
            transaction.run(chosen, journal, interrupts, checkpoint)
        return _result(host, request, journal, before, chosen, unfinished)
    if check_mode:
        return _prediction(host, request, before, operation, unfinished)
    record, warnings = _seen(host, request)
    return dict(_result(host, request, journal, before, None, unfinished), host_record=record, warnings=warnings)


def seen(host, user, home):
    """Renew what a share and this host know of each other, where a home is found on it: the host's record there, and
    the keys here that open when the server is away. Returns what became of the record, and warnings.
    """
    written = records.touch(home, user, home)
    record = "written" if written else "left"
    if written is None:
        # Reading its keys would wait for the server as well.
        return record, []
    try:
        rescue.renew(host, home, user)
    except (AzlinError, OSError) as error:
        # The home itself is as it should be, and every run and every boot tries again.
        why = transaction.text_of(error)
        return record, [f"Keys that were added on the share do not open {home} while the server is away: {why}"]
    return record, []


def _seen(host, request):
    mount = mountinfo.at(mountinfo.read(), request.home)
    if request.state != "attached" or not _with_mounter(host, request).mounter.ours(mount, request.source):
        return None, []
    error = mounter.trouble(request.home)
    if isinstance(error, child.ChildFailed):
        raise _refused_by_share(request, error) from error
    if error is None:
        try:
            squash.check_mounted(request.home, request.user, records.TIMEOUT)
            return seen(host, request.user, request.home)
        except child.ChildTimeout:
            pass
    # Programs wait for a server that is silent.
    return "left", []


def _refused_by_share(request, error):
    return AzlinError(
        "mount_failed",
        f"{request.source} is mounted at {request.home}, and nothing can be read from it: {error}.",
        causes=[
            ("the share was restored, or made anew", f"run 'umount --lazy {request.home}' on the host, then again"),
            ("the share was deleted, or admits this host no more", "detach the home with copy_back: none"),
        ],
    )


def _confirm(host, request, journal, before, check_mode):
    confirmed = confirmation.require(journal, request.confirmation)
    if not confirmed and not check_mode:
        with transaction.Interrupts():
            transaction.confirm(_rebuilt(host, request.user, journal), journal)
    return dict(_result(host, request, journal, before, None, False), changed=not confirmed)


def _settle(host, request, journal):
    """Confirm what waits for it when this run wants the same through a new login; else finish or undo."""
    waiting = journal.transaction
    earlier = _rebuilt(host, request.user, journal)
    same = earlier.goal == request.state and request.source in (None, earlier.request.source)
    if request.state == "attached":
        ways = [(one.client, one.local_paths) for one in (request, earlier.request)]
        same = same and ways[0] == ways[1]
    if request.state == "detached":
        same = same and earlier.action == _detachment(request).action
    if waiting["state"] == "unconfirmed" and same and confirmation.is_new_login(waiting["confirm"]):
        transaction.confirm(earlier, journal)
    else:
        transaction.recover(earlier, journal, "A later run found it unfinished.")


def _choose(host, request, journal):
    """Return the class of what has to be done, or None; raises when it cannot be done."""
    situation = preflight.look(host, journal, request.home)
    if request.state == "attached":
        return _choose_attach(_with_mounter(host, request), situation, request)
    if situation.source is None:
        preflight.refuse_orphaned(request.home)
        return None
    if situation.attachment is None and not host.mounter.is_share(situation.mount):
        return None
    preflight.check_detach(host, situation, request)
    return _detachment(request)


def _detachment(request):
    """The class of the way back that a request wants."""
    return detach.Detach if request.copy_back == "full" else detach.DetachToBackup


def _choose_attach(host, situation, request):
    preflight.check_attach(host, situation, request)
    if situation.mount is None:
        return attach.Attach if situation.attachment is None else attach.Mount
    # Somebody may have moved to another storage by hand.
    moved = situation.attachment is not None and situation.attachment["source"] != request.source
    wanted = preflight.wanted_fstab(situation.fstab_text, request)
    if moved or situation.fstab_text != wanted or situation.hidden(request):
        return attach.Persist
    return None


def _rebuilt(host, user, journal):
    """The operation of a journal's transaction."""
    facts = journal.transaction["facts"]
    name = journal.transaction["action"]
    if name not in _OPERATIONS:
        raise AzlinError(
            "journal_conflict",
            f"The journal {journal.path} holds an unfinished {name!r}, which this version does not know.",
            causes=[("a newer version began it", "use that version to finish or undo it")],
        )
    request = Request(
        state="rolled_back",
        user=user,
        home=facts["home"],
        source=facts["source"],
        extra_options=tuple(facts.get("mount_options", ())),
        client=facts.get("client", "nfs"),
        local_paths=tuple(facts.get("local_paths", ())),
    )
    return _OPERATIONS[name](_with_mounter(host, request), request, journal, journal.transaction["id"])


def _with_mounter(host, request):
    """The host, mounting with the client and the options of a request."""
    return replace(host, mounter=host.mounter.with_client(request.client, request.extra_options))


def _completed(request, journal, host):
    """A detach need not be told source, client and options; they are those that are mounted or recorded."""
    if request.state == "attached":
        return request
    situation = preflight.look(host, journal, request.home)
    recorded = situation.attachment or {}
    return replace(
        request,
        source=situation.source,
        extra_options=tuple(recorded.get("mount_options", ())),
        client=situation.client(recorded),
        local_paths=tuple(recorded.get("local_paths", ())),
    )


def _identifier(request):
    return f"{request.user.name}-{secrets.token_hex(4)}"


def _result(host, request, journal, before, operation, recovered):
    after = describe(host, journal, request)
    return {
        "changed": recovered or operation is not None,
        "action": operation.action if operation else ("recover" if recovered else None),
        "recovered": recovered,
        "home": after,
        "seeded": getattr(operation, "seeded", False),
        "copied": {"files": getattr(operation, "files", 0), "bytes": getattr(operation, "bytes", 0)},
        "keys_added": getattr(operation, "keys_added", 0),
        "merged": getattr(operation, "merged", None),
        "host_record": operation.host_record if operation else None,
        "not_copied": operation.skipped if operation else [],
        "unsupported": operation.unsupported if operation else [],
        "holders": operation.holders if operation else [],
        "window_seconds": operation.window_seconds if operation else None,
        "confirmation": _awaited(journal),
        "diff": {"before": before, "after": after},
    }


def _awaited(journal):
    if journal.transaction is None:
        return None
    return {"id": journal.transaction["id"], "seconds": journal.transaction["confirm"]["seconds"]}


def _prediction(host, request, before, operation, unfinished):
    after = dict(before)
    if (unfinished or operation is not None) and request.state == "attached":
        entries = fstab.entries_for(preflight.wanted_fstab(fstab.read(host.fstab), request), request.home)
        lines = [f"{entry.source} {entry.path} {entry.fstype} {entry.options}" for entry in entries]
        after.update(
            state="attached",
            mounted=True,
            source=request.source,
            client=request.client,
            local_paths=list(request.local_paths),
            fstab=lines,
        )
    elif operation is not None or (unfinished and request.state == "detached"):
        gone = {"source": None, "fstype": None, "options": [], "fstab": [], "backup": None, "client": None}
        after.update(gone, state="local", mounted=False, local_paths=[])
    return {
        "changed": unfinished or operation is not None,
        "action": operation.action if operation else ("recover" if unfinished else None),
        "recovered": False,
        "home": after,
        "seeded": None,
        "copied": None,
        "keys_added": None,
        "merged": None,
        "host_record": None,
        "not_copied": None,
        "unsupported": _refused(request) if operation is attach.Attach else None,
        "holders": None,
        "window_seconds": None,
        "confirmation": None,
        "diff": {"before": before, "after": after},
    }


def _refused(request):
    return trees.survey(request.home, exclude=request.local_paths).refused
