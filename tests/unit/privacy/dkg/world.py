"""A whole ceremony in one process: honest parties, and parties whose posts a test may change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.outcome import Done, Outcome, Running
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Close, Phase, Verdict
from bulwark.privacy.dkg.session import Member, Purpose, Session, quorum_threshold
from bulwark.privacy.errors import ShareUnavailable
from bulwark.privacy.group import Scalar, multiply_base
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.sharing import Share, recover, split
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey

RandomBytes = Callable[[int], bytes]
Bend = Callable[["Ceremony", bytes | None], bytes | None]
"""A dishonest party's post in place of the honest one; nothing is silence."""


def stream(seed: str) -> RandomBytes:
    calls = iter(range(10**9))

    def random_bytes(count: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(count)

    return random_bytes


def member_id(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def names(count: int) -> list[str]:
    return [f"member {number}" for number in range(count)]


def sealing_key(name: str, seed: str) -> SealingKey:
    return SealingKey.new(stream(f"sealing {name} {seed}"))


@dataclass
class Alliance:
    """A sharing in use with every holder's share by name."""

    sharing: LiveSharing
    shares: dict[str, EvaluatorShare]

    def share_of(self, name: str) -> EvaluatorShare | None:
        return self.shares.get(name)


@dataclass
class Ceremony:
    """One session with a participant for each party and the board."""

    session: Session
    parties: dict[int, Participant]
    keys: dict[int, SealingKey]
    party_names: tuple[str, ...]
    board: Board
    bends: dict[tuple[int, Phase], Bend] = field(default_factory=dict)
    verdicts: dict[tuple[int, Phase], Verdict] = field(default_factory=dict)
    log: list[tuple[int, Phase, bytes] | Close] = field(default_factory=list)
    """What the ledger has: posts and closes in order."""

    @property
    def holders(self) -> range:
        return range(1, self.session.holders + 1)

    def play(self, phase: Phase, order: Iterable[int] | None = None) -> None:
        """Everybody posts in the open phase; it is not closed."""
        posts = {}
        for index, party in self.parties.items():
            post = party.to_post(phase, self.board)
            bend = self.bends.get((index, phase))
            posts[index] = bend(self, post) if bend else post
        for index in order or self.parties:
            data = posts[index]
            if data is not None and isinstance(self.board.outcome, Running):
                self.log.append((index, phase, data))
                self.verdicts[index, phase] = self.board.post(index, phase, data)

    def run(self, until: Phase = Phase.CONFIRM) -> Outcome:
        """Play and close every phase up to and with `until`, or to the end."""
        while isinstance(self.board.outcome, Running) and self.board.phase <= until:
            phase = self.board.phase
            self.play(phase)
            self.close()
        return self.board.outcome

    def close(self, reason: Close = Close.DEADLINE) -> None:
        self.log.append(reason)
        self.board.advance(reason)

    def replayed(self) -> Board:
        """A second board from the same posts and closes."""
        board = Board(self.session)
        for entry in self.log:
            if isinstance(entry, Close):
                board.advance(entry)
            else:
                board.post(*entry)
        return board

    def shares(self, indices: Iterable[int] | None = None) -> dict[int, EvaluatorShare]:
        return {index: self.parties[index].share(self.board) for index in indices or self.holders}

    def alliance(self) -> Alliance:
        outcome = self.board.outcome
        assert isinstance(outcome, Done), outcome
        shares = {}
        for index in self.holders:
            try:
                shares[self.party_names[index - 1]] = self.parties[index].share(self.board)
            except ShareUnavailable:
                continue
        return Alliance(outcome.sharing, shares)


def ceremony(
    purpose: Purpose,
    members: Sequence[str],
    *,
    old: Alliance | None = None,
    leaving: Sequence[str] = (),
    threshold: int | None = None,
    bends: Mapping[tuple[int, Phase], Bend] | None = None,
    seed: str = "",
    unusable: Collection[int] = (),
) -> Ceremony:
    """A fresh ceremony; members whose index is in `unusable` register a key nobody can seal to."""
    seed = f"{seed} {purpose.name} {len(members)}"
    keys = {i: sealing_key(name, seed) for i, name in enumerate(members, 1)}
    session = Session(
        id=hashlib.sha256(seed.encode()).digest(),
        purpose=purpose,
        key_id=7,
        share_epoch=0 if old is None else old.sharing.share_epoch + 1,
        members=tuple(
            Member(member_id(name), bytes(32) if i in unusable else keys[i].public)
            for i, name in enumerate(members, 1)
        ),
        threshold=quorum_threshold(len(members)) if threshold is None else threshold,
        old=None if old is None else old.sharing,
        leaving=tuple(member_id(name) for name in leaving),
    )
    party_names = (*members, *leaving)
    parties = {
        index: Participant.begin(
            session,
            index,
            keys.get(index),
            stream(f"{seed} party {index}"),
            None if old is None else old.share_of(name),
        )
        for index, name in enumerate(party_names, 1)
        if index not in unusable
    }
    return Ceremony(session, parties, keys, party_names, Board(session), dict(bends or {}))


def generated(count: int, seed: str = "") -> Alliance:
    made = ceremony(Purpose.GENERATE, names(count), seed=seed)
    made.run()
    return made.alliance()


def dealt(secret: Scalar, threshold: int, members: Sequence[str]) -> Alliance:
    """A key shared by one dealer, as a sharing that a ceremony can start from."""
    dealing = split(secret, threshold, len(members), stream("dealt"))
    keys = tuple(dealing.commitments.share_key(share.index) for share in dealing.shares)
    key = ThresholdKey(threshold, multiply_base(secret), keys)
    sharing = LiveSharing(7, 0, tuple(member_id(name) for name in members), key)
    shares = {
        name: EvaluatorShare(share.index, share.value, keys[share.index - 1])
        for name, share in zip(members, dealing.shares, strict=True)
    }
    return Alliance(sharing, shares)


def secret_of(shares: Iterable[EvaluatorShare]) -> Scalar:
    """The key that shares interpolate to."""
    return recover([Share(share.index, share.secret_share) for share in shares])
