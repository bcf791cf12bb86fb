# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.endpoints import endpoint_of, parse_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

SOURCE = "teamhomes01.file.core.windows.net:/teamhomes01/home"


def test_a_source_survives_being_parsed():
    endpoint = parse_endpoint(SOURCE)
    assert (endpoint.host, endpoint.account, endpoint.share) == (SOURCE.partition(":")[0], "teamhomes01", "home")
    assert endpoint.source == SOURCE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "teamhomes01",
        "teamhomes01.file.core.windows.net:/home",
        "teamhomes01.file.core.windows.net:/teamhomes01/home/sub",
        "teamhomes01.file.core.windows.net:teamhomes01/home",
        "teamhomes01.file.core.windows.net:/team-homes/home",
        "-x.file.core.windows.net:/teamhomes01/home",
        "host with blank.net:/teamhomes01/home",
        SOURCE + "\n",
        "10.0.0.4:/teamhomes01/home",
    ],
)
def test_other_forms_are_refused(text):
    with pytest.raises(AzlinError) as caught:
        parse_endpoint(text)
    assert caught.value.error_code == "invalid_argument"


def test_the_privatelink_name_is_answered_with_the_public_one():
    with pytest.raises(AzlinError, match="Use " + SOURCE):
        parse_endpoint(SOURCE.replace(".file.", ".privatelink.file."))


def test_the_host_is_taken_from_what_the_account_reports():
    url = "https://teamhomes01.z3.file.storage.azure.net/"
    assert endpoint_of(url, "teamhomes01", "home").source == ("teamhomes01.z3.file.storage.azure.net:/teamhomes01/home")
