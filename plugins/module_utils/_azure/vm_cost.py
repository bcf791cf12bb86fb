# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the virtual machines with homes on some storages cost, so that the storages can be seen beside them.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import urllib.parse

from ansible_collections.azlin.storage.plugins.module_utils._azure import attachments, cost, observe, retail
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig
from ansible_collections.azlin.storage.plugins.module_utils._common import names

_API_VERSION = "2024-07-01"
# How Azure calls machines that it may take away; "Low" is the older word. Source: REST reference, virtual machines.
_SPOT = ("Spot", "Low")


def beside(azure, params, storages, storage_cost):
    """Return the cost of the machines attached to some storages, in the shape of results, and a problem or None.

    A machine that was deleted since costs nothing.

    :param storage_cost: the totals of the storages.
    """
    attached = {one["id"].lower() for storage in storages for one in storage["attached_vms"] or ()}
    subscriptions = {names.parse_resource_id(one, "id").subscription for one in attached}
    listed = observe.concurrently({one: _models_call(azure, one) for one in sorted(subscriptions)})
    models = [model for found in listed.values() for model in found if model["id"].lower() in attached]
    prices, problem = retail.machine_prices(azure, params, {kind(model) for model in models})
    complete = all(storage["attached_vms"] is not None for storage in storages)
    machines = [machine(model, prices) for model in sorted(models, key=lambda model: model["id"].lower())]
    return cost.of_machines(machines, complete, storage_cost["monthly"]), problem


def kind(model):
    """What the price of a virtual machine, as the REST API shows it, depends on: region, size, whether it is spot."""
    size = dig(model, "properties", "hardwareProfile", "vmSize")
    return names.location(model["location"]), size, dig(model, "properties", "priority") in _SPOT


def machine(model, prices):
    """What there is to say of a virtual machine, with its price."""
    location, size, spot = kind(model)
    return {
        "name": model["name"],
        "id": model["id"],
        "location": location,
        "size": size,
        "spot": spot,
        "price": prices.get(kind(model)),
    }


def _models_call(azure, subscription):
    return lambda: _models(azure, subscription)


def _models(azure, subscription):
    """All virtual machines of a subscription with their sizes, which the list of resources leaves out."""
    get = azure.resources(subscription).resources.get_by_id
    path, query, found = f"/subscriptions/{subscription}/providers/{attachments.VM_TYPE}", {}, []
    while True:
        page = observe.read("the virtual machines", get, path, api_version=_API_VERSION, params=query) or {}
        found += page.get("value") or []
        if not page.get("nextLink"):
            return found
        # Still quoted, since the SDK sends these words as they are.
        words = urllib.parse.urlsplit(page["nextLink"]).query.split("&")
        query = dict(word.partition("=")[::2] for word in words)
