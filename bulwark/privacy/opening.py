"""Opening a query: t of the council and the regulator together find who asked.

Council member i holds a share s_i (S_i = s_i*G) and gives D_i = s_i*E1; the regulator gives
D_reg = sk_reg*E1; Y = E2 - D_reg - sum of lambda_i*D_i is the ring key of whoever asked. Each part
carries a proof that its maker used its registered key on this E1 (DLEQ of RFC 9497, context of its
own), so a wrong part names its maker and the result convinces a court. Neither side learns anything
alone: without D_reg, or with t-1 of the council, Y stays hidden behind a key nobody has.

Rules owned here: a part is made for a case and never for loose points (`openingcase` says what the
caller must have checked before); a part of one case proves nothing in another; a part of the
council travels sealed to the regulator, bound to case and holder, and the ledger holds a commitment
to it; every part is checked before it is combined. It does not decide whether a case may be opened
and does not count votes.

A part for E1 stays good for the mathematics whatever its proof is bound to: who collects t parts
and the regulator's opens this E1. So parts are secrets until the case closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from bulwark.privacy import sealing, sigma
from bulwark.privacy.errors import (
    BadPartial,
    CaseRefused,
    EncodingRefused,
    OpensToNobody,
    SealRefused,
    TooFewPartials,
)
from bulwark.privacy.group import (
    ELEMENT_BYTES,
    Element,
    RandomBytes,
    Scalar,
    decode_element,
    multiply,
    weighted_sum,
)
from bulwark.privacy.memberkeys import RegulatorSecret
from bulwark.privacy.openingcase import OpeningCase
from bulwark.privacy.sealing import SealingKey, sealing_info
from bulwark.privacy.sharing import lagrange_at_zero
from bulwark.privacy.threshold import EvaluatorShare
from bulwark.privacy.transcript import Transcript

REGULATOR_INDEX: Final = 0
"""Stands for the regulator where parts are counted; no holder of a share has it."""
PARTIAL_BYTES: Final = 1 + ELEMENT_BYTES + sigma.PROOF_BYTES
COMMITMENT_BYTES: Final = 32

_COUNCIL: Final = b"Bulwark-v1-opening-council-"
_REGULATOR: Final = b"Bulwark-v1-opening-regulator-"
_COMMITMENT: Final = b"Bulwark-v1-opening-partial"
_SEAL_PURPOSE: Final = b"opening-partial"


class PartialOpening(Struct, frozen=True):
    """One part as it travels: index of its maker (0 the regulator), D of 32 bytes, 64-byte proof.

    Nothing of it is decoded yet: `check_partial` does that, so that a bad part names its maker.
    """

    index: int
    element: bytes
    proof: bytes

    def encode(self) -> bytes:
        """97 bytes: index | D | proof."""
        return bytes((self.index,)) + self.element + self.proof


def decode_partial(encoding: bytes) -> PartialOpening:
    """A part from its 97 bytes; only the length is checked. Raises `EncodingRefused`."""
    if not isinstance(encoding, bytes) or len(encoding) != PARTIAL_BYTES:
        raise EncodingRefused("part of an opening", f"must be {PARTIAL_BYTES} bytes")
    end = 1 + ELEMENT_BYTES
    return PartialOpening(encoding[0], encoding[1:end], encoding[end:])


def partial(case: OpeningCase, share: EvaluatorShare, random_bytes: RandomBytes) -> PartialOpening:
    """A council member's part: D_i = s_i*E1 and its proof.

    Raises `CaseRefused` if the share is not one of the case's council key (an old share epoch,
    another key), `RandomnessRefused`.
    """
    keys = case.opener.council.share_keys
    if share.index > len(keys) or keys[share.index - 1] != share.public_share:
        raise CaseRefused(f"share {share.index} is not one of the council's key of this case")
    context = _context(case, share.index)
    return _make(case, share.index, context, share.secret_share, share.public_share, random_bytes)


def regulator_part(
    case: OpeningCase, secret: RegulatorSecret, random_bytes: RandomBytes
) -> PartialOpening:
    """The regulator's part: D_reg = sk_reg*E1 and its proof.

    Raises `CaseRefused` if the key is not the regulator's of this case, `RandomnessRefused`.
    """
    if secret.public != case.opener.regulator:
        raise CaseRefused("the key is not the regulator's of this case")
    context = _context(case, REGULATOR_INDEX)
    return _make(case, REGULATOR_INDEX, context, secret.secret, secret.public, random_bytes)


def check_partial(case: OpeningCase, part: PartialOpening) -> Element:
    """The element D of a good part, of the council or (index 0) of the regulator.

    Raises `BadPartial`, which names the maker.
    """
    index, council = part.index, case.opener.council
    if index == REGULATOR_INDEX:
        key = case.opener.regulator
    elif 1 <= index <= council.holders:
        key = council.share_keys[index - 1]
    else:
        raise BadPartial(index, f"no such council member, allowed 1 to {council.holders}")
    try:
        element = decode_element(part.element, what="element")
        proof = sigma.decode_proof(part.proof)
    except EncodingRefused as error:
        raise BadPartial(index, str(error)) from None
    if not sigma.verify(_context(case, index), key, [case.statement.e1], [element], proof):
        raise BadPartial(index, "the proof does not hold for its key, this E1 and this case")
    return element


def sort_partials(
    case: OpeningCase, parts: Iterable[PartialOpening]
) -> tuple[tuple[PartialOpening, ...], tuple[BadPartial, ...]]:
    """The good parts of the council in the order of their indices, and the bad ones by name.

    A second part of an index that has a good one is dropped without a word; a part of the
    regulator is no part of the council and comes back as bad.
    """
    good: dict[int, PartialOpening] = {}
    bad: list[BadPartial] = []
    for part in parts:
        if part.index in good:
            continue
        try:
            _check_council_part(case, part)
        except BadPartial as error:
            bad.append(error)
        else:
            good[part.index] = part
    return tuple(good[index] for index in sorted(good)), tuple(bad)


def combine(
    case: OpeningCase, regulators: PartialOpening, parts: Sequence[PartialOpening]
) -> Element:
    """Y = E2 - D_reg - sum of lambda_i*D_i over the t lowest indices of `parts`.

    Every part is checked, also those over t. Raises `BadPartial` for the first that is wrong or
    whose index comes twice, `TooFewPartials`.
    """
    if regulators.index != REGULATOR_INDEX:
        raise BadPartial(regulators.index, "a part of the council in the place of the regulator's")
    from_regulator = check_partial(case, regulators)
    elements: dict[int, Element] = {}
    for part in parts:
        if part.index in elements:
            raise BadPartial(part.index, "its part comes twice")
        elements[part.index] = _check_council_part(case, part)
    needed = case.opener.council.threshold
    if len(elements) < needed:
        raise TooFewPartials(len(elements), needed)
    indices = tuple(sorted(elements)[:needed])
    weights = lagrange_at_zero(indices)
    from_council = weighted_sum(weights, [elements[index] for index in indices])
    return case.statement.e2 - from_regulator - from_council


def find_member(key: Element, ring: Sequence[Element]) -> int:
    """The place (from 0) of an opened key in the ring the statement was proved over.

    Raises `OpensToNobody` if it is in no place, or in more than one (a ring has no duplicates).
    """
    places = [place for place, member in enumerate(ring) if member == key]
    if len(places) != 1 or key.is_identity:
        raise OpensToNobody(len(ring))
    return places[0]


def partial_commitment(case: OpeningCase, part: PartialOpening) -> bytes:
    """What the ledger holds of a part while it is secret, 32 bytes.

    Hiding as long as D is (whoever can not compute D can not test a guess).
    """
    return Transcript(_COMMITMENT).add(case.digest).add(part.encode()).digest()[:COMMITMENT_BYTES]


def seal_partial(case: OpeningCase, part: PartialOpening, regulator_sealing_key: bytes) -> bytes:
    """A part of the council for the regulator's eyes, 145 bytes. Raises `EncodingRefused`."""
    return sealing.seal(regulator_sealing_key, _seal_info(case, part.index), part.encode())


def open_partial(
    case: OpeningCase, key: SealingKey, index: int, commitment: bytes, sealed: bytes
) -> PartialOpening:
    """The checked part that council member `index` sealed and committed to on the ledger.

    Raises `BadPartial`, which names the member, for whatever is wrong with it.
    """
    try:
        part = decode_partial(key.open(_seal_info(case, index), sealed))
    except (SealRefused, EncodingRefused) as error:
        raise BadPartial(index, str(error)) from None
    if part.index != index:
        raise BadPartial(index, f"it sealed a part of index {part.index}")
    if partial_commitment(case, part) != commitment:
        raise BadPartial(index, "it committed to another part")
    _check_council_part(case, part)
    return part


def _check_council_part(case: OpeningCase, part: PartialOpening) -> Element:
    if part.index == REGULATOR_INDEX:
        raise BadPartial(part.index, "the regulator's part among those of the council")
    return check_partial(case, part)


def _context(case: OpeningCase, index: int) -> bytes:
    if index == REGULATOR_INDEX:
        return _REGULATOR + case.digest
    return _COUNCIL + bytes((index,)) + case.digest


def _seal_info(case: OpeningCase, index: int) -> bytes:
    subject = case.digest + index.to_bytes(4, "big")
    return sealing_info(_SEAL_PURPOSE, case.chain_id, case.genesis_hash, subject)


def _make(
    case: OpeningCase,
    index: int,
    context: bytes,
    secret: Scalar,
    public: Element,
    random_bytes: RandomBytes,
) -> PartialOpening:
    inputs = [case.statement.e1]
    outputs = [multiply(secret, case.statement.e1)]
    nonce = sigma.hedged_nonce(context, secret, inputs, random_bytes)
    proof = sigma.prove(context, secret, public, inputs, outputs, nonce)
    return PartialOpening(index, outputs[0].encoding, proof.encode())
