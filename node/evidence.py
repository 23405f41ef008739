"""Evidence as bytes and as a document: what a node stores, serves and anybody verifies offline.

Layout of the bytes: 1 byte kind, 8 bytes epoch, then the signed messages in order, each with its
length; SHA-256 of the bytes is the id. Rules: one case has one encoding; a decoder checks kinds and
counts before it builds anything, so what it returns is well-formed and `holds` says whether it is
true. Pure: no clock, no disk, no network; the store is `node.evidence_book`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar, assert_never, cast

from msgspec import Struct

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import MAX_EPOCH_CHANGES, EpochChange, follow
from bulwark.ledger.errors import DecodeError, LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Epoch, Height, MemberId
from bulwark.ledger.limits import MAX_VALIDATORS
from consensus.config import Config
from consensus.errors import ConfigInvalid
from consensus.evidence import (
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    Evidence,
    ForgottenCommit,
    WrongNewView,
)
from consensus.messages import (
    MAX_MESSAGE_BYTES,
    Message,
    NewView,
    ViewChange,
    Vote,
    decode_message,
    encode_message,
)
from consensus.terms import Terms
from consensus.types import MAX_WINDOW
from node.guarded.accusation import KIND as WRONG_EVALUATION
from node.guarded.accusation import LABEL as WRONG_EVALUATION_LABEL
from node.guarded.accusation import WrongEvaluation

FORMAT: Final = "bulwark-evidence/1"
MAX_EVIDENCE_BYTES: Final = 16 * 1024 * 1024
"""A wrong NEW-VIEW with the VIEW-CHANGEs of a large alliance; everything else is far smaller."""
KINDS: Final[dict[int, str]] = {
    1: "double-vote",
    2: "wrong-new-view",
    3: "double-view-change",
    4: "double-new-view",
    5: "forgotten-commit",
    WRONG_EVALUATION: WRONG_EVALUATION_LABEL,
}
"""Number on the wire to its word; a number is never used again for another kind."""
_T = TypeVar("_T", bound=Message)


class EvidenceInvalid(Exception):
    """A piece of evidence can not be read, or does not prove what it claims."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class Case(Struct, frozen=True):
    """A piece of evidence with the epoch whose terms it is checked against."""

    epoch: Epoch
    evidence: Evidence

    @property
    def kind(self) -> int:
        """Number of its kind."""
        match self.evidence:
            case DoubleVote():
                return 1
            case WrongNewView():
                return 2
            case DoubleViewChange():
                return 3
            case DoubleNewView():
                return 4
            case ForgottenCommit():
                return 5
            case _:
                assert_never(self.evidence)

    @property
    def label(self) -> str:
        """Word of its kind."""
        return KINDS[self.kind]

    def encode(self) -> bytes:
        """Canonical bytes."""
        writer = Writer().uint(self.kind, 1).uint(self.epoch, 8)
        writer.sequence(self.evidence.messages, lambda w, m: w.blob(encode_message(m)))
        return writer.done()

    @property
    def id(self) -> Digest:
        """SHA-256 of the bytes."""
        return sha256(self.encode())

    def holds(self, terms: Terms | None) -> bool:
        """Whether it proves its claim under the terms of its epoch; False without terms."""
        if terms is None or terms.domain.epoch != self.epoch:
            return False
        return self.evidence.culprit < len(terms.validators) and self.evidence.holds(terms)

    @classmethod
    def decode(cls, data: bytes) -> Case:
        """Inverse of encode(); raises EvidenceInvalid."""
        if len(data) > MAX_EVIDENCE_BYTES:
            raise EvidenceInvalid("evidence", f"{len(data)} bytes, at most {MAX_EVIDENCE_BYTES}")
        try:
            reader = Reader(data, "evidence")
            kind = reader.uint(1, "kind")
            epoch = Epoch(reader.uint(8, "epoch"))
            blobs = reader.sequence(
                "messages", MAX_VALIDATORS + 1, lambda r: r.blob("message", MAX_MESSAGE_BYTES)
            )
            reader.end()
            messages = tuple(decode_message(blob) for blob in blobs)
        except DecodeError as error:
            raise EvidenceInvalid("evidence", str(error)) from error
        return cls(epoch, _evidence(kind, messages))


def _evidence(kind: int, messages: tuple[Message, ...]) -> Evidence:
    match kind:
        case 1:
            return DoubleVote(*_two(messages, Vote, Vote))
        case 2:
            if not messages:
                raise EvidenceInvalid("evidence", "no NEW-VIEW in it")
            changes = tuple(_one(message, ViewChange) for message in messages[1:])
            return WrongNewView(_one(messages[0], NewView), changes)
        case 3:
            return DoubleViewChange(*_two(messages, ViewChange, ViewChange))
        case 4:
            return DoubleNewView(*_two(messages, NewView, NewView))
        case 5:
            return ForgottenCommit(*_two(messages, Vote, ViewChange))
        case 6:
            raise EvidenceInvalid(
                "evidence", "a wrong evaluation is checked against the ledger: ask a node of yours"
            )
        case _:
            raise EvidenceInvalid("evidence", f"{kind} is no kind of evidence")


_A = TypeVar("_A", bound=Message)
_B = TypeVar("_B", bound=Message)


def _two(messages: tuple[Message, ...], first: type[_A], second: type[_B]) -> tuple[_A, _B]:
    if len(messages) != 2:
        raise EvidenceInvalid("evidence", f"{len(messages)} messages, 2 are needed")
    return _one(messages[0], first), _one(messages[1], second)


def _one(message: Message, wanted: type[_T]) -> _T:
    if not isinstance(message, wanted):
        raise EvidenceInvalid(
            "evidence", f"{type(message).__name__} where {wanted.__name__} is needed"
        )
    return message


class EvidenceEntry(Struct, frozen=True):
    """A stored case as the node shows it."""

    case: Case | WrongEvaluation
    culprit: MemberId
    """Member behind the culprit's position in that epoch; its number if that is not known."""
    node: str
    """Vote address (of a wrong evaluation the account) that signed, 0x-hex; empty if not known."""
    holds: bool
    """Whether it verifies here."""
    posted: str = ""
    """Hash of the transaction that posted it to the ledger, 0x-hex; empty if this node did not."""
    changes: tuple[EpochChange, ...] = ()
    """How the validators of its epoch follow from genesis; empty for epoch 0."""
    ledger_case: bytes | None = None
    """Id under which the ledger files it, once it is posted; None where that is not known."""


def summary(entry: EvidenceEntry) -> dict[str, object]:
    """One line of the list."""
    case = entry.case
    if isinstance(case, Case):
        kind, epoch, index = case.label, int(case.epoch), int(case.evidence.culprit)
    else:
        kind, epoch = WRONG_EVALUATION_LABEL, case.sharing.share_epoch
        index = case.said.evaluation.index - 1
    return {
        "id": case.id.hex(),
        "kind": kind,
        "epoch": epoch,
        "culprit": entry.culprit,
        "culprit_index": index,
        "node": entry.node,
        "holds": entry.holds,
        "posted": entry.posted or None,
        "ledger_case": None if entry.ledger_case is None else entry.ledger_case.hex(),
    }


def document(entry: EvidenceEntry) -> dict[str, object]:
    """The whole case; `bulwark evidence verify` reads this."""
    messages = (
        [
            {**message_fields(message), "encoded": encode_message(message).hex()}
            for message in entry.case.evidence.messages
        ]
        if isinstance(entry.case, Case)
        else evaluation_fields(entry.case)
    )
    encoded = entry.case.encode().hex()
    changes = [change.write(Writer()).done().hex() for change in entry.changes]
    return {
        "format": FORMAT,
        **summary(entry),
        "messages": messages,
        "encoded": encoded,
        "epoch_changes": changes,
    }


def evaluation_fields(case: WrongEvaluation) -> list[dict[str, object]]:
    """Request and answer of a wrong evaluation in words."""
    asked, said = case.asked, case.said
    return [
        {
            "type": "EVALUATION-REQUEST",
            "key_id": asked.key_id,
            "share_epoch": asked.share_epoch,
            "elements": len(asked.blinded),
            "encoded": case.request.hex(),
        },
        {
            "type": "EVALUATION-ANSWER",
            "request": said.request.hex(),
            "index": said.evaluation.index,
            "elements": len(said.evaluation.elements),
            "signature": said.signature.hex(),
            "encoded": case.answer.hex(),
        },
    ]


def message_fields(message: Message) -> dict[str, object]:
    """A signed message in words; digests as hex."""
    match message:
        case Vote(subject=subject, signer=signer, signature=signature):
            return {
                "type": subject.kind.name,
                "view": subject.view,
                "height": subject.height,
                "digest": subject.digest.hex(),
                "signer": signer,
                "signature": signature.hex(),
            }
        case ViewChange():
            prepared = [
                {
                    "height": certificate.subject.height,
                    "view": certificate.subject.view,
                    "digest": certificate.subject.digest.hex(),
                }
                for certificate in message.prepared
            ]
            checkpoint = message.checkpoint
            return {
                "type": "VIEW-CHANGE",
                "view": message.view,
                "checkpoint": None if checkpoint is None else checkpoint.subject.height,
                "prepared": prepared,
                "signer": message.signer,
                "signature": message.signature.hex(),
            }
        case NewView():
            return {
                "type": "NEW-VIEW",
                "view": message.view,
                "view_changes": [
                    {"signer": signer, "hash": digest.hex()}
                    for signer, digest in message.view_changes
                ],
                "digests": [digest.hex() for digest in message.digests],
                "signer": message.signer,
                "signature": message.signature.hex(),
            }
        case _:
            return {"type": type(message).__name__}


def case_of_file(data: bytes) -> tuple[Case | WrongEvaluation, tuple[EpochChange, ...]]:
    """The case in a file, and the epoch changes before it: its bytes, or the JSON document.

    Raises EvidenceInvalid.
    """
    if data[:1] not in (b"{", b" ", b"\n"):
        return _decoded(data), ()
    try:
        found = cast("dict[str, Any]", jf.loads(data, jf.MAX_DEPTH))
        encoded = bytes.fromhex(found["encoded"])
        changes = [bytes.fromhex(change) for change in found.get("epoch_changes", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceInvalid("file", 'a JSON object with "encoded" in hex is needed') from error
    if len(changes) > MAX_EPOCH_CHANGES:
        raise EvidenceInvalid("file", f"{len(changes)} epoch changes, at most {MAX_EPOCH_CHANGES}")
    try:
        return _decoded(encoded), tuple(_change(change) for change in changes)
    except LedgerError as error:
        raise EvidenceInvalid("epoch changes", str(error)) from error


def _decoded(data: bytes) -> Case | WrongEvaluation:
    if data[:1] != bytes((WRONG_EVALUATION,)):
        return Case.decode(data)
    try:
        return WrongEvaluation.decode(data)
    except LedgerError as error:
        raise EvidenceInvalid("evidence", str(error)) from error


def _change(data: bytes) -> EpochChange:
    reader = Reader(data, "epoch change")
    change = EpochChange.read(reader)
    reader.end()
    return change


def genesis_terms(genesis: Genesis) -> Terms:
    """Terms of epoch 0, which the genesis document fixes; raises EvidenceInvalid."""
    try:
        window = Config(checkpoint_interval=genesis.consensus.checkpoint_interval).window
    except ConfigInvalid as error:
        raise EvidenceInvalid("genesis", str(error)) from error
    return Terms(genesis.validator_set, genesis.domain(), window, Height(0))


def terms_after(genesis: Genesis, changes: Sequence[EpochChange]) -> Terms:
    """Terms of the epoch that these proven changes lead to; raises EvidenceInvalid.

    What governance set is not followed, so the window of a later epoch is the widest there is.
    """
    if not changes:
        return genesis_terms(genesis)
    try:
        found = follow(genesis, changes)
    except LedgerError as error:
        raise EvidenceInvalid("epoch changes", str(error)) from error
    return Terms(found.validators, found.domain, MAX_WINDOW, found.start)


def verify_case(
    case: Case, genesis: bytes, changes: Sequence[EpochChange] = ()
) -> dict[str, object]:
    """What a case shows to somebody who trusts nothing but the genesis document.

    `changes` lead from genesis to the case's epoch. Raises EvidenceInvalid when it does not hold.
    """
    try:
        trusted = Genesis.from_json(genesis)
    except LedgerError as error:
        raise EvidenceInvalid("genesis", str(error)) from error
    terms = terms_after(trusted, changes)
    if case.epoch != terms.domain.epoch:
        raise EvidenceInvalid(
            "epoch", f"it is of epoch {case.epoch}, proven is epoch {terms.domain.epoch}"
        )
    if not case.holds(terms):
        raise EvidenceInvalid("evidence", "the signed messages do not prove it")
    culprit = terms.validators.validators[case.evidence.culprit]
    return {
        "kind": case.label,
        "epoch": case.epoch,
        "culprit": culprit.member,
        "node": f"0x{culprit.address.hex()}",
        "alliance": trusted.alliance,
        "genesis_hash": trusted.hash.hex(),
        "id": case.id.hex(),
    }
