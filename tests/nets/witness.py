"""A witness of key ceremonies: what the ledger alone says of them, read by JSON-RPC from one node.

Rules: it decodes the contract's events and keeps a board of its own, as any auditor could, so what
it says of a dishonest member is what everybody can see; it knows no node's inside. What a session
put on the ledger is counted as calldata of the calls to the contract and as data of its logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.phases import Close
from contracts.bindings import member_id_text
from contracts.privacy.ceremony import KEY_CEREMONY, CeremonyPhase, KeyPurpose
from contracts.privacy.ceremony_events import (
    CeremonyEvent,
    Confirmed,
    PhaseClosed,
    Posted,
    SessionFailed,
    SessionOpened,
    SharingActivated,
    SharingPublished,
    decode_ceremony_event,
)
from node.ceremony.room import Room
from tests.nets.access import Access
from tests.nets.checks import CheckFailed

READ_S: Final = 20.0
ADDRESS: Final = f"0x{bytes(KEY_CEREMONY).hex()}"


@dataclass(slots=True)
class Seen:
    """One session as the ledger has it."""

    session: bytes
    purpose: KeyPurpose
    kind: str
    share_epoch: int
    threshold: int
    parties: tuple[str, ...]
    """Member ids by index, holders first."""
    holders: int
    opened_block: int
    opened_s: int
    """Block time."""
    phase: CeremonyPhase = CeremonyPhase.COMMIT
    deadline_s: int = 0
    posts: int = 0
    confirmed: dict[int, bytes] = field(default_factory=dict)
    ended_block: int = 0
    ended_s: int = 0
    """Of activation or failure."""
    published_s: int = 0
    failed: str = ""
    sharing: LiveSharing | None = None
    faults: list[str] = field(default_factory=list)
    """Who is named for what, as the board says."""
    complaints: list[str] = field(default_factory=list)
    calls: int = 0
    calldata_bytes: int = 0
    log_bytes: int = 0

    @property
    def is_published(self) -> bool:
        """Whether its sharing came into force."""
        return self.published_s > 0

    @property
    def blocks(self) -> int:
        """From opening to activation, both counted."""
        return self.ended_block - self.opened_block + 1

    @property
    def seconds(self) -> int:
        """From opening to activation by block time."""
        return self.ended_s - self.opened_s


class Witness:
    """Follows the ceremonies block by block."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._next = 1
        self._rooms = {purpose: Room(purpose) for purpose in KeyPurpose}
        self._old: dict[KeyPurpose, LiveSharing] = {}
        self.sessions: dict[bytes, Seen] = {}
        """In order of opening."""

    def look(self) -> None:
        """Follow what is new; raises Unreachable, and CheckFailed for a rule that was broken."""
        tip = int(self.access.rpc("eth_blockNumber", timeout_s=READ_S), 16)
        if tip < self._next:
            return
        span = {"fromBlock": hex(self._next), "toBlock": hex(tip), "address": ADDRESS}
        logs = self.access.rpc("eth_getLogs", span, timeout_s=READ_S)
        for number in range(self._next, tip + 1):
            block = self.access.rpc("eth_getBlockByNumber", hex(number), True, timeout_s=READ_S)
            here = [entry for entry in logs if int(entry["blockNumber"], 16) == number]
            self._block(block, here)
        self._next = tip + 1

    def open(self, purpose: KeyPurpose) -> Seen | None:
        """The session that runs."""
        session = self._rooms[purpose].session
        found = None if session is None else self.sessions[session]
        return None if found is None or found.ended_block else found

    def in_force(self, purpose: KeyPurpose) -> Seen | None:
        """The session whose sharing was published last."""
        published = [s for s in self.sessions.values() if s.purpose is purpose and s.is_published]
        return max(published, key=lambda seen: seen.published_s, default=None)

    def _block(self, block: dict[str, Any], logs: Sequence[dict[str, Any]]) -> None:
        number, time_s = int(block["number"], 16), int(block["timestamp"], 16)
        of_call: dict[str, bytes] = {}
        for entry in logs:
            topics = [_bytes(topic) for topic in entry["topics"]]
            data = _bytes(entry["data"])
            event = decode_ceremony_event(bytes(KEY_CEREMONY), topics, data)
            if event is None:
                raise CheckFailed(f"block {number}: a log of the ceremonies that nobody can read")
            self._event(event, number, time_s)
            of_call[entry["transactionHash"]] = event.session
            self.sessions[event.session].log_bytes += len(data) + 32 * len(topics)
        for call in block["transactions"]:
            if (call["to"] or "").lower() == ADDRESS:
                data = _bytes(call["input"])
                # A call without a log was refused, or came too early.
                seen = self.sessions.get(of_call.get(call["hash"], data[4:36]))
                if seen is not None:
                    seen.calls += 1
                    seen.calldata_bytes += len(data)

    def _event(self, event: CeremonyEvent, number: int, time_s: int) -> None:
        if isinstance(event, SessionOpened):
            self.sessions[event.session] = _opened(event, number, time_s)
        seen = self.sessions[event.session]
        room = self._rooms[seen.purpose]
        board = room.board if room.session == event.session else None
        if isinstance(event, SharingActivated):
            self._activated(event, seen, time_s)
        room.take(event, self._old.get(seen.purpose))
        match event:
            case Posted():
                seen.posts += 1
            case Confirmed(index=index, result_hash=result):
                seen.confirmed[index] = result
            case PhaseClosed(phase=phase, deadline_s=deadline_s):
                seen.phase, seen.deadline_s = CeremonyPhase(phase + 1), deadline_s
            case SharingActivated():
                seen.ended_block, seen.ended_s = number, time_s
                if room.result is not None:
                    seen.sharing = self._old[seen.purpose] = room.result[1]
            case SharingPublished():
                seen.published_s = time_s
            case SessionFailed(reason=reason):
                seen.ended_block, seen.ended_s = number, time_s
                seen.failed = reason.rstrip(b"\0").decode("ascii", "replace")
                if board is not None:
                    board.advance(Close.DEADLINE)
            case _:
                pass
        if board is not None:
            record = board.record
            seen.faults = [
                f"{seen.parties[f.index - 1]}: {f.kind.value} ({f.phase.name.lower()})"
                for f in record.faults
            ]
            seen.complaints = [
                f"{seen.parties[holder - 1]} of {seen.parties[dealer - 1]}"
                for dealer, who in record.complaints.items()
                for holder in sorted(who)
            ]

    def _activated(self, event: SharingActivated, seen: Seen, time_s: int) -> None:
        """Raises CheckFailed if a sharing became active before it was confirmed as it has to be."""
        same = [i for i, result in seen.confirmed.items() if result == event.result_hash]
        needed = seen.holders - (seen.holders - 1) // 3
        if len(same) != event.confirmations or len(same) < needed:
            raise CheckFailed(f"active with {len(same)} of {needed} confirmations")
        if len(seen.confirmed) < seen.holders and time_s < seen.deadline_s:
            raise CheckFailed("active before all confirmed and before the time was over")
        found = self._rooms[seen.purpose].result
        if found is None:
            raise CheckFailed("active without a result on the board")
        digest, sharing = found
        if hashlib.sha256(digest + sharing.encode()).digest() != event.result_hash:
            raise CheckFailed("another result is active than the posts lead to")


def _opened(event: SessionOpened, number: int, time_s: int) -> Seen:
    parties = (*event.holders, *event.leaving)
    return Seen(
        session=event.session,
        purpose=event.purpose,
        kind=event.kind.name.lower(),
        share_epoch=event.share_epoch,
        threshold=event.threshold,
        parties=tuple(member_id_text(party) for party in parties),
        holders=len(event.holders),
        opened_block=number,
        opened_s=time_s,
        deadline_s=event.deadline_s,
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
