# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the Resource Manager: ``python -m lab.arm --state-dir DIR``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pathlib
import signal
import sys

from lab.arm.profiles import PROFILES
from lab.arm.server import make_server
from lab.dataplane import DataPlane, NoDataPlane


def load_data_plane(name: str, state_dir: pathlib.Path) -> DataPlane:
    """Make the data plane named ``module:factory``; a factory with a parameter gets the state directory."""
    module, _colon, factory = name.partition(":")
    make = getattr(importlib.import_module(module), factory)
    return make(state_dir) if inspect.signature(make).parameters else make()


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.arm",
        description="A local Azure Resource Manager over HTTPS on 127.0.0.1. When it serves, DIR/arm.json holds its "
        "URL and a service principal, DIR/ca.pem its certificate authority. State survives a restart.",
    )
    parser.add_argument("--state-dir", required=True, type=pathlib.Path, metavar="DIR", help="where all state is kept")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one, kept on restart)")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), default="fast", help="latencies: fast (default) or those of azure"
    )
    parser.add_argument(
        "--data-plane",
        metavar="MODULE:FACTORY",
        help="what serves the shares (default: nothing); the factory is called with the state directory",
    )
    options = parser.parse_args()
    data_plane: DataPlane = NoDataPlane()
    if options.data_plane:
        data_plane = load_data_plane(options.data_plane, options.state_dir)
    server = make_server(options.state_dir, options.port, options.profile, data_plane)
    # uvicorn stops cleanly on SIGTERM, then raises it again for the handler of before.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    server.run()
    return 0 if server.started.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
