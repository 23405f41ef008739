"""Questions with one thing wrong, by name, and the refusal that each must get."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from bulwark.ledger.ids import Height
from bulwark.privacy.group import Element, multiply_base, random_scalar
from bulwark.privacy.memberkeys import RingSecret, new_ring_key
from bulwark.privacy.query import GuardedRequest, RefusalCode
from bulwark.privacy.ring.moves import commit, respond
from bulwark.privacy.ring.prover import draw_coins
from bulwark.privacy.ring.ristretto import RISTRETTO255, MemberRing, member_ring
from node.guarded.evaluator import MAX_AHEAD_MS
from tests.nets.rogue import Rogue, elements

WRONGS: Final = {
    "expired": RefusalCode.EXPIRED,
    "too far ahead": RefusalCode.EXPIRED,
    "another key": RefusalCode.WRONG_KEY,
    "another share epoch": RefusalCode.WRONG_KEY,
    "epoch before": RefusalCode.WRONG_EPOCH,
    "next epoch": RefusalCode.WRONG_EPOCH,
    "height to come": RefusalCode.FOREIGN_RING,
    "slot past the quota": RefusalCode.NO_SUCH_SLOT,
    "proof of another length": RefusalCode.MALFORMED,
    "proof with a bent point": RefusalCode.MALFORMED,
    "foreign ring": RefusalCode.BAD_PROOF,
    "stranger": RefusalCode.BAD_PROOF,
    "stranger whose links hold": RefusalCode.BAD_PROOF,
    "nobody can open it": RefusalCode.BAD_PROOF,
    "another message": RefusalCode.BAD_PROOF,
    "changed after the proof": RefusalCode.BAD_PROOF,
    "bent proof": RefusalCode.BAD_PROOF,
    "bent element": RefusalCode.MALFORMED,
    "identity": RefusalCode.MALFORMED,
}
"""In the order in which an evaluator looks; only the last two have spent their slot by then."""
SPENDING: Final = frozenset({"bent element", "identity"})


def wrong(rogue: Rogue, case: str, slot: int) -> GuardedRequest:
    """A question for a free slot with one thing wrong; cases of SPENDING take the slots after."""
    if case in _REQUESTS:
        return rogue.prove(rogue.request(slot, **_REQUESTS[case](rogue)))
    if case in SPENDING:
        at = slot + 1 + sorted(SPENDING).index(case)
        return rogue.prove(rogue.request(at, blinded=(_bad_element(case),)))
    return _bad_proof(rogue, case, slot)


_REQUESTS: Final[Mapping[str, Callable[[Rogue], dict[str, Any]]]] = {
    "expired": lambda rogue: {"expires_ms": rogue.now_ms - 1},
    "too far ahead": lambda rogue: {"expires_ms": rogue.now_ms + MAX_AHEAD_MS + 30_000},
    "another key": lambda rogue: {"key_id": rogue.key.key_id + 1},
    "another share epoch": lambda rogue: {"share_epoch": rogue.key.share_epoch + 1},
    "epoch before": lambda rogue: {"epoch": rogue.view.epoch - 1},
    "next epoch": lambda rogue: {"epoch": rogue.view.epoch + 1},
    "height to come": lambda rogue: {"ring_height": Height(10**6)},
    "slot past the quota": lambda rogue: {"slot": 2**32 - 1},
}


def _bad_element(case: str) -> bytes:
    if case == "identity":
        return bytes(32)
    bent = bytearray(elements(1)[0])
    bent[31] |= 0x80
    return bytes(bent)


def _bad_proof(rogue: Rogue, case: str, slot: int) -> GuardedRequest:
    ask, prove = rogue.request(slot), rogue.prove
    good = prove(ask)
    ring, stranger = foreign_ring(rogue)
    match case:
        case "proof of another length":
            return replace(good, proof=good.proof[:-32])
        case "proof with a bent point":
            return replace(good, proof=good.proof[:32] + b"\x80" + good.proof[33:])
        case "foreign ring":
            return prove(ask, ring=ring)
        case "stranger":
            return prove(ask, ring=ring, secret=stranger)
        case "stranger whose links hold":
            return _links_hold(rogue, slot, ring, stranger)
        case "nobody can open it":
            return prove(ask, opener=multiply_base(random_scalar(os.urandom)))
        case "another message":
            return prove(ask, message=bytes(64))
        case "changed after the proof":
            return replace(good, request=rogue.request(slot))
        case "bent proof":
            # The lowest byte of the last scalar, so that it still is one.
            at = len(good.proof) - 32
            last = bytes([good.proof[at] ^ 1])
            return replace(good, proof=good.proof[:at] + last + good.proof[at + 1 :])
    raise AssertionError(case)


def _links_hold(rogue: Rogue, slot: int, ring: MemberRing, who: RingSecret) -> GuardedRequest:
    """The dearest thing to refuse: everything fits together, but nobody of the ring made it."""
    request = rogue.request(slot)
    forged, true = rogue.statement(request, ring=ring), rogue.statement(request)
    place = ring.position(who.public)
    assert place is not None
    transcript = forged.transcript()
    coins = draw_coins(RISTRETTO255, who.secret, ring.digits, transcript, os.urandom)
    move = commit(forged, who.secret, place, coins)
    transcript = true.transcript()
    for element in move.elements():
        transcript.add(element.encoding)
    proof = respond(RISTRETTO255, move, RISTRETTO255.reduce(transcript.digest()))
    return GuardedRequest(request, proof.encode())


def foreign_ring(rogue: Rogue) -> tuple[MemberRing, RingSecret]:
    """The ring with a stranger in another member's place, and the stranger."""
    stranger = new_ring_key(os.urandom)
    assert rogue.view.ring is not None
    keys: list[Element] = list(rogue.view.ring.keys)
    other = next(i for i, key in enumerate(keys) if key != rogue.ring_secret.public)
    keys[other] = stranger.public
    return member_ring(keys), stranger
