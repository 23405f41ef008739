"""The secret side of one dealer: its two polynomials and the posts that were made from them.

Rules owned here: everything a dealer ever posts is fixed when the dealing is made (sealing and
proving draw randomness, so making a post again would make other bytes): a dealing that was saved
and read back posts the same bytes. A receiver whose sealing key is unusable gets zero bytes, can
not open them, complains, and is given its pair in clear: the fault is its own. The encoding is
secret and must be stored encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bulwark.ledger.codec import Reader, Writer
from bulwark.privacy import schnorr, sealing
from bulwark.privacy.dkg.pedersen import HiddenPolynomial, Pair
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.posts import (
    SEALED_BYTES,
    DealPost,
    ExtractPost,
    commitment_hash,
    encode_pair,
    max_post_bytes,
    possession_context,
    seal_info,
    sent_commitments,
)
from bulwark.privacy.dkg.session import Purpose, Session
from bulwark.privacy.errors import EncodingRefused, SessionRefused
from bulwark.privacy.group import (
    SCALAR_BYTES,
    ZERO,
    RandomBytes,
    Scalar,
    decode_scalar,
    random_scalar,
)
from bulwark.privacy.sharing import Polynomial


@dataclass(frozen=True, slots=True)
class SecretDealing:
    """One dealer's polynomials and its posts of COMMIT, DEAL and EXTRACT; never printed."""

    polynomial: HiddenPolynomial = field(repr=False)
    commit_post: bytes
    deal_post: bytes = field(repr=False)
    extract_post: bytes = field(repr=False)

    def pair(self, holder: int) -> Pair:
        """The pair of a holder."""
        return self.polynomial.pair(holder)

    def write(self, writer: Writer) -> None:
        """Both polynomials, 32 bytes a coefficient, then the DEAL and EXTRACT posts."""
        for part in (self.polynomial.values, self.polynomial.blindings):
            for coefficient in part.coefficients:
                writer.fixed(coefficient.encoding, SCALAR_BYTES)
        writer.blob(self.deal_post).blob(self.extract_post)


def make_dealing(
    session: Session, dealer: int, old_share: Scalar | None, random_bytes: RandomBytes
) -> SecretDealing:
    """A fresh dealing: of a random secret, of zero, or of `old_share` in a reshare.

    Raises `RandomnessRefused`, `SessionRefused` without the old share.
    """
    match session.purpose:
        case Purpose.GENERATE:
            secret = random_scalar(random_bytes)
        case Purpose.REFRESH:
            secret = ZERO
        case Purpose.RESHARE:
            if old_share is None:
                raise SessionRefused(f"dealer {dealer} of a reshare has no old share")
            secret = old_share
    polynomial = HiddenPolynomial.random(
        secret, session.threshold, random_bytes, plain=session.plain
    )
    skipped = session.threshold - sent_commitments(session)
    sealed = b"".join(
        _seal(session, dealer, holder, polynomial.pair(holder))
        for holder in range(1, session.holders + 1)
    )
    deal_post = DealPost(polynomial.commit().points[skipped:], sealed).encode()
    extract_post = b""
    if not session.plain:
        possession = schnorr.prove_possession(
            schnorr.DEALING, possession_context(session, dealer), secret, random_bytes
        )
        extract_post = ExtractPost(polynomial.open_values(), possession).encode()
    commit_post = commitment_hash(session, dealer, deal_post)
    return SecretDealing(polynomial, commit_post, deal_post, extract_post)


def read_dealing(session: Session, dealer: int, reader: Reader) -> SecretDealing:
    """The dealing of `SecretDealing.write`. Raises `DecodeError`, `EncodingRefused`."""
    parts = [
        Polynomial(
            tuple(
                decode_scalar(reader.fixed(SCALAR_BYTES, "coefficient"))
                for _ in range(session.threshold)
            )
        )
        for _ in range(2)
    ]
    deal_post = reader.blob("DEAL post", max_post_bytes(session, Phase.DEAL))
    extract_post = reader.blob("EXTRACT post", max_post_bytes(session, Phase.EXTRACT))
    commit_post = commitment_hash(session, dealer, deal_post)
    return SecretDealing(HiddenPolynomial(*parts), commit_post, deal_post, extract_post)


def _seal(session: Session, dealer: int, holder: int, pair: Pair) -> bytes:
    key = session.members[holder - 1].sealing_key
    try:
        return sealing.seal(key, seal_info(session, dealer, holder), encode_pair(pair))
    except EncodingRefused:
        return bytes(SEALED_BYTES)
