"""A real chain in one process: two validator sets, records, a dispute, an erasure, and its pack.

Four members; charlie is voted out of the validators, so that epoch 1 is voted by three. Alpha
reports and has one record erased by its own order, bravo disputes another. Delta, the regulator,
makes the packs. Nothing here is faked: blocks are executed, certificates signed, packs made from
the store as a node makes them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from bulwark.audit.packwriter import Maker
from bulwark.ledger.header import Header
from bulwark.ledger.ids import (
    Address,
    Digest,
    Height,
    MemberId,
    RecordId,
    TimestampMs,
    ValidatorIndex,
    View,
)
from bulwark.ledger.lifecycle import REFERENCE_KIND, Operation, reference_tag
from bulwark.ledger.record import Record, RecordPayload
from bulwark.ledger.sidecar import Sidecar
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
from bulwark.verifier.pack import Expectations, PackVerdict, verify_pack
from contracts.actions import SetRoles
from contracts.bindings import RECORD_REGISTRY, encode_anchor
from contracts.governance import GOVERNANCE, encode_approve, encode_propose
from contracts.members import Role, member_id_bytes
from node.audit.packing import pack_from
from node.audit.packport import PackWish
from node.storage import schema
from node.storage.seal import seal
from tests.unit.node.driver.test_epochs import governed
from tests.unit.node.execution.alliance import (
    ACCOUNTS,
    NAMES,
    VOTE_KEYS,
    Node,
    call,
    make_sidecar,
)

ALPHA, BRAVO, CHARLIE, DELTA = range(4)
POLICY = b'{"name":"test policy"}'
POLICY_ID = sha256(POLICY).digest()
"""What every batch here is reported under."""
AT_MS = TimestampMs(1_800_000_000_000)
KEY_OF = {key.address: key for key in VOTE_KEYS}


@dataclass(frozen=True)
class Scene:
    """The chain and what stands on it."""

    node: Node
    disputed: RecordId
    erased: RecordId
    epoch_end: Height
    erase_height: Height


def certify(node: Node, header: Header, *, epoch: int | None = None) -> Certificate:
    """By every validator of the header's epoch, or of another one."""
    number = header.epoch if epoch is None else epoch
    terms = node.executor.epochs.number(number).terms
    subject = VoteSubject(VoteKind.CHECKPOINT, View(0), header.height, header.hash())
    digest = subject.signing_digest(terms.domain)
    votes = {
        ValidatorIndex(i): KEY_OF[v.address].sign(digest)
        for i, v in enumerate(terms.validators.validators)
    }
    return Certificate.assemble(subject, votes, terms.validators.quorum)


def report(node: Node, member: int, *sidecars: Sidecar) -> Height:
    """One block with the batches of one member."""
    nonce = node.executor.nonce(ACCOUNTS[member].address)
    sent = [
        call(
            ACCOUNTS[member],
            nonce + i,
            Address(RECORD_REGISTRY),
            encode_anchor(each.root, each.count, 1, POLICY_ID),
        )
        for i, each in enumerate(sidecars)
    ]
    block = node.block(*sent, sidecars=sidecars, final=False)
    assert all(receipt.succeeded for receipt in block.receipts)
    return block.header.height


def about(subject: bytes, operation: Operation, seed: str) -> Record:
    """A follow-up."""
    payload = RecordPayload(
        operation=operation, kind=REFERENCE_KIND, reason=1, previous_record=RecordId(subject)
    )
    return Record.of(sha256(seed.encode()).digest(), reference_tag(subject), payload)


def erase(node: Node, sidecar: Sidecar, index: int) -> None:
    """What a node does when an order is final: the leaf is all that stays on its disk."""
    key = schema.sidecar(sidecar.root)
    node.store.write({key: seal(key, sidecar.erase(index).encode())}, sync=True)


def vote(node: Node, member: int, data: bytes) -> None:
    nonce = node.executor.nonce(ACCOUNTS[member].address)
    sent = call(ACCOUNTS[member], nonce, Address(GOVERNANCE), data, gas=2_000_000)
    assert node.block(sent, final=False).receipts[0].succeeded


def vote_out(node: Node, member: int) -> Height:
    """Into the next epoch, without this validator; last height of the old one."""
    lapses_s = node.chain.tip.timestamp_ms // 1000 + 86_400
    change = SetRoles(member_id_bytes(NAMES[member]), Role.REPORTER)
    vote(node, ALPHA, encode_propose(change, lapses_s))
    vote(node, BRAVO, encode_approve(1))
    vote(node, DELTA, encode_approve(1))
    while node.executor.epochs.current.number == 0:
        node.block(final=False)
    return node.chain.applied


@cache
def scene() -> Scene:
    """The chain; tests only read it."""
    node = Node(genesis=governed())
    first, second = make_sidecar(4, "first"), make_sidecar(3, "second")
    report(node, ALPHA, first, make_sidecar(1, "beside"))
    report(node, BRAVO, make_sidecar(2, "of bravo"))
    epoch_end = vote_out(node, CHARLIE)
    report(node, ALPHA, second)
    disputed, erased = RecordId(second.leaves[0]), RecordId(first.leaves[2])
    said = (about(disputed, Operation.DISPUTE, "d"), *make_sidecar(1, "same batch").entries)
    report(node, BRAVO, Sidecar(said))
    order = about(erased, Operation.ERASE, "e")
    ordered = Sidecar((order,))
    erase_height = report(node, ALPHA, ordered)
    report(node, BRAVO, Sidecar((about(ordered.root, Operation.CONFIRM, "c"),)))
    node.block(final=False)
    node.block(final=False)
    for height in range(1, node.chain.applied + 1):
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    erase(node, first, 2)
    return Scene(node, disputed, erased, epoch_end, erase_height)


def maker(node: Node, member: int = DELTA, key: SigningKey | None = None) -> Maker:
    """A member's node as the maker of packs."""
    return Maker(
        genesis=node.genesis,
        member=MemberId(NAMES[member]),
        key=key or VOTE_KEYS[member],
        tool_version="0.1.0",
    )


def policy_of(policy: Digest) -> bytes | None:
    return POLICY if policy == POLICY_ID else None


def _account(member: MemberId) -> Address:
    return ACCOUNTS[NAMES.index(member)].address


def packed(wish: PackWish = PackWish(), member: int = DELTA, at: Scene | None = None) -> bytes:
    """A pack as a member's node makes it."""
    node = (at or scene()).node
    view = node.store.snapshot()
    try:
        made = pack_from(
            view,
            maker(node, member),
            wish,
            AT_MS,
            account=None if wish.reporter is None else _account(wish.reporter),
            policy_of=policy_of,
            evidence={Digest(sha256(b"case").digest()): b'{"kind":"equivocation"}'},
        )
        data = b"".join(made.chunks())
        assert len(data) == made.size
        return data
    finally:
        view.close()


def verified(data: bytes, expected: Expectations = Expectations()) -> PackVerdict:
    """Against the alliance's genesis document."""
    return verify_pack(io.BytesIO(data), scene().node.genesis, expected)
