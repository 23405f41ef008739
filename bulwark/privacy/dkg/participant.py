"""The secret side of one party: what it posts in each phase, and its share at the end.

Rules owned here:

* A party posts what follows from its saved state and the board alone: asked twice in one phase, or
  after `encode` and `decode`, it gives the same bytes.
* It never acts for a dealing that is not the one it committed to on the board (a party that lost
  its state and began anew opens nothing and stays silent as a dealer).
* It opens a pair of its own polynomial only for a holder whose complaint stands on the board, and
  a pair it received only against a dealer that the rules of the board let it expose.
* Its share needs its sealing key, the board, and in a refresh its old share: a holder that was away
  while the others dealt still gets it.

Who calls: the node, with the board it built from the ledger. This does no I/O, and cannot wipe
memory (see `erase`).
"""

from __future__ import annotations

from typing import assert_never

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.dealing import SecretDealing, make_dealing, read_dealing
from bulwark.privacy.dkg.extraction import Result
from bulwark.privacy.dkg.outcome import Failed, Running
from bulwark.privacy.dkg.pedersen import Pair, feldman_fit
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.posts import decode_pair, encode_indices, encode_pairs, seal_info
from bulwark.privacy.dkg.session import DIGEST_BYTES, Purpose, Session
from bulwark.privacy.errors import (
    CeremonyStateRefused,
    EncodingRefused,
    SealRefused,
    SessionRefused,
    ShareUnavailable,
    ThresholdKeyRefused,
)
from bulwark.privacy.group import ZERO, RandomBytes, Scalar
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.threshold import EvaluatorShare

_VERSION = 1


class Participant:
    """One party of a session: a dealer, a future holder, or both.

    `begin` starts, `decode` goes on after a restart. `index` is the party's; `sealing_key` its
    private key for this session (none for a leaving dealer); `old_share` its share of the old
    sharing, if it holds one: without it a dealer of a reshare can not deal and a holder can not
    refresh. All raise `SessionRefused` for arguments that do not fit the session.
    """

    __slots__ = ("_dealing", "_erased", "_index", "_old", "_pairs", "_sealing", "_session")

    def __init__(
        self,
        session: Session,
        index: int,
        sealing_key: SealingKey | None,
        old_share: EvaluatorShare | None,
        dealing: SecretDealing | None,
    ) -> None:
        if not 1 <= index <= session.parties:
            raise SessionRefused(f"party {index}, allowed 1 to {session.parties}")
        if index <= session.holders:
            public = None if sealing_key is None else sealing_key.public
            if public != session.members[index - 1].sealing_key:
                raise SessionRefused(f"party {index} needs the private key of its sealing key")
        _check_old_share(session, index, old_share)
        self._session = session
        self._index = index
        self._sealing = sealing_key
        self._old = old_share
        self._dealing = dealing
        self._pairs: dict[tuple[int, bytes], Pair | None] = {}
        self._erased = False

    def __repr__(self) -> str:
        return f"Participant({self._index} of {self._session.parties})"

    @classmethod
    def begin(
        cls,
        session: Session,
        index: int,
        sealing_key: SealingKey | None,
        random_bytes: RandomBytes,
        old_share: EvaluatorShare | None = None,
    ) -> Participant:
        """A party at the start of the session; all its randomness is drawn now.

        Save `encode()` before anything is posted. Raises `SessionRefused`, `RandomnessRefused`.
        """
        party = cls(session, index, sealing_key, old_share, None)
        lacks = session.purpose is Purpose.RESHARE and old_share is None
        if index in session.dealers and not lacks:
            secret = None if old_share is None else old_share.secret_share
            party._dealing = make_dealing(session, index, secret, random_bytes)
        return party

    def encode(self) -> bytes:
        """The state to save: SECRET, to be stored encrypted. It holds neither the sealing key nor
        the old share: version 1 | session digest 32 | index 1 | has a dealing 1 | the dealing."""
        writer = Writer().uint(_VERSION, 1).fixed(self._session.digest, DIGEST_BYTES)
        writer.uint(self._index, 1).optional(self._dealing, lambda out, it: it.write(out))
        return writer.done()

    @classmethod
    def decode(
        cls,
        session: Session,
        index: int,
        sealing_key: SealingKey | None,
        state: bytes,
        old_share: EvaluatorShare | None = None,
    ) -> Participant:
        """The party of `encode`. Raises `CeremonyStateRefused`, `SessionRefused`."""
        reader = Reader(state, "ceremony state")
        try:
            version = reader.uint(1, "version")
            if version != _VERSION:
                raise CeremonyStateRefused(f"version {version}, known is {_VERSION}")
            if reader.fixed(DIGEST_BYTES, "session") != session.digest:
                raise CeremonyStateRefused("it is of another session")
            if reader.uint(1, "index") != index:
                raise CeremonyStateRefused("it is of another party")
            dealing = reader.optional("dealing", lambda it: read_dealing(session, index, it))
            reader.end()
        except (DecodeError, EncodingRefused) as error:
            raise CeremonyStateRefused(str(error)) from None
        return cls(session, index, sealing_key, old_share, dealing)

    def erase(self) -> None:
        """Forget the polynomials, received pairs, the old share and the sealing key.

        To be called once the new share is stored and the new sharing is active on the ledger (and
        after a failed ceremony). From then on the party posts nothing and derives nothing. The
        caller must delete, too: the saved state, the stored old share and every backup of both,
        and the private sealing key once it has registered another. This drops references only:
        Python copies and frees `bytes` as it likes and can not overwrite them, so that secrets may
        stay in memory, swap or a core dump until the process ends.
        """
        self._dealing = None
        self._old = None
        self._sealing = None
        self._pairs.clear()
        self._erased = True

    def to_post(self, phase: Phase, board: Board) -> bytes | None:
        """What this party posts in the open phase: empty bytes if nothing is due from it, nothing
        if it can not, if another phase is open or the ceremony is over.

        Raises `SessionRefused` for a board of another session.
        """
        self._check_board(board)
        if self._erased or phase is not board.phase or not isinstance(board.outcome, Running):
            return None
        if self._index not in board.record.expected():
            return b""
        match phase:
            case Phase.COMMIT | Phase.DEAL | Phase.DEFEND | Phase.EXTRACT:
                return self._as_dealer(phase, board)
            case Phase.COMPLAIN:
                dealers = board.record.dealing
                return encode_indices(i for i in dealers if self._pair(i, board) is None)
            case Phase.ACCUSE:
                return encode_pairs(self._evidence(board))
            case Phase.RECONSTRUCT:
                held = {dealer: self._pair(dealer, board) for dealer in board.record.caught}
                return encode_pairs({i: pair for i, pair in held.items() if pair is not None})
            case Phase.CONFIRM:
                return self._confirmation(board)
            case _:
                assert_never(phase)

    def share(self, board: Board) -> EvaluatorShare:
        """This holder's share of the new sharing, once the board is in CONFIRM or done.

        Raises `ShareUnavailable` if it is too early, the ceremony failed, the party is no holder,
        or it lacks its old share or a dealer's pair (a dealer sent it a wrong one while it was away
        and could not complain: only a reshare helps). Raises `SessionRefused` as `to_post`.
        """
        self._check_board(board)
        result = board.record.result
        if isinstance(board.outcome, Failed) or result is None:
            raise ShareUnavailable("the ceremony has no result")
        if self._index > self._session.holders or self._erased:
            raise ShareUnavailable("this party is no holder, or has erased its state")
        values = {dealer: self._value(dealer, board, result) for dealer in result.dealers}
        missing = tuple(dealer for dealer, value in values.items() if value is None)
        if missing:
            raise ShareUnavailable("no good pair", missing)
        total = self._start()
        for dealer, value in values.items():
            if value is not None:
                total = total + result.weights[dealer] * value
        public = result.sharing.key.share_keys[self._index - 1]
        try:
            return EvaluatorShare(self._index, total, public)
        except ThresholdKeyRefused:
            raise ShareUnavailable("the pairs do not add up to the share key") from None

    def _start(self) -> Scalar:
        if self._session.purpose is not Purpose.REFRESH:
            return ZERO
        if self._old is None:
            raise ShareUnavailable("a refresh needs the old share")
        return self._old.secret_share

    def _value(self, dealer: int, board: Board, result: Result) -> Scalar | None:
        """f(j) of a dealer that is in the result, if this holder has it."""
        if dealer in result.opened:
            return result.opened[dealer].share(self._index).value
        pair = self._pair(dealer, board)
        return None if pair is None else pair.value

    def _as_dealer(self, phase: Phase, board: Board) -> bytes | None:
        dealing = self._dealing
        if dealing is None:
            return None
        if phase is Phase.COMMIT:
            return dealing.commit_post
        if board.record.commits.get(self._index) != dealing.commit_post:
            return None
        if phase is Phase.DEAL:
            return dealing.deal_post
        if phase is Phase.EXTRACT:
            return dealing.extract_post
        holders = board.record.complaints[self._index]
        return encode_pairs({holder: dealing.pair(holder) for holder in holders})

    def _evidence(self, board: Board) -> dict[int, Pair]:
        """The pairs that show a dealer's Feldman commitments wrong.

        Dealer by dealer and not in one sum: errors of two dealers may cancel in the sum, and when a
        third party then accuses one of them, the other's error stays in the key.
        """
        evidence = {}
        for dealer, points in board.record.feldman.items():
            pair = self._pair(dealer, board)
            if pair is not None and not feldman_fit(points, {self._index: pair}):
                evidence[dealer] = pair
        return evidence

    def _confirmation(self, board: Board) -> bytes | None:
        result = board.record.result
        try:
            self.share(board)
        except ShareUnavailable:
            return None
        return None if result is None else result.digest

    def _pair(self, dealer: int, board: Board) -> Pair | None:
        """The pair a dealer meant for this holder: published, or sealed and fitting; or nothing."""
        published = board.record.opened.get(dealer, {}).get(self._index)
        if published is not None:
            return published
        cached = (dealer, board.record.commits[dealer])
        if cached not in self._pairs:
            self._pairs[cached] = self._open(dealer, board)
        return self._pairs[cached]

    def _open(self, dealer: int, board: Board) -> Pair | None:
        if self._sealing is None:
            return None
        sealed = board.record.deals[dealer].sealed_for(self._index)
        info = seal_info(self._session, dealer, self._index)
        try:
            pair = decode_pair(self._sealing.open(info, sealed))
        except (SealRefused, EncodingRefused):
            return None
        return pair if board.record.pedersen[dealer].fits(self._index, pair) else None

    def _check_board(self, board: Board) -> None:
        if board.session.digest != self._session.digest:
            raise SessionRefused("the board is of another session")


def _check_old_share(session: Session, party: int, share: EvaluatorShare | None) -> None:
    if share is None:
        return
    index = session.old_index(party)
    if session.old is None or index is None:
        raise SessionRefused(f"party {party} holds no share of the old sharing")
    if share.index != index or share.public_share != session.old.key.share_keys[index - 1]:
        raise SessionRefused(f"the old share of party {party} is not of the old sharing")
