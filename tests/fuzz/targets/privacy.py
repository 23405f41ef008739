"""What members and clients send of the privacy protocols: guarded questions, ceremonies, openings.

A decoder refuses with its typed errors or gives a value that encodes to the same bytes; what its
reader does next (verify a proof, check a registration) refuses with typed errors too.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from bulwark.ledger.accesslog import AccessEntry, AccessKind
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.hashing import sha256
from bulwark.privacy.dkg.live import decode_live_sharing
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.posts import decode_deal, decode_indices, decode_pairs
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.exculpation import check_exculpation, decode_exculpation
from bulwark.privacy.memberkeys import check_registration, decode_registration, register
from bulwark.privacy.opening import decode_partial
from bulwark.privacy.query import (
    EvaluationAnswer,
    GuardedRequest,
    RefusalCode,
    Refused,
    decode_reply,
    encode_reply,
)
from bulwark.privacy.ring.ristretto import decode_proof
from bulwark.privacy.ring.verifier import verify
from bulwark.privacy.sealing import SealingKey
from contracts.privacy.membership import (
    MembershipQuestion,
    Refusal,
    decode_membership_question,
    encode_membership_question,
)
from node.guarded.accusation import WrongEvaluation
from node.guarded.envelope import EnvelopeRefused, open_question
from node.guarded.relay import PassRefused, decode_pass, encode_pass
from node.guarded.served import decode_served
from node.openings.statements import (
    Copies,
    Copy,
    Wanted,
    WantedPage,
    decode_copies,
    decode_wanted,
)
from tests.fuzz.structure import UNENCODABLE, change
from tests.fuzz.target import Finding, Target, refusal
from tests.unit.node.guarded.served_world import WORLD, served
from tests.unit.node.guarded.test_accusation import ACCOUNTS, DOMAIN, case_of, request
from tests.unit.privacy.dkg.world import Ceremony, ceremony, names
from tests.unit.privacy.opening_world import stream
from tests.unit.privacy.test_exculpation import CLEARED, QUERY

MEMBERS = 4
CHAIN, MEMBER = 7001, b"\x41" * 32
REFUSED = (LedgerError, PrivacyError, EnvelopeRefused, PassRefused)


@dataclass(frozen=True)
class Form:
    """A decoder, the encoder that must give the same bytes, valid inputs, and what comes next."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    seeds: Callable[[], list[bytes]]
    use: Callable[[Any], object] = lambda value: None


@functools.cache
def _generation() -> Ceremony:
    made = ceremony(Purpose.GENERATE, names(MEMBERS), seed="fuzz")
    made.run()
    return made


def _posts(phase: Phase) -> list[bytes]:
    log = _generation().log
    return [entry[2] for entry in log if isinstance(entry, tuple) and entry[1] is phase]


def _questions() -> list[bytes]:
    proof = served(0, 1).proof.encode()
    return [GuardedRequest(request(n), proof).encode() for n in (1, 8, 40)]


def _padded() -> list[bytes]:
    return [len(data).to_bytes(4, "big") + data + bytes(64) for data in _questions()]


def _case() -> WrongEvaluation:
    return case_of(request())


def _registrations() -> list[bytes]:
    draw = stream("fuzz registration")
    sealing = SealingKey.new(draw).public
    return [register(WORLD.secrets[0], sealing, CHAIN, MEMBER, draw).encode()]


def _partials() -> list[bytes]:
    case = WORLD.case(1)
    return [*(part.encode() for part in WORLD.parts(case, 1, 2)), WORLD.regulators(case).encode()]


def _copies() -> list[bytes]:
    anchorage = WORLD.statement(0).anchorage
    one, other = Copy(served(0, 1), None), Copy(served(1, 2), anchorage)
    return [Copies(()).encode(), Copies((one, other), bytes(44)).encode()]


def _entries() -> list[bytes]:
    return [
        AccessEntry(
            number=number, previous=sha256(b"before"), time_ms=1_800_000_000_000, who="desk-7",
            role="reporter", purpose="fraud_prevention", lawful_basis="legitimate_interests",
            case_ref="C-1" * number, kind=kind, count=number,
        ).encode()
        for number, kind in enumerate(AccessKind, 1)
    ]  # fmt: skip


def _verified(proof: Any) -> None:
    verify(served(0, 1).statement, proof, stream("weights"))


def _taken(data: bytes) -> None:
    """The board takes a post of any bytes or none of it, and never raises."""
    board = _generation().replayed()
    for phase in Phase:
        board.post(1, phase, data)


FORMS: tuple[Form, ...] = (
    Form("guarded question", GuardedRequest.decode, GuardedRequest.encode, _questions),
    Form(
        "evaluation answer",
        EvaluationAnswer.decode,
        EvaluationAnswer.encode,
        lambda: [_case().answer],
        lambda said: said.check_signature(DOMAIN, next(iter(ACCOUNTS.values())).address),
    ),
    Form(
        "reply",
        decode_reply,
        encode_reply,
        lambda: [encode_reply(Refused(code, "why")) for code in RefusalCode],
    ),
    Form(
        "pass",
        decode_pass,
        lambda value: encode_pass(*value),
        lambda: [encode_pass(name, bytes(900)) for name in ACCOUNTS],
    ),
    Form(
        "served statement",
        decode_served,
        lambda value: value.encode(),
        lambda: [served(0, 1).encode()],
        lambda value: value.proven(),
    ),
    Form(
        "ring proof",
        lambda data: decode_proof(data, MEMBERS),
        lambda proof: proof.encode(),
        lambda: [served(0, 1).proof.encode()],
        _verified,
    ),
    Form(
        "registration",
        decode_registration,
        lambda value: value.encode(),
        _registrations,
        lambda value: check_registration(value, CHAIN, MEMBER, ()),
    ),
    Form(
        "wrong evaluation",
        WrongEvaluation.decode,
        WrongEvaluation.encode,
        lambda: [_case().encode()],
        lambda case: case.refuted(DOMAIN, next(iter(ACCOUNTS.values())).address),
    ),
    Form(
        "live sharing",
        decode_live_sharing,
        lambda sharing: sharing.encode(),
        lambda: [_generation().alliance().sharing.encode()],
    ),
    Form(
        "deal",
        lambda data: decode_deal(_generation().session, data),
        lambda post: post.encode(),
        lambda: _posts(Phase.DEAL),
    ),
    Form("partial opening", decode_partial, lambda part: part.encode(), _partials),
    Form("query log answer", decode_copies, Copies.encode, _copies),
    Form(
        "query log request",
        decode_wanted,
        lambda value: value.encode(),
        lambda: [
            Wanted(b"\x11" * 32).encode(),
            Wanted(b"\x11" * 32, b"\x22" * 32).encode(),
            WantedPage(None, 8).encode(),
            WantedPage(bytes(44), 8).encode(),
        ],
    ),
    Form("access entry", AccessEntry.decode, AccessEntry.encode, _entries),
    Form(
        "padded question",
        open_question,
        lambda question: b"",
        _padded,
    ),
    Form("post", lambda data: data, lambda data: data, lambda: _posts(Phase.EXTRACT), _taken),
    Form("indices", decode_indices, lambda value: b"", lambda: [b"", b"\x01\x03", b"\x02"]),
    Form("pairs", decode_pairs, lambda value: b"", lambda: [b"\x01" + bytes(64), b""]),
    Form(
        "exculpation",
        decode_exculpation,
        lambda value: value.encode(),
        lambda: [CLEARED.encode()],
        lambda value: check_exculpation(WORLD.secrets[0].public, QUERY, value),
    ),
)
ONE_WAY = {"padded question", "indices", "pairs"}
"""Forms whose encoder is not looked at: padding, or the inverse is another module's test."""
MEMBERSHIP = len(FORMS)
"""First byte of a membership question, whose decoder answers instead of raising."""


class Privacy(Target):
    """One form each input: its first byte says which."""

    name: ClassVar = "privacy"
    about: ClassVar = "guarded questions, ring proofs, ceremony posts, openings, access entries"
    most_bytes: ClassVar = 32 * 1024

    def seeds(self) -> list[bytes]:
        made = [bytes((n,)) + data for n, form in enumerate(FORMS) for data in form.seeds()]
        proof = served(0, 1).proof.encode()
        question = MembershipQuestion(b"\x01" * 32, 7, b"\x02" * 32, proof)
        return [*made, bytes((MEMBERSHIP,)) + encode_membership_question(question)]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        if not data or data[0] >= len(FORMS) or FORMS[data[0]].name in ONE_WAY:
            return None
        form = FORMS[data[0]]
        with contextlib.suppress(*REFUSED, *UNENCODABLE):
            return data[:1] + form.encode(change(form.decode(data[1:]), rng))
        return None

    def run(self, data: bytes) -> str:
        if not data:
            return "empty"
        if data[0] >= len(FORMS):
            return self._membership(data[1:])
        form, body = FORMS[data[0]], data[1:]
        try:
            value = form.decode(body)
        except REFUSED as error:
            return f"{form.name} {refusal(error)}"
        if form.name not in ONE_WAY and form.encode(value) != body:
            raise Finding(f"{form.name}: decodes, but encodes to other bytes")
        try:
            form.use(value)
        except REFUSED as error:
            return f"{form.name} use {refusal(error)}"
        return f"{form.name} ok"

    def _membership(self, body: bytes) -> str:
        question = decode_membership_question(body)
        if isinstance(question, Refusal):
            return f"membership {question.name}"
        if encode_membership_question(question) != body:
            raise Finding("membership question: decodes, but encodes to other bytes")
        return "membership ok"
