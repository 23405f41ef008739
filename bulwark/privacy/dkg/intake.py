"""Whether one post is taken, phase by phase; what is taken changes the record, nothing else does.

Rules owned here: a post is taken whole or not at all; a list of opened pairs with one wrong pair,
or of accusations with one unfounded one, is refused, and its sender counts as silent. The checks of
the sender, phase and length come before (`board`).
"""

from __future__ import annotations

import hmac
from typing import assert_never

from bulwark.privacy import schnorr
from bulwark.privacy.dkg.pedersen import Pair, feldman_fit
from bulwark.privacy.dkg.phases import Phase, Verdict
from bulwark.privacy.dkg.posts import (
    commitment_hash,
    decode_deal,
    decode_extract,
    decode_indices,
    decode_pairs,
    possession_context,
)
from bulwark.privacy.dkg.record import Record
from bulwark.privacy.dkg.session import DIGEST_BYTES


def take(record: Record, sender: int, data: bytes) -> Verdict:
    """Judge a post of the open phase and take it if it is good.

    Raises `DecodeError` and `EncodingRefused` for bytes that are no post of this phase; the record
    is unchanged then and for every verdict but `TAKEN`.
    """
    phase = record.phase
    match phase:
        case Phase.COMMIT:
            return _commit(record, sender, data)
        case Phase.DEAL:
            return _deal(record, sender, data)
        case Phase.COMPLAIN:
            return _complain(record, sender, data)
        case Phase.DEFEND:
            return _defend(record, sender, data)
        case Phase.EXTRACT:
            return _extract(record, sender, data)
        case Phase.ACCUSE:
            return _accuse(record, sender, data)
        case Phase.RECONSTRUCT:
            return _reconstruct(record, sender, data)
        case Phase.CONFIRM:
            return _confirm(record, data)
        case _:
            assert_never(phase)


def _commit(record: Record, sender: int, data: bytes) -> Verdict:
    if len(data) != DIGEST_BYTES:
        return Verdict.MALFORMED
    record.commits[sender] = data
    return Verdict.TAKEN


def _deal(record: Record, sender: int, data: bytes) -> Verdict:
    post = decode_deal(record.session, data)
    expected = commitment_hash(record.session, sender, data)
    if not hmac.compare_digest(expected, record.commits[sender]):
        return Verdict.NOT_COMMITTED
    record.keep_deal(sender, post)
    return Verdict.TAKEN


def _complain(record: Record, sender: int, data: bytes) -> Verdict:
    dealers = decode_indices(data)
    if not set(dealers) <= set(record.dealing):
        return Verdict.MALFORMED
    for dealer in dealers:
        record.complaints.setdefault(dealer, set()).add(sender)
    return Verdict.TAKEN


def _defend(record: Record, sender: int, data: bytes) -> Verdict:
    pairs = decode_pairs(data)
    if pairs.keys() != record.complaints[sender]:
        return Verdict.MALFORMED
    if not record.pedersen[sender].fit(pairs):
        return Verdict.WRONG_PAIR
    for holder, pair in pairs.items():
        record.keep_pair(sender, holder, pair)
    return Verdict.TAKEN


def _extract(record: Record, sender: int, data: bytes) -> Verdict:
    session = record.session
    post = decode_extract(session, data)
    context = possession_context(session, sender)
    if not schnorr.verify_possession(schnorr.DEALING, context, post.points[0], post.possession):
        return Verdict.NO_POSSESSION
    if not feldman_fit(post.points, record.opened.get(sender, {})):
        return Verdict.CONTRADICTION
    record.feldman[sender] = post.points
    return Verdict.TAKEN


def _accuse(record: Record, sender: int, data: bytes) -> Verdict:
    pairs = decode_pairs(data)
    if not pairs.keys() <= record.feldman.keys():
        return Verdict.MALFORMED
    if not _all_fit(record, sender, pairs):
        return Verdict.WRONG_PAIR
    for dealer, pair in pairs.items():
        if feldman_fit(record.feldman[dealer], {sender: pair}):
            return Verdict.UNFOUNDED
    for dealer, pair in pairs.items():
        record.keep_pair(dealer, sender, pair)
    record.accused.update(pairs)
    return Verdict.TAKEN


def _reconstruct(record: Record, sender: int, data: bytes) -> Verdict:
    pairs = decode_pairs(data)
    if not pairs.keys() <= set(record.caught):
        return Verdict.MALFORMED
    if not _all_fit(record, sender, pairs):
        return Verdict.WRONG_PAIR
    for dealer, pair in pairs.items():
        record.keep_pair(dealer, sender, pair)
    return Verdict.TAKEN


def _confirm(record: Record, data: bytes) -> Verdict:
    if len(data) != DIGEST_BYTES:
        return Verdict.MALFORMED
    if record.result is None or data != record.result.digest:
        return Verdict.OTHER_RESULT
    return Verdict.TAKEN


def _all_fit(record: Record, holder: int, pairs: dict[int, Pair]) -> bool:
    return all(record.pedersen[dealer].fits(holder, pair) for dealer, pair in pairs.items())
