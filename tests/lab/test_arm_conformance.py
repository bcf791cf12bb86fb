# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Resource Manager of the lab answers as Azure did when it was recorded, and as its specification shows."""

from __future__ import annotations

import json
import time

import pytest

from tests.lab.conformance import dns, network, specification, storage
from tests.lab.conformance.shapes import Answer, Poll, differences
from tests.lab.conftest import GROUP, http_client

RECORDINGS = {**storage.RECORDINGS, **network.RECORDINGS, **dns.RECORDINGS}
REPLAYED = {**RECORDINGS, **{f"example: {name}": one for name, one in specification.EXAMPLES.items()}}
UNENDING = {"default": 3600}


class Replay:
    """Sends the requests of a recording and holds every answer against the recorded one."""

    def __init__(self, azure, client, recording):
        self.azure, self.client, self.recording = azure, client, recording
        self.words = {"version": ""}
        self.headers = {}

    def step(self, step):
        """One request."""
        body = None if step.body is None else json.loads(self.spelt(json.dumps(step.body)))
        query = {"api-version": self.recording.api, **step.query}
        path = self.spelt(step.path)
        answer = self.client.request(step.method, path, params=query, json=body, headers=step.headers)
        compare(f"{step.method} {step.path}", step.answer, answer)
        self.remember(answer)

    def spelt(self, text):
        """A text of the recording with the names of this subscription, and what was remembered."""
        group = f"{self.azure.group_id}/providers"
        words = {
            "{net}": f"{group}/Microsoft.Network",
            "{storage}": f"{group}/Microsoft.Storage",
            "{subscription}": self.azure.subscription,
            "{version}": self.words["version"],
        }
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        return text

    def remember(self, answer):
        """Addresses to poll, and the version of a deleted share."""
        self.headers = answer.headers
        listed = answer.json().get("value") if answer.content else None
        if listed and isinstance(listed, list):
            self.words["version"] = listed[0].get("properties", {}).get("version", "")

    def poll(self, poll, once=False):
        """Ask after the operation until it is over, or only once."""
        address = self.headers[poll.header]
        while True:
            answer = self.client.get(address)
            running = is_running(answer)
            compare(f"GET {poll.header}", poll.running if running else poll.done, answer)
            if once:
                assert running
            if once or not running:
                return
            time.sleep(0.02)
            address = answer.headers.get(poll.header, address)


def is_running(answer):
    """Whether an operation is not over yet."""
    return answer.status_code == 202 or (answer.content and answer.json().get("status") == "InProgress")


def compare(request, recorded: Answer, answer):
    """Fail with all that differs."""
    found = [] if answer.status_code == recorded.status else [f"status {answer.status_code} is not {recorded.status}"]
    for name, shape in recorded.headers.items():
        if name in answer.headers and shape is None:
            found.append(f"header {name} is not in the recording")
        elif shape is not None:
            found += differences(shape, answer.headers.get(name), f"header {name}")
    found += differences(recorded.body, answer.json() if answer.content else "")
    assert found == [], f"{request}: {answer.text}"


def standard_account(azure):
    """An account that is no file storage."""
    body = {"location": "westus2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    azure.storage.storage_accounts.begin_create(GROUP, "homes", body).result()


def record(azure, zone):
    """An A record."""
    body = {"properties": {"ttl": 10, "aRecords": []}}
    path = f"{azure.group_id}/providers/Microsoft.Network/privateDnsZones/{zone}/A/homes"
    assert azure.wire.put(path, json=body).status_code == 201


def security_group(azure):
    """A network security group without rules of its own."""
    path = f"{azure.group_id}/providers/Microsoft.Network/networkSecurityGroups/nsg"
    assert azure.wire.put(path, json={"location": "westus2"}).status_code == 201


BEFORE = {"standard_account": standard_account, "record": record, "security_group": security_group}


@pytest.fixture
def recording(request, azure):
    """A recording, with what was there before it."""
    recording = REPLAYED[request.param]
    for method, *arguments in recording.before:
        if method in BEFORE:
            BEFORE[method](azure, *arguments)
        else:
            getattr(azure, method)(*arguments)
    return recording


@pytest.fixture
def replay(azure, recording):
    """The recording, ready to be sent by a client that adds nothing of its own but the token."""
    with http_client(azure.arm, headers={"Authorization": azure.wire.headers["Authorization"]}) as client:
        yield Replay(azure, client, recording)


@pytest.mark.parametrize("recording", REPLAYED, indirect=True)
def test_answers_are_those_of_the_recording(replay):
    for step in replay.recording.steps:
        if isinstance(step, Poll):
            replay.poll(step)
        else:
            replay.step(step)


WRITES_THAT_TAKE_TIME = [
    name for name, recording in REPLAYED.items() if any(isinstance(step, Poll) for step in recording.steps)
]


@pytest.mark.parametrize("recording", WRITES_THAT_TAKE_TIME, indirect=True)
def test_operation_under_way(arm, replay):
    steps = replay.recording.steps
    first = next(index for index, step in enumerate(steps) if isinstance(step, Poll))
    arm.profile("fast", operations=UNENDING)
    for step in steps[:first]:
        replay.step(step)
    replay.poll(steps[first], once=True)


def test_every_recording_names_its_source():
    assert len({(one.source, one.date) for one in RECORDINGS.values()}) >= 15
    for name, recording in RECORDINGS.items():
        assert recording.source.endswith((".yaml", ".py")) and recording.date > "2020", name
    for name, example in specification.EXAMPLES.items():
        assert example.source.endswith(".json") and f"/{example.api}/" in example.source, name


@pytest.mark.parametrize(
    "shape, value",
    [
        ({"a": int}, {"a": True}),
        ({"a": int}, {"a": 1, "b": 2}),
        ({"a": int, "...": None}, {"b": 2}),
        ([str], []),
        (200, "200"),
        ("", None),
    ],
)
def test_a_difference_is_found(shape, value):
    assert differences(shape, value)
