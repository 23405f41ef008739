"""One purpose's ceremony as this node follows it: the ledger's events in, the public board out.

Rules: the board is made of events alone, in chain order, so that every node has the same one; an
event of a session that is not the open one is left out; a session whose terms make no sense is
followed without a board, and the contract ends it by its deadlines. It holds no secret.
"""

from __future__ import annotations

import hashlib

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.phases import Close, Phase
from bulwark.privacy.dkg.session import Member, Purpose, Session
from bulwark.privacy.errors import SessionRefused
from contracts.privacy.ceremony import CeremonyKind, KeyPurpose
from contracts.privacy.ceremony_events import (
    CeremonyEvent,
    Confirmed,
    FailureNamed,
    PhaseClosed,
    Posted,
    SessionFailed,
    SessionOpened,
    SharingActivated,
)
from node.logs import Log

log = Log("ceremony")


def published_bytes(digest: bytes, sharing: LiveSharing) -> bytes:
    """What holders confirm the SHA-256 of, and what is published once it is active."""
    return digest + sharing.encode()


def result_hash(digest: bytes, sharing: LiveSharing) -> bytes:
    """The 32 bytes that a holder confirms on the ledger."""
    return hashlib.sha256(published_bytes(digest, sharing)).digest()


class Room:
    """The open session of one purpose, if there is one."""

    def __init__(self, purpose: KeyPurpose) -> None:
        self.purpose = purpose
        self.session: bytes | None = None
        self.board: Board | None = None
        self.deadline_s = 0
        """Block time at which the open phase is over."""

    def take(self, event: CeremonyEvent, old: LiveSharing | None) -> None:
        """Follow one event; `old` is the sharing in force when it came."""
        if isinstance(event, SessionOpened):
            if event.purpose is self.purpose:
                self._open(event, old)
            return
        if event.session != self.session:
            return
        match event:
            case Posted(phase=phase, index=index, data=data):
                self._post(index, Phase(phase), data)
            case Confirmed(index=index, result_hash=confirmed):
                self._post(index, Phase.CONFIRM, self._digest_of(confirmed))
            case PhaseClosed(deadline_s=deadline_s):
                self.deadline_s = deadline_s
                self._advance(Close.COMPLETE if self._is_full() else Close.DEADLINE)
            case SharingActivated():
                log.info("sharing is active", purpose=self.purpose.name.lower())
                if self.board is not None and self.board.phase is Phase.CONFIRM:
                    self._advance(Close.DEADLINE)
            case SessionFailed(phase=phase, reason=reason):
                text = reason.rstrip(b"\0").decode("ascii", "replace")
                log.warning("ceremony failed", phase=phase.name.lower(), reason=text)
                self.close()
            case FailureNamed(index=index, count=count):
                log.warning("a member gives the ceremony up", index=index, count=count)

    def close(self) -> None:
        """The session is over for this node."""
        self.session = self.board = None

    @property
    def result(self) -> tuple[bytes, LiveSharing] | None:
        """Digest and sharing that the posts lead to, once that is known."""
        found = None if self.board is None else self.board.record.result
        return None if found is None else (found.digest, found.sharing)

    def _open(self, event: SessionOpened, old: LiveSharing | None) -> None:
        self.session, self.deadline_s, self.board = event.session, event.deadline_s, None
        pairs = zip(event.holders, event.sealing_keys, strict=True)
        try:
            session = Session(
                id=event.session,
                purpose=Purpose(event.kind),
                key_id=event.key_id,
                share_epoch=event.share_epoch,
                members=tuple(Member(id_, key) for id_, key in pairs),
                threshold=event.threshold,
                old=None if event.kind is CeremonyKind.GENERATE else old,
                leaving=event.leaving,
            )
        except SessionRefused as error:
            log.error("ceremony can not be followed", reason=str(error))
            return
        self.board = Board(session)
        log.info(
            "ceremony opened",
            purpose=self.purpose.name.lower(),
            kind=session.purpose.name.lower(),
            holders=session.holders,
            threshold=session.threshold,
        )

    def _post(self, index: int, phase: Phase, data: bytes) -> None:
        if self.board is None:
            return
        verdict = self.board.post(index, phase, data)
        log.debug("ceremony post", index=index, phase=phase.name.lower(), verdict=verdict.name)

    def _digest_of(self, confirmed: bytes) -> bytes:
        """The board's own digest if a holder confirmed its result, else what is none."""
        found = self.result
        if found is not None and result_hash(*found) == confirmed:
            return found[0]
        return bytes(32)

    def _is_full(self) -> bool:
        return self.board is not None and not self.board.record.awaiting()

    def _advance(self, reason: Close) -> None:
        if self.board is not None:
            self.board.advance(reason)
