# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of the storage modules: read, plan, carry out, read again.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    approval,
    connected,
    delete,
    errors,
    guards,
    result,
    retail,
    security,
    softdelete,
    steps,
    waiters,
    zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.apply import apply, check_elsewhere
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import desired
from ansible_collections.azlin.storage.plugins.module_utils._azure.forecast import SHOWN, forecast
from ansible_collections.azlin.storage.plugins.module_utils._azure.observe import (
    located,
    not_listed,
    observe,
    observe_again,
    observe_for_deletion,
    with_record,
    without_lost_zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import is_unfinished, left_over, plan
from ansible_collections.azlin.storage.plugins.module_utils._azure.waiters import Deadline
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


def converge(azure, params, check_mode):
    """Bring a storage to the wanted state, or only say how that would be done; return the module's result."""
    wanted = desired(params, azure.subscription, azure.cloud.storage_suffix)
    deadline = Deadline(params["wait_timeout"])
    if params["state"] == "absent":
        return _absent(azure, wanted, deadline, check_mode)
    return _present(azure, params, wanted, deadline, check_mode)


def _present(azure, params, wanted, deadline, check_mode):
    wanted, present = located(azure, wanted, observe(azure, wanted))
    wanted, present = zones.settled(wanted, without_lost_zones(azure, wanted, present))
    present = with_record(azure, wanted, present)
    before, planned = present, plan(wanted, present)
    if planned and check_mode:
        present = forecast(wanted, present, planned)
    elif planned:
        apply(azure, planned, deadline)
        present = _observe_settled(azure, wanted, before, planned, deadline)
        _verify(wanted, present, planned)
        zones.check_rewritten(wanted, before, present)
    price_list = retail.price_list(azure, params, [present.account])
    return {
        **_outcome(planned),
        "storage": storage_of(present, price_list),
        "warnings": _warnings(wanted, before, present, price_list),
    }


def _observe_settled(azure, wanted, before, planned, deadline):
    """What is there after the work; Azure does not show everything everywhere at once."""
    written = {step.key for step in planned if step.action != "delete"} & SHOWN
    pause, longest = waiters.BUSY_PAUSE
    for _chance in range(waiters.CHANCES):
        present = observe_again(azure, wanted, before, planned)
        shown = [getattr(present, key) for key in written]
        is_there = all(one is not None and not is_unfinished(one) for one in shown) and present.has_record is not False
        if (is_there and not left_over(wanted, present, planned)) or deadline.remaining() <= pause:
            return present
        time.sleep(pause)
        pause = min(pause * 2, longest)
    return observe_again(azure, wanted, before, planned)


def _warnings(wanted, before, after, price_list):
    """What the run could not do, or what people have to know and do now."""
    sentences = [softdelete.note(wanted, before), price_list.problem]
    return [
        *(one for one in sentences if one),
        *approval.warnings(wanted, before, after),
        *security.warnings(wanted, before),
        *(not_listed(wanted.account.name, error) for error in after.unlisted.values()),
        *_dead_rules(after),
    ]


def _dead_rules(present):
    deleted = result.deleted_subnets(present.account)
    if not deleted:
        return []
    return [
        f"{present.account['name']} has rules for subnets that were deleted: {', '.join(deleted)}. They admit nobody; "
        "a run with the option network removes them."
    ]


def _verify(wanted, present, planned):
    """Azure's word is not enough: what was created has to be there and in order, and as it was wanted."""
    state = result.properties(present.account).get("provisioningState")
    if present.account is None or present.share is None or state not in (None, "Succeeded"):
        raise AzlinError(
            "create_failed",
            f"Azure reported success, but {wanted.account.name}/{wanted.share} is not there "
            f"(account in state {state or 'missing'}).",
            causes=[("Azure failed the creation afterwards", "Run again, or see the activity log.")],
        )
    for difference in left_over(wanted, present, planned):
        raise errors.not_made(*difference)


def _absent(azure, wanted, deadline, check_mode):
    present = _with_other_endpoints(azure, wanted, observe_for_deletion(azure, wanted))
    planned = delete.plan_deletion(wanted, present)
    if present.account is None and not planned:
        check_elsewhere(azure, wanted.account)
    if planned and not check_mode:
        planned = _deleted(azure, present, planned, deadline)
    return {**_outcome(planned), "storage": None, "recovery": delete.recovery(wanted, present, planned)}


def _deleted(azure, present, planned, deadline):
    """Carry out the steps of a deletion; return those that deleted something, since some may leave it."""
    done, failure = [], None
    try:
        apply(azure, planned, deadline, done)
    except AzlinError as error:
        failure = error
    deleted = [step for step in planned if step in done]
    if failure is not None:
        raise delete.broken_off(failure, present, deleted) from failure
    return deleted


def _with_other_endpoints(azure, wanted, present):
    """``present`` with those endpoints of an account that is to go which have another name or place than expected."""
    if present.account is None or guards.other_shares(wanted, present):
        return present
    others = [one for one in result.endpoint_ids(present.account) if not names.same_id(one, wanted.endpoint)]
    found = connected.endpoints(azure, present.account, others)
    hidden = tuple(endpoint_id for endpoint_id, _error in found.refused)
    return replace(present, other_endpoints=found.pairs, hidden_endpoints=hidden)


def _outcome(planned):
    return {"changed": bool(planned), "plan": steps.shown(planned), "diff": steps.diff(planned)}


def storage_of(present, price_list=None):
    """The result for what is present."""
    return result.storage(
        present.account,
        present.file_service,
        present.share,
        present.endpoints,
        None if present.unlisted else present.virtual_machines,
        present.shares,
        present.moment,
        price_list,
    )
