"""The bytes of a ceremony's posts: one encoding each, of a length the session fixes or bounds.

Rules owned here: nothing is read before its length is checked; lists name their parties in strictly
ascending order, so one list has one encoding; elements are canonical and never the identity. The
constant term of a dealing that is public anyway (refresh, reshare) is never sent, and its other
commitments are Feldman's at once, so that EXTRACT, ACCUSE and RECONSTRUCT have no posts there.

  COMMIT       hash 32
  DEAL         Pedersen commitments, 32 each | sealed pairs of holders 1..n, 112 each
  COMPLAIN     count 1 | dealer indices, 1 each
  DEFEND       count 1 | (holder 1 | f(j) 32 | f'(j) 32)*
  EXTRACT      Feldman commitments, 32 each | proof of possession 64
  ACCUSE       count 1 | (dealer 1 | f(j) 32 | f'(j) 32)*, j the sender
  RECONSTRUCT  as ACCUSE
  CONFIRM      hash 32

It does not judge what a post says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import assert_never

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import DecodeError
from bulwark.privacy.dkg.pedersen import Pair
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.session import DIGEST_BYTES, Session
from bulwark.privacy.group import (
    ELEMENT_BYTES,
    SCALAR_BYTES,
    Element,
    decode_element,
    decode_scalar,
)
from bulwark.privacy.schnorr import POSSESSION_BYTES
from bulwark.privacy.transcript import Transcript

PAIR_BYTES = 2 * SCALAR_BYTES
SEALED_BYTES = 32 + PAIR_BYTES + 16
"""A sealed pair: the HPKE encapsulated key, the pair and the tag of the AEAD."""

_LABEL_COMMIT = b"Bulwark-v1-dkg-commit"
_LABEL_SEAL = b"Bulwark-v1-dkg-pair"


class DealPost(Struct, frozen=True):
    """A dealer's Pedersen commitments as sent, and the sealed pairs of all holders in one string.

    One string and not a list: a board keeps n of these, and slicing costs nothing.
    """

    commitments: tuple[Element, ...]
    sealed: bytes

    def sealed_for(self, holder: int) -> bytes:
        """The sealed pair of the holder `holder` (1..n)."""
        return self.sealed[(holder - 1) * SEALED_BYTES : holder * SEALED_BYTES]

    def encode(self) -> bytes:
        return b"".join(element.encoding for element in self.commitments) + self.sealed


class ExtractPost(Struct, frozen=True):
    """A dealer's Feldman commitments A_0..A_{t-1} and the proof of possession of A_0."""

    points: tuple[Element, ...]
    possession: bytes

    def encode(self) -> bytes:
        return b"".join(element.encoding for element in self.points) + self.possession


def sent_commitments(session: Session) -> int:
    """How many commitments a dealer sends: t in a generation, else t - 1."""
    return session.threshold - (1 if session.plain else 0)


def max_post_bytes(session: Session, phase: Phase) -> int:
    """The longest post of a phase, bytes; at most 17,056 for 128 holders in DEAL."""
    points = ELEMENT_BYTES * sent_commitments(session)
    opened = 1 + PAIR_BYTES
    match phase:
        case Phase.COMMIT | Phase.CONFIRM:
            return DIGEST_BYTES
        case Phase.DEAL:
            return points + SEALED_BYTES * session.holders
        case Phase.COMPLAIN:
            return 1 + len(session.dealers)
        case Phase.DEFEND:
            return 1 + opened * session.holders
        case Phase.EXTRACT | Phase.ACCUSE | Phase.RECONSTRUCT if session.plain:
            return 0
        case Phase.EXTRACT:
            return points + POSSESSION_BYTES
        case Phase.ACCUSE | Phase.RECONSTRUCT:
            return 1 + opened * len(session.dealers)
        case _:
            assert_never(phase)


def commitment_hash(session: Session, dealer: int, deal_post: bytes) -> bytes:
    """What a dealer posts in COMMIT: 32 bytes over session, dealer and its coming DEAL post."""
    transcript = Transcript(_LABEL_COMMIT).add(session.digest).add_int(dealer)
    return transcript.add(deal_post).digest()[:DIGEST_BYTES]


def seal_info(session: Session, dealer: int, holder: int) -> bytes:
    """What a sealed pair is bound to: session, dealer and receiver."""
    return _LABEL_SEAL + session.digest + bytes((dealer, holder))


def possession_context(session: Session, dealer: int) -> bytes:
    """What a dealer's proof of possession is bound to: session digest 32 | index 1."""
    return session.digest + bytes((dealer,))


def decode_deal(session: Session, data: bytes) -> DealPost:
    """Raises `DecodeError`, `EncodingRefused`."""
    reader = Reader(data, "DEAL post")
    points = _read_points(reader, sent_commitments(session))
    sealed = reader.fixed(SEALED_BYTES * session.holders, "sealed pairs")
    reader.end()
    return DealPost(points, sealed)


def decode_extract(session: Session, data: bytes) -> ExtractPost:
    """Raises `DecodeError`, `EncodingRefused`."""
    reader = Reader(data, "EXTRACT post")
    points = _read_points(reader, session.threshold)
    possession = reader.fixed(POSSESSION_BYTES, "possession")
    reader.end()
    return ExtractPost(points, possession)


def _read_points(reader: Reader, count: int) -> tuple[Element, ...]:
    return tuple(decode_element(reader.fixed(ELEMENT_BYTES, "commitment")) for _ in range(count))


def encode_indices(indices: Iterable[int]) -> bytes:
    """A list of parties; they are put in ascending order."""
    ordered = sorted(set(indices))
    return bytes((len(ordered), *ordered))


def decode_indices(data: bytes) -> tuple[int, ...]:
    """Raises `DecodeError`."""
    reader = Reader(data, "COMPLAIN post")
    indices = tuple(reader.uint(1, "dealer") for _ in range(reader.uint(1, "count")))
    reader.end()
    _check_ascending(indices)
    return indices


def encode_pairs(pairs: Mapping[int, Pair]) -> bytes:
    """Opened pairs by party; they are put in ascending order."""
    writer = Writer().uint(len(pairs), 1)
    for index in sorted(pairs):
        writer.uint(index, 1).fixed(encode_pair(pairs[index]), PAIR_BYTES)
    return writer.done()


def decode_pairs(data: bytes) -> dict[int, Pair]:
    """Raises `DecodeError`, `EncodingRefused`."""
    reader = Reader(data, "opened pairs")
    count = reader.uint(1, "count")
    listed = [
        (reader.uint(1, "party"), decode_pair(reader.fixed(PAIR_BYTES, "pair")))
        for _ in range(count)
    ]
    reader.end()
    _check_ascending([index for index, _ in listed])
    return dict(listed)


def encode_pair(pair: Pair) -> bytes:
    """f(j) 32 | f'(j) 32."""
    return pair.value.encoding + pair.blinding.encoding


def decode_pair(data: bytes) -> Pair:
    """Raises `EncodingRefused`, also for another length than 64."""
    return Pair(
        decode_scalar(data[:SCALAR_BYTES], what="share"),
        decode_scalar(data[SCALAR_BYTES:], what="blinding share"),
    )


def _check_ascending(indices: Sequence[int]) -> None:
    if any(left >= right for left, right in pairwise(indices)):
        raise DecodeError("list of parties", "not strictly ascending")
