"""Starts the consensus core of an epoch from its durable records: always the same path.

Rules: records of an epoch that ended are deleted when the next one starts, in one write, since no
signature of theirs counts any more; a core that was silent (P6) when its epoch ended stays silent,
for it may have forgotten votes of this one too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bulwark.ledger.ids import Height
from bulwark.ledger.signing import Signer
from consensus.amnesia import UNKNOWN
from consensus.journal import KEY_SILENT
from consensus.keyring import Keyring, LocalKeyring
from consensus.replica import Replica
from consensus.trace import Opening
from node.chain.epochs import ChainEpoch
from node.chain.store import ChainStore
from node.driver.trace import TraceRecorder
from node.keys import write_private
from node.logs import Log
from node.storage.port import KeyValueStore
from node.storage.schema import CONSENSUS, number8

CORE_RECORDS: Final = CONSENSUS + b"c"
"""The core's own records: epoch8 | key -> value."""
OPENED: Final = CONSENSUS + b"s"
"""Empty: this database belongs to the marker beside it. Neither is ever removed."""

log = Log("consensus")


def records_of(number: int) -> bytes:
    """Prefix of the core's records of an epoch."""
    return CORE_RECORDS + number8(number)


def start_core(
    epoch: ChainEpoch,
    vote_key: Signer,
    store: KeyValueStore,
    chain: ChainStore,
    marker: Path,
    recorder: TraceRecorder | None = None,
) -> Replica:
    """The core as its records left it; raises ConsensusError for damaged records.

    `marker` is a file outside the database that says "this node has run". A database without
    OPENED beside it was wiped, however many blocks were synced into it since, and the core stays
    silent until that is safe (P6). OPENED is written before the marker, so a crash between them and
    a node that never voted do not look wiped; with a wiped one's silence it is one write.
    """
    was_silent = _leave_old_epochs(store, epoch.number)
    prefix = records_of(epoch.number)
    opened = store.get(OPENED) is not None
    known = opened or next(store.iterate(prefix), None) is not None
    wiped = was_silent or (marker.exists() and not known)
    if wiped:
        log.warning("this node may have forgotten votes", until="a checkpoint far enough ahead")
    if not opened:
        store.write({OPENED: b"", **(_silence(epoch.number) if wiped else {})}, sync=True)
    records = [(key[len(prefix) :], value) for key, value in store.iterate(prefix)]
    stable = chain.checkpoint(chain.finalized)
    if stable is not None and stable.subject.height <= epoch.terms.start:
        stable = None
    end = chain.tip.epoch_end if chain.tip.epoch == epoch.number else Height(0)
    opening = Opening(
        epoch.config,
        epoch.core_terms,
        vote_key.address,
        tuple(records),
        chain.applied,
        chain.tip.hash(),
        stable,
        end or None,
    )
    if not marker.exists():
        write_private(marker, b"This node has run; keep this file when the database goes.\n")
    keyring: Keyring = LocalKeyring(vote_key, epoch.terms.domain)
    if recorder is not None:
        keyring = recorder.begin(opening, keyring)
    return Replica(opening.config, opening.terms, keyring, opening.recovery())


def _leave_old_epochs(store: KeyValueStore, number: int) -> bool:
    """Delete what epochs before this one recorded; whether the core was silent in one of them."""
    puts: dict[bytes, bytes | None] = {}
    silent = False
    for key, _ in store.iterate(CORE_RECORDS):
        if key < records_of(number):
            puts[key] = None
            silent = silent or key.endswith(KEY_SILENT)
    if puts:
        if silent:
            puts |= _silence(number)
        store.write(puts, sync=True)
    return silent


def _silence(number: int) -> dict[bytes, bytes | None]:
    """The core's own record that it must not vote in an epoch until further notice."""
    return {records_of(number) + KEY_SILENT: UNKNOWN.to_bytes(8, "big")}
