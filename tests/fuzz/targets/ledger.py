"""The ledger's codecs: what is hashed or signed, and the documents that people hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from bulwark.ledger import rlpcodec
from bulwark.ledger.anchor import Anchor
from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height
from bulwark.ledger.proofs import AnchorProof, ConsistencyProof, RecordProof
from bulwark.ledger.receipt import Receipt
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.transaction import Transaction
from bulwark.ledger.votes import Certificate
from genesis.alliance import parse_alliance
from genesis.errors import AllianceInvalid
from tests.fuzz import smallchain
from tests.fuzz.structure import change, change_json
from tests.fuzz.target import Finding, Target, refusal

EXAMPLES = Path(__file__).resolve().parents[3] / "genesis" / "examples"


@dataclass(frozen=True)
class Codec:
    """A decoder, and the encoder that must give the same bytes (or, of JSON, the same value)."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    seeds: Callable[[], list[bytes]]
    form: str = "binary"
    """binary: equal bytes; text: equal values."""
    use: Callable[[Any], object] = lambda value: None
    """What its reader does next; LedgerError allowed."""


def _stored() -> list[Any]:
    chain = smallchain.known().chain
    return [b for h in range(smallchain.BLOCKS + 1) if (b := chain.block(Height(h))) is not None]


def _headers() -> list[bytes]:
    return [block.header.encode() for block in chain_blocks()] + [
        smallchain.known().chain.tip.encode()
    ]


def chain_blocks() -> list[Any]:
    """The sync blocks of the small chain."""
    return list(smallchain.known().chain.sync_blocks(Height(1), 1 << 20))


def _transactions() -> list[bytes]:
    made = [t.raw for number in range(1, 6) for t in smallchain.transactions(number)]
    listed = bytes.fromhex(
        "01f8a60180843b9aca00830186a09411111111111111111111111111111111111111118080f838f7941111"
        "111111111111111111111111111111111111e1a00000000000000000000000000000000000000000000000"
        "00000000000000000080a0" + "11" * 32 + "a0" + "22" * 32
    )
    return [*made, listed]


def _sidecars() -> list[bytes]:
    return [smallchain.sidecar(number).encode() for number in range(1, 6)]


def _payloads() -> list[bytes]:
    found = [RecordPayload(operation=1, kind=1).encode()]
    for number in range(1, 4):
        for entry in smallchain.sidecar(number).entries:
            if isinstance(entry, Record):
                found.append(entry.payload_bytes)
    full = RecordPayload(operation=1, kind=1, fraud_type=2, confidence=80, country=b"DE")
    return [*found, full.encode()]


def _anchors() -> list[Anchor]:
    return [smallchain.known().prover.anchor_of(position) for position in range(3)]


def _record_proofs() -> list[bytes]:
    prover = smallchain.known().prover
    entries = [smallchain.sidecar(number).entries[1] for number in (1, 3)]
    return [prover.record(entry.record_id).to_json() for entry in entries]


def _receipts() -> list[bytes]:
    return [receipt.encode() for block in _stored() for receipt in block.receipts]


def _verify(proof: Any) -> None:
    proof.verify(smallchain.known().genesis)


def _check(transaction: Transaction) -> None:
    transaction.check(smallchain.known().genesis.chain_id, 30_000_000)


def _rlp(data: bytes) -> rlpcodec.Item:
    return rlpcodec.decode(data)


CODECS: tuple[Codec, ...] = (
    Codec("transaction", Transaction.decode, lambda t: t.raw, _transactions, "rlp", _check),
    Codec("batch", Batch.decode, Batch.encode, lambda: [b.batch.encode() for b in chain_blocks()]),
    Codec("header", Header.decode, Header.encode, _headers, use=lambda header: header.hash()),
    Codec("sidecar", Sidecar.decode, Sidecar._encode, _sidecars, use=lambda s: s.root),
    Codec("payload", RecordPayload.decode, RecordPayload.encode, _payloads),
    Codec(
        "certificate",
        Certificate.decode,
        Certificate.encode,
        lambda: [b.checkpoint.encode() for b in chain_blocks() if b.checkpoint is not None],
        use=lambda c: c.verify(
            smallchain.known().genesis.validator_set, smallchain.known().genesis.domain()
        ),
    ),
    Codec("anchor", Anchor.decode, Anchor.encode, lambda: [a.encode() for a in _anchors()]),
    Codec("receipt", Receipt.decode, Receipt.encode, _receipts, "rlp"),
    Codec("rlp", _rlp, rlpcodec.encode, _transactions, "rlp"),
    Codec(
        "record proof", RecordProof.from_json, RecordProof.to_json, _record_proofs, "text", _verify
    ),
    Codec(
        "anchor proof",
        AnchorProof.from_json,
        AnchorProof.to_json,
        lambda: [smallchain.known().prover.anchor_at(1).to_json()],
        "text",
        _verify,
    ),
    Codec(
        "consistency proof",
        ConsistencyProof.from_json,
        ConsistencyProof.to_json,
        lambda: [smallchain.known().prover.consistency(Height(1), Height(4)).to_json()],
        "text",
        _verify,
    ),
    Codec(
        "genesis",
        Genesis.from_json,
        Genesis.to_json,
        lambda: [smallchain.known().genesis.to_json()],
        "text",
        lambda genesis: (genesis.hash, genesis.validator_set),
    ),
)
ALLIANCE = len(CODECS)
"""First byte of an alliance description, which has no encoder."""


class Ledger(Target):
    """One codec each input: its first byte says which."""

    name: ClassVar = "ledger"
    about: ClassVar = "ledger codecs, proofs and genesis as JSON, alliance descriptions as TOML"
    most_bytes: ClassVar = 64 * 1024

    def seeds(self) -> list[bytes]:
        made = [
            bytes((number,)) + data for number, codec in enumerate(CODECS) for data in codec.seeds()
        ]
        texts = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.toml"))]
        return made + [bytes((ALLIANCE,)) + text for text in texts]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        if not data or data[0] >= ALLIANCE:
            return None
        codec, body = CODECS[data[0]], data[1:]
        if codec.form == "text":
            changed = change_json(body, rng)
        elif codec.form == "rlp":
            changed = _change_rlp(body, rng)
        else:
            try:
                changed = codec.encode(change(codec.decode(body), rng))
            except LedgerError:
                return None
        return None if changed is None else data[:1] + changed

    def run(self, data: bytes) -> str:
        if not data:
            return "empty"
        if data[0] >= ALLIANCE:
            return self._alliance(data[1:])
        codec, body = CODECS[data[0]], data[1:]
        try:
            value = codec.decode(body)
        except LedgerError as error:
            return f"{codec.name} {refusal(error)}"
        again = codec.encode(value)
        if codec.form == "text":
            if codec.decode(again) != value:
                raise Finding(f"{codec.name}: the value changes on its way through its own text")
        elif again != body:
            raise Finding(f"{codec.name}: decodes, but encodes to other bytes")
        try:
            codec.use(value)
        except LedgerError as error:
            return f"{codec.name} use {refusal(error)}"
        return f"{codec.name} ok"

    def _alliance(self, body: bytes) -> str:
        try:
            parse_alliance(body, "alliance.toml")
        except AllianceInvalid as error:
            return f"alliance {refusal(error.__cause__ or error)}"
        return "alliance ok"


def _change_rlp(data: bytes, rng: Random) -> bytes | None:
    """The same list with one item changed, lengths right."""
    head = b"" if data[:1] >= b"\xc0" else data[:1]
    try:
        item = rlpcodec.decode(data[len(head) :])
    except LedgerError:
        return None
    return head + rlpcodec.encode(_rlp_change(item, rng))


def _rlp_change(item: rlpcodec.Item, rng: Random) -> rlpcodec.Item:
    if isinstance(item, bytes) or not item or rng.random() < 0.1:
        return rng.choice(
            (b"", b"\x00", b"\x01", b"\xff" * 8, rng.randbytes(20), rng.randbytes(33), (), ((),))
        )
    at = rng.randrange(len(item))
    items = list(item)
    how = rng.randrange(6)
    if how == 0:
        del items[at]
    elif how == 1:
        items[at:at] = [items[at]] * rng.choice((1, 3))
    else:
        items[at] = _rlp_change(items[at], rng)
    return items
