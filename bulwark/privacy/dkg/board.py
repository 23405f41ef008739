"""The public side of a ceremony: posts in the order of the ledger go in, the outcome comes out.

Rules owned here:

* `post` is total: whatever a sender, phase and bytes are, it gives a `Verdict` and never an error,
  and leaves the board as it was unless the verdict is `TAKEN`.
* One post a party and phase; a party with nothing due may post empty bytes, which changes nothing
  (so that a contract can count posts without knowing who owes one).
* The board knows no time: its caller closes phases, all nodes at the same place of the ledger.
* Equal posts and closes give equal boards; `digest` shows it, whatever the order inside a phase.

It is rebuilt from the ledger after a restart and is not thread-safe.
"""

from __future__ import annotations

import hashlib

from bulwark.ledger.errors import DecodeError
from bulwark.privacy.dkg import closing
from bulwark.privacy.dkg.intake import take
from bulwark.privacy.dkg.outcome import Done, Failed, FailureReason, Outcome, Running
from bulwark.privacy.dkg.phases import Close, Phase, Verdict
from bulwark.privacy.dkg.posts import max_post_bytes
from bulwark.privacy.dkg.record import Record
from bulwark.privacy.dkg.session import Session
from bulwark.privacy.errors import EncodingRefused
from bulwark.privacy.transcript import Transcript

_LABEL = b"Bulwark-v1-dkg-board"


class Board:
    """One ceremony as the ledger has it."""

    __slots__ = ("_end", "_record")

    def __init__(self, session: Session) -> None:
        self._record = Record(session, dealing=session.dealers)
        self._end: Done | Failed | None = None

    def __repr__(self) -> str:
        return f"Board({self.session.purpose.name}, {self.phase.name}, {self.outcome})"

    @property
    def session(self) -> Session:
        return self._record.session

    @property
    def record(self) -> Record:
        """What was posted, for reading only."""
        return self._record

    @property
    def phase(self) -> Phase:
        """The open phase, or the one in which the ceremony ended."""
        return self._record.phase

    @property
    def outcome(self) -> Outcome:
        """Where the ceremony stands."""
        return self._end or Running(self.phase, self._record.awaiting())

    @property
    def digest(self) -> bytes:
        """64 bytes over the session, all taken posts and all closes: equal boards, equal digests.

        It serves as the transcript of the ceremony for an audit.
        """
        transcript = Transcript(_LABEL).add(self.session.digest)
        for phase, posts in self._record.posted.items():
            transcript.add_int(phase).add_int(len(posts))
            for index in sorted(posts):
                transcript.add_int(index).add(posts[index])
        for reason in self._record.closed:
            transcript.add(reason.value.encode())
        return transcript.digest()

    def post(self, sender: int, phase: Phase, data: bytes) -> Verdict:
        """Hand over one post of the ledger; see the rules above."""
        record = self._record
        if self._end is not None:
            return Verdict.OVER
        if not 1 <= sender <= self.session.parties:
            return Verdict.NOT_A_PARTY
        if phase is not record.phase:
            return Verdict.WRONG_PHASE
        if sender in record.posted[phase]:
            return Verdict.DUPLICATE
        if sender not in record.expected():
            return Verdict.NOT_EXPECTED if data else Verdict.PASSED
        if len(data) > max_post_bytes(self.session, phase):
            return Verdict.TOO_LONG
        try:
            verdict = take(record, sender, data)
        except (DecodeError, EncodingRefused):
            return Verdict.MALFORMED
        if verdict is Verdict.TAKEN:
            record.posted[phase][sender] = hashlib.sha512(data).digest()
            self._end = closing.finish(record)
        return verdict

    def advance(self, reason: Close) -> Outcome:
        """Close the open phase and open the next; nothing happens once the ceremony is over."""
        record = self._record
        if self._end is not None:
            return self._end
        record.closed.append(reason)
        if reason is Close.ABORTED:
            self._end = closing.fail(record, FailureReason.ABORTED, set())
        else:
            self._end = closing.close(record)
            if self._end is None:
                record.phase = Phase(record.phase + 1)
        return self.outcome
