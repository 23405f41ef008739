"""Dishonest behaviours, each installed on one party of a ceremony by name."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping

from bulwark.privacy import schnorr, sealing
from bulwark.privacy.dkg.dealing import SecretDealing, make_dealing
from bulwark.privacy.dkg.pedersen import HiddenPolynomial, Pair
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.posts import (
    SEALED_BYTES,
    commitment_hash,
    decode_pairs,
    encode_indices,
    encode_pair,
    encode_pairs,
    possession_context,
    seal_info,
)
from bulwark.privacy.dkg.session import Purpose
from bulwark.privacy.group import ONE, ZERO, Scalar
from bulwark.privacy.sharing import Polynomial
from tests.unit.privacy.dkg.world import Ceremony, stream

Behaviour = Callable[[Ceremony, int], None]


def dealing_of(made: Ceremony, index: int) -> SecretDealing | None:
    return made.parties[index]._dealing


def install(made: Ceremony, index: int, **changes: bytes) -> None:
    """Change posts of a dealer's dealing and commit to the changed DEAL post."""
    dealing = dealing_of(made, index)
    if dealing is None:
        return
    dealing = dataclasses.replace(dealing, **changes)
    commit = commitment_hash(made.session, index, dealing.deal_post)
    made.parties[index]._dealing = dataclasses.replace(dealing, commit_post=commit)


def post(phase: Phase, make: Callable[[Ceremony, bytes | None], bytes | None]) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        made.bends[index, phase] = make

    return behave


def silent(*phases: Phase) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        for phase in phases:
            made.bends[index, phase] = lambda _made, _post: None

    return behave


def garbage(phase: Phase) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        seed = hashlib.sha512(made.session.digest + bytes((index, phase))).digest()
        made.bends[index, phase] = lambda _made, post: (seed * 400)[: len(post or seed)]

    return behave


def _replace_sealed(made: Ceremony, index: int, sealed: Mapping[int, bytes]) -> None:
    dealing = dealing_of(made, index)
    if dealing is None:
        return
    start = len(dealing.deal_post) - SEALED_BYTES * made.session.holders
    data = bytearray(dealing.deal_post)
    for holder, cipher in sealed.items():
        at = start + SEALED_BYTES * (holder - 1)
        data[at : at + SEALED_BYTES] = cipher
    install(made, index, deal_post=bytes(data))


def _others(made: Ceremony, index: int) -> list[int]:
    return [holder for holder in made.holders if holder != index]


def wrong_pairs(choose: Callable[[list[int]], Iterable[int]]) -> Behaviour:
    """Sealed pairs of another polynomial for the chosen holders."""

    def behave(made: Ceremony, index: int) -> None:
        sealed = {
            holder: sealing.seal(
                made.session.members[holder - 1].sealing_key,
                seal_info(made.session, index, holder),
                encode_pair(Pair(Scalar.from_int(holder), ONE)),
            )
            for holder in choose(_others(made, index))
        }
        _replace_sealed(made, index, sealed)

    return behave


def unreadable(choose: Callable[[list[int]], Iterable[int]]) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        chosen = choose(_others(made, index))
        _replace_sealed(made, index, {holder: bytes(SEALED_BYTES) for holder in chosen})

    return behave


def first(holders: list[int]) -> list[int]:
    return holders[:1]


def last(holders: list[int]) -> list[int]:
    return holders[-1:]


def every(holders: list[int]) -> list[int]:
    return holders


def both(*behaviours: Behaviour) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        for behaviour in behaviours:
            behaviour(made, index)

    return behave


def _wrong_pairs_posted(_made: Ceremony, data: bytes | None) -> bytes | None:
    if not data:
        return data
    pairs = decode_pairs(data)
    return encode_pairs({i: Pair(pair.value + ONE, pair.blinding) for i, pair in pairs.items()})


def wrong_degree(more: int) -> Behaviour:
    """One commitment too many or too few, with the right number of sealed pairs."""

    def behave(made: Ceremony, index: int) -> None:
        dealing = dealing_of(made, index)
        if dealing is None:
            return
        post = dealing.deal_post
        install(made, index, deal_post=post[:32] + post if more > 0 else post[32:])

    return behave


def hidden_degree(made: Ceremony, index: int) -> None:
    """Pairs of a polynomial with one coefficient more than the commitments show."""
    dealing = dealing_of(made, index)
    if dealing is None:
        return
    values = Polynomial((*dealing.polynomial.values.coefficients, ONE))
    longer = HiddenPolynomial(values, dealing.polynomial.blindings)
    made.parties[index]._dealing = dataclasses.replace(dealing, polynomial=longer)
    sealed = {
        holder: sealing.seal(
            made.session.members[holder - 1].sealing_key,
            seal_info(made.session, index, holder),
            encode_pair(longer.pair(holder)),
        )
        for holder in made.holders
    }
    _replace_sealed(made, index, sealed)


def first_commitment(encoding: bytes) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        dealing = dealing_of(made, index)
        if dealing is not None:
            install(made, index, deal_post=encoding + dealing.deal_post[32:])

    return behave


def _fresh(made: Ceremony, index: int) -> SecretDealing | None:
    if dealing_of(made, index) is None:
        return None
    source = stream(f"fresh {index}")
    return make_dealing(made.session, index, Scalar.from_int(index + 1), source)


def wrong_feldman(made: Ceremony, index: int) -> None:
    """The Feldman commitments of another dealing, with a proof of possession that fits them."""
    fresh = _fresh(made, index)
    if fresh is not None:
        install(made, index, extract_post=fresh.extract_post)


def wrong_commitment(made: Ceremony, index: int) -> None:
    """The hash of something else, and the DEAL post nevertheless."""
    dealing = dealing_of(made, index)
    made.bends[index, Phase.COMMIT] = _other_result
    if dealing is not None:
        made.bends[index, Phase.DEAL] = lambda _made, _post: dealing.deal_post


def last_coefficient_wrong(made: Ceremony, index: int) -> None:
    """Feldman commitments that are right but for the last, so that the key itself is right."""
    dealing, fresh = dealing_of(made, index), _fresh(made, index)
    if dealing is not None and fresh is not None and not made.session.plain:
        at = 32 * (made.session.threshold - 1)
        right, wrong = dealing.extract_post, fresh.extract_post
        install(made, index, extract_post=right[:at] + wrong[at : at + 32] + right[at + 32 :])


def identity_feldman(made: Ceremony, index: int) -> None:
    dealing = dealing_of(made, index)
    if dealing is not None and not made.session.plain:
        install(made, index, extract_post=bytes(32) + dealing.extract_post[32:])


def another_secret(made: Ceremony, index: int) -> None:
    """A dealing of something else than zero, or than the dealer's old share."""
    dealing = dealing_of(made, index)
    if dealing is None:
        return
    old = dealing.polynomial.values.coefficients
    changed = HiddenPolynomial(Polynomial((old[0] + ONE, *old[1:])), dealing.polynomial.blindings)
    sealed = {
        holder: sealing.seal(
            made.session.members[holder - 1].sealing_key,
            seal_info(made.session, index, holder),
            encode_pair(changed.pair(holder)),
        )
        for holder in made.holders
    }
    made.parties[index]._dealing = dataclasses.replace(dealing, polynomial=changed)
    _replace_sealed(made, index, sealed)


def blinded(made: Ceremony, index: int) -> None:
    """Commitments with a second polynomial where there should be none, and pairs that fit them."""
    dealing = dealing_of(made, index)
    if dealing is None:
        return
    old = dealing.polynomial
    noise = Polynomial((ZERO, *(ONE for _ in old.values.coefficients[1:])))
    changed = HiddenPolynomial(old.values, noise)
    sealed = [
        sealing.seal(
            member.sealing_key,
            seal_info(made.session, index, holder),
            encode_pair(changed.pair(holder)),
        )
        for holder, member in enumerate(made.session.members, 1)
    ]
    points = b"".join(point.encoding for point in changed.commit().points[1:])
    made.parties[index]._dealing = dataclasses.replace(dealing, polynomial=changed)
    install(made, index, deal_post=points + b"".join(sealed))


def possession(make: Callable[[Ceremony, int, SecretDealing], bytes]) -> Behaviour:
    def behave(made: Ceremony, index: int) -> None:
        dealing = dealing_of(made, index)
        if dealing is not None and made.session.purpose is Purpose.GENERATE:
            points = dealing.extract_post[:-64]
            install(made, index, extract_post=points + make(made, index, dealing))

    return behave


def _wrong_possession(made: Ceremony, index: int, _dealing: SecretDealing) -> bytes:
    context = possession_context(made.session, index)
    return schnorr.prove_possession(schnorr.DEALING, context, Scalar.from_int(9), stream("wrong"))


def _replayed_possession(made: Ceremony, index: int, dealing: SecretDealing) -> bytes:
    """The proof for the same secret in another session."""
    context = bytes(32) + bytes((index,))
    secret = dealing.polynomial.values.coefficients[0]
    return schnorr.prove_possession(schnorr.DEALING, context, secret, stream("replayed"))


def _complain_of_all(made: Ceremony, _post: bytes | None) -> bytes | None:
    return encode_indices(made.board.record.dealing)


def false_complaint(made: Ceremony, index: int) -> None:
    if index in made.holders:
        made.bends[index, Phase.COMPLAIN] = _complain_of_all


def false_accusation(made: Ceremony, index: int) -> None:
    """The party's true pairs against every dealer, though they fit."""

    def accuse(now: Ceremony, _post: bytes | None) -> bytes | None:
        held = {d: now.parties[index]._pair(d, now.board) for d in now.board.record.feldman}
        return encode_pairs({d: pair for d, pair in held.items() if pair is not None})

    if index in made.holders:
        made.bends[index, Phase.ACCUSE] = accuse


def forged_accusation(made: Ceremony, index: int) -> None:
    """Made-up pairs against every dealer."""

    def accuse(now: Ceremony, _post: bytes | None) -> bytes | None:
        return encode_pairs({dealer: Pair(ONE, ZERO) for dealer in now.board.record.feldman})

    if index in made.holders:
        made.bends[index, Phase.ACCUSE] = accuse


def _other_result(_made: Ceremony, _post: bytes | None) -> bytes | None:
    return hashlib.sha256(b"another result").digest()


WRONG_DEFENCE = post(Phase.DEFEND, _wrong_pairs_posted)

BEHAVIOURS: dict[str, Behaviour] = {
    **{f"silent in {phase.name}": silent(phase) for phase in Phase},
    **{f"garbage in {phase.name}": garbage(phase) for phase in Phase},
    "silent from the start": silent(*Phase),
    "silent after the commitment": silent(*[*Phase][1:]),
    "wrong commitment hash": wrong_commitment,
    "wrong pair for one": wrong_pairs(first),
    "wrong pair for all": wrong_pairs(every),
    "unreadable for one": unreadable(last),
    "unreadable for all": unreadable(every),
    "wrong pair and wrong defence": both(wrong_pairs(last), WRONG_DEFENCE),
    "wrong pair and no defence": both(wrong_pairs(last), silent(Phase.DEFEND)),
    "degree too high": wrong_degree(1),
    "degree too low": wrong_degree(-1),
    "degree hidden": hidden_degree,
    "identity among the commitments": first_commitment(bytes(32)),
    "commitment with bit 255": first_commitment(bytes(31) + b"\x80"),
    "wrong Feldman commitments": wrong_feldman,
    "wrong last Feldman commitment": last_coefficient_wrong,
    "identity among the Feldman commitments": identity_feldman,
    "wrong pair, then wrong Feldman commitments": both(wrong_pairs(first), wrong_feldman),
    "another secret": another_secret,
    "possession missing": possession(lambda _m, _i, _d: b""),
    "possession wrong": possession(_wrong_possession),
    "possession replayed": possession(_replayed_possession),
    "false complaint": false_complaint,
    "false accusation": false_accusation,
    "forged accusation": forged_accusation,
    "wrong last Feldman commitment and wrong reconstruction": both(
        last_coefficient_wrong, post(Phase.RECONSTRUCT, _wrong_pairs_posted)
    ),
    "wrong reconstruction": post(Phase.RECONSTRUCT, _wrong_pairs_posted),
    "another result confirmed": post(Phase.CONFIRM, _other_result),
}
