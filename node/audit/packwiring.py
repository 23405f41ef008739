"""Puts the pack desk together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bulwark.audit.packwriter import Maker
from node.assembly import Home
from node.audit.packdesk import PackDesk, PackGround
from node.chain.epochs import EpochBook
from node.chain.proofs import Prover
from node.chain.store import ChainStore
from node.clock import Clock
from node.directory import Directory
from node.evidence_book import EvidenceBook
from node.service import Caller
from node.storage.port import KeyValueStore
from node.version import product_version


def make_packs(
    *,
    home: Home,
    store: KeyValueStore,
    chain: ChainStore,
    epochs: EpochBook,
    directory: Directory,
    evidence: EvidenceBook,
    clock: Clock,
    note: Callable[[Caller, str], Awaitable[None]],
) -> PackDesk:
    """The desk of one node."""
    maker = Maker(
        genesis=home.genesis,
        member=home.member.id,
        key=home.vote_key,
        tool_version=product_version(),
    )
    return PackDesk(
        PackGround(
            store=store,
            maker=maker,
            prover=Prover(store, chain, epochs),
            directory=directory,
            evidence=evidence,
            clock=clock,
            note=note,
        )
    )
