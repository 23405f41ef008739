"""The post-mortem: a diagnosis of a node that does not answer, from its home alone.

Rules: it takes the home's lock while it reads the database and gives it back, so it never reads
beside a running node; a home that is held says that the process is there; everything that can not
be read is said instead of guessed. It repairs nothing.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import MemberId
from node.config import NodeConfig
from node.diagnosis.facts import Facts
from node.diagnosis.finding import Diagnosis
from node.diagnosis.verdict import diagnose
from node.exitnote import Ending, read_note
from node.lock import HomeLocked, NodeLock
from node.storage import blocks
from node.storage.errors import StorageError
from node.storage.level import LevelStore
from node.surroundings import certificate_facts, disk_facts

_LEVELDB_MARK: Final = "CURRENT"
_LOG_TAIL_BYTES: Final = 64 * 1024
_MAX_LINE_CHARS: Final = 240


def examine_home(home: Path, config: NodeConfig, now_ms: int) -> Diagnosis:
    """Diagnosis of the home of a node that does not answer."""
    executed, finalized, tip_ms, problem = 0, 0, 0, ""
    try:
        with NodeLock(home):
            executed, finalized, tip_ms, problem = _read_store(home / config.storage.path)
            reason = problem or _reason(home, config)
    except HomeLocked as error:
        who = "a process" if error.pid is None else f"process {error.pid}"
        reason = f"{who} holds the home and does not answer on its HTTP port"
    except OSError as error:
        reason = f"the home can not be read: {error.strerror or error}"
    genesis = _genesis(home / config.genesis)
    member = None if genesis is None else genesis.member(MemberId(config.member))
    validators = () if genesis is None else genesis.validator_set.validators
    return diagnose(
        Facts(
            now_ms=now_ms,
            own=config.member,
            validators=tuple(v.member for v in validators),
            quorum=0 if genesis is None else genesis.validator_set.quorum,
            executed=executed,
            finalized=finalized,
            tip_ms=tip_ms,
            running=False,
            halted=reason,
            disk=disk_facts(home),
            certificates=() if member is None else certificate_facts(home, config.network, None),
        )
    )


def _reason(home: Path, config: NodeConfig) -> str:
    note = read_note(home)
    if note is None:
        return "it left no note of its end: it never ran here, or an older version did"
    match note.ending:
        case Ending.HALTED | Ending.REFUSED:
            return note.reason
        case Ending.STOPPED:
            return "it was stopped by its operator"
        case Ending.RUNNING:
            last = _last_line(home, config)
            return "it was killed or its machine stopped" + (f"; log: {last}" if last else "")


def _read_store(path: Path) -> tuple[int, int, int, str]:
    """(executed, finalized, time of the tip, problem) of a database."""
    if not (path / _LEVELDB_MARK).is_file():
        return 0, 0, 0, ""
    try:
        with contextlib.closing(LevelStore(path)) as store:
            tip = blocks.read_tip(store)
            return tip.height, blocks.read_finalized(store), tip.timestamp_ms, ""
    except StorageError as error:
        return 0, 0, 0, f"storage: {error}"


def _genesis(path: Path) -> Genesis | None:
    try:
        return Genesis.from_json(path.read_bytes())
    except (OSError, GenesisInvalid):
        return None


def _last_line(home: Path, config: NodeConfig) -> str:
    """The end of the node's log file, if it writes one."""
    if config.log.file is None:
        return ""
    try:
        with (home / config.log.file).open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _LOG_TAIL_BYTES))
            lines = stream.read(_LOG_TAIL_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    last = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(c if c.isprintable() else "?" for c in last)[:_MAX_LINE_CHARS]
