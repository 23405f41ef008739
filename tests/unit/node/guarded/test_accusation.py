"""Wrong evaluations as cases: what convinces, what does not, and how a case reaches the ledger."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Digest, Epoch, MemberId
from bulwark.ledger.signing import SigningDomain, SigningKey
from bulwark.privacy import oprf
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.group import multiply_base, random_scalar
from bulwark.privacy.query import EvaluationRequest, Scope, answer
from bulwark.privacy.sharing import split
from bulwark.privacy.threshold import Evaluation, EvaluatorShare, ThresholdKey, evaluate
from contracts.evidence import MAX_FILED_BYTES, encode_unverified
from contracts.members import member_id_bytes
from contracts.privacy.ceremony import MAX_SHARING_BYTES
from node.guarded.accusation import KIND, WrongEvaluation
from node.guarded.accuser import (
    MAX_HANDED,
    MAX_OWN,
    MAX_TRIES,
    RETRY_MS,
    SAME_HELPER,
    AccusationRefused,
    Accuser,
    AccuserParts,
)
from node.guarded.atrest import AtRest
from node.requests import PeerUnavailable, Topic
from node.storage.durability import Durability
from node.storage.memory import MemoryStore
from tests.nets.misevaluator import wrong
from tests.unit.node.guarded.served_world import FakeLane
from tests.unit.node.guarded.world import deterministic

DOMAIN = SigningDomain(4711, Digest(b"g" * 32), Epoch(0))
NAMES = [MemberId(name) for name in ("bank-a", "bank-b", "bank-c", "tel-d")]
ACCOUNTS = {name: SigningKey(hashlib.sha256(name.encode()).digest()) for name in NAMES}
DRAW = deterministic(b"accusation")


def sharing(seed: bytes = b"deal") -> tuple[LiveSharing, list[EvaluatorShare]]:
    secret = random_scalar(deterministic(b"secret" + seed))
    dealt = split(secret, 3, 4, deterministic(seed))
    keys = tuple(dealt.commitments.share_key(place) for place in range(1, 5))
    live = LiveSharing(
        1, 2, tuple(member_id_bytes(n) for n in NAMES), ThresholdKey(3, multiply_base(secret), keys)
    )
    return live, [EvaluatorShare(s.index, s.value, keys[s.index - 1]) for s in dealt.shares]


LIVE, SHARES = sharing()
CULPRIT = 2
"""Index of the evaluator in question; bank-b."""


def request(count: int = 3, seed: bytes = b"", **changes: object) -> EvaluationRequest:
    draw = deterministic(b"request" + seed)
    values = [
        oprf.blind(oprf.Mode.VOPRF, b"%d" % at, random_scalar(draw)).encoding for at in range(count)
    ]
    made = EvaluationRequest(
        key_id=1, share_epoch=2, scope=Scope.BULK, epoch=9, slot=4, ring_height=64,
        opener_epoch=3, nonce=draw(16), expires_ms=1, reply_key=draw(32), blinded=tuple(values),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def case_of(
    asked: EvaluationRequest,
    bend: Callable[[Evaluation], Evaluation] = lambda good: wrong(good, DRAW),
    signer: SigningKey = ACCOUNTS[NAMES[CULPRIT - 1]],
    live: LiveSharing = LIVE,
) -> WrongEvaluation:
    given = bend(evaluate(SHARES[CULPRIT - 1], asked.blinded, DRAW))
    said = answer(asked, given, DOMAIN, signer)
    return WrongEvaluation(b"\x05" * 32, bytes(32) + live.encode(), asked.encode(), said.encode())


def reason(case: WrongEvaluation) -> str | None:
    return case.refuted(DOMAIN, ACCOUNTS[case.culprit].address)


BENT: dict[str, Callable[[Evaluation], Evaluation]] = {
    "an element": lambda good: wrong(good, DRAW),
    "the proof": lambda good: replace(good, proof=bytes(64)),
    "no proof": lambda good: replace(good, proof=b"\xff" * 64),
    "too few": lambda good: replace(good, elements=good.elements[:-1]),
    "no element": lambda good: replace(good, elements=(b"\xff" * 32, *good.elements[1:])),
    "swapped": lambda good: replace(good, elements=good.elements[::-1]),
}


@pytest.mark.parametrize("name", BENT)
def test_every_wrong_answer_convicts_its_signer_and_nobody_else(name: str) -> None:
    case = case_of(request(), BENT[name])
    assert (case.culprit, reason(case)) == ("bank-b", None)
    assert WrongEvaluation.decode(case.encode()) == case
    for other in ("bank-a", "bank-c", "tel-d"):
        account = ACCOUNTS[MemberId(other)].address
        assert case.refuted(DOMAIN, account) == "the holder did not sign the answer"
    assert (
        case.refuted(dataclasses.replace(DOMAIN, chain_id=1), ACCOUNTS[case.culprit].address)
        is not None
    )
    assert case.refuted(DOMAIN, None) == "the holder has no account"


def test_an_honest_answer_convicts_nobody_whatever_is_put_beside_it() -> None:
    asked = request()
    good = case_of(asked, lambda good: good)
    assert reason(good) == "the answer is right"
    moved = replace(asked, blinded=asked.blinded[::-1])
    for other in (moved, replace(asked, nonce=bytes(16)), replace(asked, slot=5)):
        bent = dataclasses.replace(good, request=other.encode())
        assert reason(bent) == "the answer is for another request"
    for foreign in (replace(asked, key_id=2), replace(asked, share_epoch=3)):
        assert reason(dataclasses.replace(good, request=foreign.encode())) is not None
    said = good.said
    for spoilt in (
        replace(said, evaluation=wrong(said.evaluation, DRAW)),
        replace(said, evaluation=replace(said.evaluation, index=3)),
        replace(said, signature=bytes(65)),
    ):
        assert (
            reason(dataclasses.replace(good, answer=spoilt.encode()))
            == "the holder did not sign the answer"
        )


def test_a_question_that_nobody_may_answer_convicts_nobody() -> None:
    case = case_of(request())
    asked = replace(case.asked, blinded=(b"\xff" * 32, *case.asked.blinded[1:]))
    said = answer(asked, case.said.evaluation, DOMAIN, ACCOUNTS[case.culprit])
    bent = dataclasses.replace(case, request=asked.encode(), answer=said.encode())
    assert reason(bent) == "the request holds what no evaluator answers"


def test_the_largest_case_fits_the_ledger() -> None:
    encoded = case_of(request(256)).encode()
    largest = len(encoded) - len(LIVE.encode()) - 32 + MAX_SHARING_BYTES
    assert largest <= MAX_FILED_BYTES


@pytest.mark.parametrize(
    "bend",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"\x05" + raw[1:],
        lambda raw: bytes(MAX_FILED_BYTES + 1),
        lambda raw: b"",
    ],
)
def test_bytes_that_are_no_case_are_refused(bend: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError):
        WrongEvaluation.decode(bend(case_of(request()).encode()))


@dataclass
class Book:
    """What the ledger has."""

    filed: set[Digest] = field(default_factory=set)
    posted: dict[Digest, Digest] = field(default_factory=dict)

    def has(self, case: WrongEvaluation) -> bool:
        return case.id in self.filed

    async def follow(self) -> int:
        return 0

    def mark_posted(self, case: WrongEvaluation, transaction: Digest) -> dict[bytes, bytes | None]:
        self.posted[case.id] = transaction
        return {}


class Judge:
    """Judges as the book does where the ledger knows the sharing."""

    def __init__(self, known: LiveSharing = LIVE) -> None:
        self.known = known

    async def of(self, case: WrongEvaluation) -> bool:
        return case.sharing == self.known and reason(case) is None


class Net:
    """The accusers of all members."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.sent: list[tuple[MemberId, MemberId]] = []
        self.down: set[MemberId] = set()
        self.book = Book()
        self.members = {name: self.member(name) for name in NAMES}

    def member(self, name: MemberId) -> Accuser:
        store = MemoryStore()
        lane = FakeLane(store)
        parts = AccuserParts(
            own=name,
            mesh=_Mesh(self, name),
            store=store,
            at_rest=AtRest(name.encode().ljust(32, b"."), b"accusations", deterministic(b"rest")),
            durability=Durability(store),
            lane=lane,
            book=self.book,  # type: ignore[arg-type]
            judgement=Judge(),  # type: ignore[arg-type]
            members=lambda: len(NAMES),
            delay_ms=600_000,
            random_bytes=deterministic(b"helper" + name.encode()),
            wall_ms=lambda: self.now_ms,
        )
        return Accuser(parts)

    async def follow(self, ms: int = 0) -> None:
        self.now_ms += ms
        for accuser in self.members.values():
            await accuser.follow()

    def lane(self, name: str) -> FakeLane:
        lane = self.members[MemberId(name)]._parts.lane
        assert isinstance(lane, FakeLane)
        return lane

    @property
    def filers(self) -> list[str]:
        return [name for name in NAMES if self.lane(name).sent]


class _Mesh:
    def __init__(self, net: Net, own: MemberId) -> None:
        self._net, self._own = net, own

    def connected(self) -> list[MemberId]:
        return [name for name in NAMES if name != self._own and name not in self._net.down]

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        assert topic is Topic.ACCUSE
        self._net.sent.append((self._own, member))
        if member in self._net.down:
            raise PeerUnavailable(member, "down")
        try:
            return await self._net.members[member].serve(self._own, body)
        except ValueError as error:
            raise PeerUnavailable(member, "refused") from error


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    made = Net()
    yield made
    for accuser in made.members.values():
        accuser._parts.durability.close()


ASKER, CHEAT, RELAY, OTHER = (MemberId(n) for n in ("bank-a", "bank-b", "bank-c", "tel-d"))


async def test_the_relay_files_after_a_random_wait_and_the_asker_never(net: Net) -> None:
    case = case_of(request())
    net.members[ASKER].note(case, RELAY)
    net.members[ASKER].note(case, RELAY)
    assert net.members[ASKER].pending() == [case]
    await net.follow()
    assert net.sent == [(ASKER, RELAY)]
    assert net.filers == []
    await net.follow(600_000)
    assert net.filers == [RELAY]
    (made,) = net.lane(RELAY).sent
    assert made.data == encode_unverified(member_id_bytes(CHEAT), KIND, case.encode())
    net.book.filed.add(case.id)
    await net.follow(600_000)
    assert net.members[ASKER].pending() == []
    assert len(net.lane(RELAY).sent) == 1
    await net.follow(10_000_000)
    assert (len(net.sent), net.filers) == (1, [RELAY])


async def test_nothing_of_a_case_is_readable_on_the_disks_of_asker_and_helper(net: Net) -> None:
    case = case_of(request())
    net.members[ASKER].note(case, RELAY)
    await net.follow()
    for name in (ASKER, RELAY):
        store = net.members[name]._parts.store
        stored = b"".join(key + value for key, value in store.iterate(b"u"))
        assert case.request not in stored and case.asked.blinded[0] not in stored
        assert ASKER.encode() not in stored and RELAY.encode() not in stored


async def test_a_helper_that_files_nothing_is_followed_by_another_third_member(net: Net) -> None:
    case = case_of(request())

    async def silent(sender: MemberId, body: bytes) -> bytes:
        return b"\x01"

    net.members[RELAY].serve = silent  # type: ignore[method-assign]
    net.members[ASKER].note(case, RELAY)
    for _ in range(SAME_HELPER):
        await net.follow(600_000 + RETRY_MS)
    assert net.sent == [(ASKER, RELAY)] * SAME_HELPER
    for _ in range(12):
        await net.follow(600_000 + RETRY_MS)
    assert net.filers == [OTHER]
    assert CHEAT not in {receiver for _, receiver in net.sent}


async def test_a_case_that_nobody_takes_is_given_up_after_some_tries(net: Net) -> None:
    net.down |= {RELAY, OTHER}
    net.members[ASKER].note(case_of(request()), RELAY)
    for _ in range(MAX_TRIES + 1):
        await net.follow(RETRY_MS)
    assert net.members[ASKER].pending() == []
    assert net.filers == []


async def test_what_proves_nothing_is_neither_kept_nor_filed(net: Net) -> None:
    foreign, _ = sharing(b"another")
    helper = net.members[RELAY]
    for case in (
        case_of(request(), lambda good: good),
        case_of(request(), signer=ACCOUNTS[OTHER]),
        case_of(request(), live=foreign),
    ):
        with pytest.raises(AccusationRefused):
            await helper.serve(ASKER, case.encode())
    with pytest.raises(AccusationRefused):
        await helper.serve(ASKER, b"\x06")
    with pytest.raises(AccusationRefused):
        await net.members[CHEAT].serve(ASKER, case_of(request()).encode())
    await net.follow(600_000)
    assert net.filers == []


async def test_cases_on_their_way_are_bounded(net: Net) -> None:
    cases = [case_of(request(1, b"%d" % at)) for at in range(MAX_HANDED + 1)]
    for case in cases:
        net.members[ASKER].note(case, RELAY)
    assert len(net.members[ASKER].pending()) == MAX_OWN
    for case in cases[:MAX_HANDED]:
        await net.members[RELAY].serve(ASKER, case.encode())
        await net.members[RELAY].serve(ASKER, case.encode())
    with pytest.raises(AccusationRefused, match="too many"):
        await net.members[RELAY].serve(ASKER, cases[-1].encode())


async def test_in_an_alliance_of_two_the_asker_files(net: Net) -> None:
    accuser = net.members[ASKER]
    accuser._parts = replace(accuser._parts, members=lambda: 2)
    accuser.note(case_of(request()), None)
    await net.follow()
    assert net.filers == [ASKER]
