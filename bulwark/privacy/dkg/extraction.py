"""From the dealers' Feldman commitments to the key: K, the share keys, and the hash to confirm.

With weight w_i of dealer i (1, or in a reshare the Lagrange weight of its old index among all
dealers that stayed in) and S_k = sum of w_i*A_ik:

  generate  K = S_0            K_j = sum of j^k*S_k
  refresh   K as before        K_j = old K_j + sum of j^k*S_k, with S_0 the identity
  reshare   K = S_0 = old K    K_j = sum of j^k*S_k

Rules owned here: the weights (a reshare deals the old share itself and weighs at the end, so that a
dealer may drop out without the others dealing again); the polynomial of a caught dealer is
interpolated from exactly t opened pairs; the hash covers session, dealers, threshold and all keys.
It does not decide who is a dealer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.pedersen import Pair, evaluate_points
from bulwark.privacy.dkg.session import DIGEST_BYTES, Purpose, Session
from bulwark.privacy.errors import SharingRefused, ThresholdKeyRefused
from bulwark.privacy.group import (
    IDENTITY,
    ONE,
    ORDER,
    Element,
    Scalar,
    sum_elements,
    weighted_sum,
)
from bulwark.privacy.sharing import Polynomial, lagrange_at_zero
from bulwark.privacy.threshold import ThresholdKey
from bulwark.privacy.transcript import Transcript

_LABEL_RESULT = b"Bulwark-v1-dkg-result"


class Result(Struct, frozen=True):
    """What a ceremony leads to if it is confirmed.

    `weights` by dealer; `opened` are the polynomials of caught dealers, public now; `digest` is
    what holders confirm, 32 bytes.
    """

    sharing: LiveSharing
    weights: Mapping[int, Scalar]
    opened: Mapping[int, Polynomial]
    digest: bytes

    @property
    def dealers(self) -> tuple[int, ...]:
        return tuple(self.weights)


def public_term(session: Session, dealer: int) -> Element | None:
    """A_i0 = C_i0 where it is known beforehand: the identity in a refresh, the dealer's old share
    key in a reshare, nothing in a generation."""
    if session.purpose is Purpose.GENERATE or session.old is None:
        return None
    if session.purpose is Purpose.REFRESH:
        return IDENTITY
    index = session.old_index(dealer)
    return None if index is None else session.old.key.share_keys[index - 1]


def with_public_term(
    session: Session, dealer: int, sent: tuple[Element, ...]
) -> tuple[Element, ...]:
    """All t commitments of a dealer from those it sent."""
    first = public_term(session, dealer)
    return sent if first is None else (first, *sent)


def interpolate(pairs: Mapping[int, Pair], threshold: int) -> Polynomial:
    """The polynomial through the first `threshold` published values, by ascending index.

    Newton's divided differences, in integers and not in libsodium: everything here is public.
    Raises `SharingRefused` for too few.
    """
    if len(pairs) < threshold:
        raise SharingRefused(f"{len(pairs)} opened pairs, needed {threshold}")
    places = sorted(pairs)[:threshold]
    differences = [int(pairs[place].value) for place in places]
    for order in range(1, threshold):
        for i in range(threshold - 1, order - 1, -1):
            step = pow(places[i] - places[i - order], -1, ORDER)
            differences[i] = (differences[i] - differences[i - 1]) * step % ORDER
    coefficients = [differences[-1]]
    for i in range(threshold - 2, -1, -1):
        shifted, scaled = [0, *coefficients], [*(-places[i] * c for c in coefficients), 0]
        coefficients = [(a + b) % ORDER for a, b in zip(shifted, scaled, strict=True)]
        coefficients[0] = (coefficients[0] + differences[i]) % ORDER
    return Polynomial(tuple(Scalar.from_int(c) for c in coefficients))


def combine(
    session: Session,
    feldman: Mapping[int, tuple[Element, ...]],
    opened: Mapping[int, Polynomial],
) -> Result:
    """The result of the dealers in `feldman` (all t commitments each).

    Raises `ThresholdKeyRefused` if a key is the identity or a reshare does not give the old key.
    """
    weights = _weights(session, tuple(sorted(feldman)))
    sums = _weighted_columns(session, weights, feldman)
    shifts = [evaluate_points(sums, index) for index in range(1, session.holders + 1)]
    public = sums[0]
    if session.old is not None and session.purpose is Purpose.REFRESH:
        public = session.old.key.public_key
        shifts = [a + b for a, b in zip(session.old.key.share_keys, shifts, strict=True)]
    if session.old is not None and public != session.old.key.public_key:
        raise ThresholdKeyRefused("the reshared key is not the old one")
    key = ThresholdKey(session.threshold, public, tuple(shifts))
    sharing = LiveSharing(session.key_id, session.share_epoch, session.member_ids(), key)
    return Result(sharing, weights, dict(opened), _digest(session, sharing, tuple(weights)))


def _weights(session: Session, dealers: tuple[int, ...]) -> dict[int, Scalar]:
    if session.purpose is not Purpose.RESHARE:
        return dict.fromkeys(dealers, ONE)
    places = tuple(session.old_index(dealer) or 0 for dealer in dealers)
    return dict(zip(dealers, lagrange_at_zero(places), strict=True))


def _weighted_columns(
    session: Session,
    weights: Mapping[int, Scalar],
    feldman: Mapping[int, tuple[Element, ...]],
) -> Sequence[Element]:
    columns = [[feldman[dealer][k] for dealer in weights] for k in range(session.threshold)]
    if session.purpose is not Purpose.RESHARE:
        return [sum_elements(column) for column in columns]
    return [weighted_sum(tuple(weights.values()), column) for column in columns]


def _digest(session: Session, sharing: LiveSharing, dealers: tuple[int, ...]) -> bytes:
    transcript = Transcript(_LABEL_RESULT).add(session.digest).add_int(len(dealers))
    for dealer in dealers:
        transcript.add_int(dealer)
    return transcript.add(sharing.encode()).digest()[:DIGEST_BYTES]
