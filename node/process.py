"""The process of a node: opens the home, takes its lock, runs the node, answers with an exit code.

Rules: what an operator can mend is one line on standard error and exit code 1 (a traceback means a
defect); SIGTERM and SIGINT end the node in good order, SIGHUP reloads it; the event loop is
uvloop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import time
from pathlib import Path

import uvloop

from api.auth import ApiKeysInvalid
from bulwark.privacy import group
from bulwark.privacy.errors import PrivacyError
from consensus.errors import ConsensusError
from node.app import Node
from node.assembly import Home, HomeInvalid, open_home
from node.chain.errors import ChainError
from node.config import ConfigError
from node.exitnote import Ending, write_note
from node.identity.principal import IdentityInvalid
from node.keys import KeystoreError, PassphraseMissing
from node.lock import HomeLocked, NodeLock
from node.logs import Log, configure_logs
from node.network.errors import NetworkError
from node.rotation.following import follow_keys
from node.storage.errors import StorageError
from node.storage.level import LevelStore
from node.storage.port import KeyValueStore
from node.version import KnownLevelInvalid

SWITCH_INTERVAL_S = 0.0005
"""How soon a computing thread lets the event loop go on: votes must not wait 5 ms for it."""

GC_THRESHOLDS = (300_000, 50, 100)
"""Allocations before a young collection, and young ones before an older generation's turn."""

log = Log("node")

STARTUP_ERRORS = (
    ConfigError,
    HomeInvalid,
    KeystoreError,
    PassphraseMissing,
    HomeLocked,
    StorageError,
    ChainError,
    NetworkError,
    ApiKeysInvalid,
    IdentityInvalid,
    PrivacyError,
    ConsensusError,
    KnownLevelInvalid,
)
"""What an operator can mend; anything else is a defect and shows its trace."""


def run_node(path: Path) -> int:
    """`bulwark node run`: the node in this process; its exit code."""
    try:
        home = open_home(path)
        logs = home.config.log
        configure_logs(
            home.member.id,
            level=logs.level,
            as_json=logs.format == "json",
            file=None if logs.file is None else path / logs.file,
            max_bytes=logs.max_bytes,
            keep_files=logs.keep_files,
        )
        log.info("group library", checked=group.self_test())
        with (
            NodeLock(path),
            contextlib.closing(LevelStore(path / home.config.storage.path)) as store,
        ):
            write_note(path, Ending.RUNNING)
            follow_keys(home, store, time.monotonic)
            return uvloop.run(_serve(home, store))
    except HomeLocked as error:  # the note is that of the node that holds the home
        return _refuse(f"{error}")
    except STARTUP_ERRORS as error:
        return _refuse(f"{error}", path)
    except OSError as error:
        return _refuse(f"{error.strerror or error} ({error.filename or 'socket'})", path)


async def _serve(home: Home, store: KeyValueStore) -> int:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    node = Node(home, store)
    # A full collection over what was imported takes 90 ms, in which no vote leaves; what lives for
    # ever is taken out of its sight, and the young generations grow before it looks. Nothing was
    # collected since the command began: importing makes little garbage and thousands of objects.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stop)
    loop.add_signal_handler(signal.SIGHUP, node.reload)
    code = await node.run()
    halted = node.halted
    write_note(home.path, Ending.STOPPED if halted is None else Ending.HALTED, halted or "")
    return code


def _refuse(reason: str, home: Path | None = None) -> int:
    if home is not None and home.is_dir():
        write_note(home, Ending.REFUSED, f"can not start: {reason}")
    print(f"bulwark: can not start: {reason}", file=sys.stderr)  # noqa: T201 - for the operator
    return 1
