"""Replays a recorded trace through the same core and names the first step that differs.

Rules: the replica is built from the Opening as the driver built it; every event is given at its
recorded time; the digest of the effects must be the recorded one. Own signatures come from the
trace (`Playback`), so no key is needed; a step that signs more or less than it did differs too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from bulwark.ledger.ids import Address
from bulwark.ledger.votes import VoteSubject
from consensus.effects import Effect
from consensus.errors import ConsensusError
from consensus.keyring import Keyring
from consensus.replica import Replica
from consensus.snapshot import Snapshot
from consensus.trace import Opening, Record, Step, effects_digest


class TraceDiffers(ConsensusError):
    """The core did something else than what the trace recorded."""

    def __init__(self, step: int, detail: str) -> None:
        self.step = step
        self.detail = detail
        super().__init__(f"step {step}: {detail}")


class Playback:
    """A Keyring that hands out the recorded signatures in order."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.left: deque[bytes] = deque()
        self.missing = 0
        """Signatures asked for beyond those recorded."""

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """The next recorded signature."""
        if not self.left:
            self.missing += 1
            return bytes(65)
        return self.left.popleft()

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """The next recorded signature."""
        return self.sign(b"", b"")


class Recorded:
    """A Keyring that remembers what another one signed."""

    def __init__(self, inner: Keyring) -> None:
        self._inner = inner
        self._made: list[bytes] = []

    @property
    def address(self) -> Address:
        """Address of the vote key."""
        return self._inner.address

    def sign(self, tag: bytes, body: bytes) -> bytes:
        """65-byte signature over domain, tag and body."""
        self._made.append(self._inner.sign(tag, body))
        return self._made[-1]

    def sign_vote(self, subject: VoteSubject) -> bytes:
        """65-byte signature that casts a vote."""
        self._made.append(self._inner.sign_vote(subject))
        return self._made[-1]

    def take(self) -> tuple[bytes, ...]:
        """Signatures since the last call."""
        made, self._made = tuple(self._made), []
        return made


class Replayed(Struct, frozen=True):
    """A trace that was repeated without a difference."""

    epochs: int
    """Replicas started."""
    steps: int
    last: Snapshot | None
    """The replica after the last step."""


def replay(records: Iterable[Record]) -> Replayed:
    """Drive the core through a trace; raises TraceDiffers at the first difference."""
    opening: Opening | None = None
    replica: Replica | None = None
    keyring: Playback | None = None
    epochs = steps = 0
    for record in records:
        if isinstance(record, Opening):
            opening, replica = record, None
            keyring = Playback(record.address)
            epochs += 1
            continue
        if opening is None or keyring is None:
            raise TraceDiffers(steps, "the trace does not begin with an opening")
        steps += 1
        keyring.left.extend(record.signatures)
        if replica is None:
            replica = Replica(opening.config, opening.terms, keyring, opening.recovery())
        _compare(steps, record, replica.step(record.event, record.now_ms), keyring)
    return Replayed(epochs, steps, None if replica is None else replica.snapshot())


def _compare(number: int, step: Step, effects: list[Effect], keyring: Playback) -> None:
    event = type(step.event).__name__
    if keyring.missing or keyring.left:
        raise TraceDiffers(
            number,
            f"{event} at {step.now_ms}: {keyring.missing} signatures more and "
            f"{len(keyring.left)} fewer than recorded",
        )
    if effects_digest(effects) != step.effects:
        names = ", ".join(type(effect).__name__ for effect in effects)
        raise TraceDiffers(number, f"{event} at {step.now_ms}: other effects, now [{names}]")
