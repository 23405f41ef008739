"""The record of an opening: what a court needs to check, without a node, who asked.

It holds the case (the statement with its Merkle path, the opener's public keys), the regulator's
part, exactly t parts of the council in the order of their indices, and the ring key that results.
One record has one encoding.

Rules owned here: a record is checked against `LedgerFacts` and never against what it says about
itself, since its maker could have made up keys and roots; the resulting key is computed again from
the checked parts. With what the ledger and the archived query give besides, a court checks in this
order: the block that holds the facts (header and certificate), the ring proof of the statement over
that ring with the record's nullifier, E1 and E2 (which shows that E encrypts the asker's own key),
then this record.

It says which ring key asked, and nothing on who held that key at that time: the registration on the
ledger says whose key it is, and not whether it had been stolen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.errors import (
    CaseRefused,
    EncodingRefused,
    InputRefused,
    OpeningRefused,
    ThresholdKeyRefused,
    TooFewPartials,
)
from bulwark.privacy.group import ELEMENT_BYTES, Element
from bulwark.privacy.opening import (
    PARTIAL_BYTES,
    REGULATOR_INDEX,
    PartialOpening,
    combine,
    decode_partial,
    find_member,
    sort_partials,
)
from bulwark.privacy.openingcase import Anchor, Opener, OpeningCase, read_element
from bulwark.privacy.sharing import MAX_HOLDERS

MAX_RESULT_BYTES: Final = 1 << 16
"""More than the largest record: 255 share keys, 255 parts and 24 siblings take about 34 kB."""
_LABEL: Final = b"Bulwark-v1-opening-result"


class LedgerFacts(Struct, frozen=True):
    """What the checker takes from the ledger by itself, and not from the record.

    `opener`: the keys in force when the case was opened, with the council's share keys of the
    sharing the parts were made with; `anchor`: as the evaluator posted it; `ring`: the ring keys at
    the statement's ring height, in the ring's order.
    """

    chain_id: int
    genesis_hash: bytes
    case_id: bytes
    statement_hash: bytes
    opener: Opener
    anchor: Anchor
    ring: tuple[Element, ...]


class OpeningResult(Struct, frozen=True):
    """A finished opening: the case, the parts that were used, and the ring key of whoever asked."""

    case: OpeningCase
    regulator_part: PartialOpening
    partials: tuple[PartialOpening, ...]
    member_key: Element

    def encode(self) -> bytes:
        """The canonical bytes; `decode_result` takes them back."""
        writer = Writer().blob(_LABEL)
        self.case.write(writer)
        writer.fixed(self.regulator_part.encode(), PARTIAL_BYTES)
        writer.sequence(self.partials, lambda out, part: out.fixed(part.encode(), PARTIAL_BYTES))
        return writer.fixed(self.member_key.encoding, ELEMENT_BYTES).done()

    @property
    def result_hash(self) -> bytes:
        """What the ledger holds of the record when the case closes: SHA-256 of its encoding.

        It tells nobody the key: the parts in the record can not be guessed.
        """
        return hashlib.sha256(self.encode()).digest()

    def verify(self, facts: LedgerFacts) -> int:
        """The place in the ring (from 0) of the member whose query this was.

        Raises `OpeningRefused` if the record contradicts the ledger or itself, `BadPartial` for a
        part that does not hold, `OpensToNobody`.
        """
        self._check_facts(facts)
        indices = [part.index for part in self.partials]
        if indices != sorted(set(indices)):
            raise OpeningRefused("the parts are not in the order of their indices, each once")
        if len(indices) != self.case.opener.council.threshold:
            needed = self.case.opener.council.threshold
            raise OpeningRefused(f"{len(indices)} parts of the council, must be {needed}")
        if combine(self.case, self.regulator_part, self.partials) != self.member_key:
            raise OpeningRefused("the parts lead to another key than the one it names")
        return find_member(self.member_key, facts.ring)

    def _check_facts(self, facts: LedgerFacts) -> None:
        case = self.case
        found = {
            "chain id": case.chain_id == facts.chain_id,
            "genesis hash": case.genesis_hash == facts.genesis_hash,
            "case id": case.case_id == facts.case_id,
            "statement hash": case.statement.statement_hash == facts.statement_hash,
            "opener": case.opener == facts.opener,
            "anchor": case.statement.anchorage.anchor == facts.anchor,
        }
        for what, agrees in found.items():
            if not agrees:
                raise OpeningRefused(f"its {what} is not the ledger's")


def conclude(
    case: OpeningCase,
    regulator_part: PartialOpening,
    partials: Sequence[PartialOpening],
    ring: Sequence[Element],
) -> OpeningResult:
    """Finish a case with the parts at hand; bad parts of the council are left out.

    The record keeps the t good parts of the lowest indices. `sort_partials` names the bad ones.
    Raises `TooFewPartials`, `BadPartial` for the regulator's part, `OpensToNobody`: nothing is
    recorded that leads to nobody.
    """
    good, _ = sort_partials(case, partials)
    needed = case.opener.council.threshold
    if len(good) < needed:
        raise TooFewPartials(len(good), needed)
    key = combine(case, regulator_part, good[:needed])
    find_member(key, ring)
    return OpeningResult(case, regulator_part, good[:needed], key)


def decode_result(encoding: bytes) -> OpeningResult:
    """The record from its canonical bytes; `verify` is still to be called.

    Raises `EncodingRefused` for anything that is not one, also for a statement that is not under
    its own root and for keys that do not fit together.
    """
    if not isinstance(encoding, bytes) or len(encoding) > MAX_RESULT_BYTES:
        raise EncodingRefused("record of an opening", f"must be at most {MAX_RESULT_BYTES} bytes")
    reader = Reader(encoding, "opening")
    try:
        if reader.blob("label", len(_LABEL)) != _LABEL:
            raise EncodingRefused("record of an opening", "another label")
        result = OpeningResult(
            case=OpeningCase.read(reader),
            regulator_part=_read_part(reader),
            partials=reader.sequence("parts", MAX_HOLDERS, _read_part),
            member_key=read_element(reader, "member key"),
        )
        reader.end()
    except (DecodeError, CaseRefused, InputRefused, ThresholdKeyRefused) as error:
        raise EncodingRefused("record of an opening", str(error)) from None
    if result.regulator_part.index != REGULATOR_INDEX:
        raise EncodingRefused("record of an opening", "the regulator's part has another index")
    return result


def _read_part(reader: Reader) -> PartialOpening:
    return decode_partial(reader.fixed(PARTIAL_BYTES, "part"))
