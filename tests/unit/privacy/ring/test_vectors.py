"""The frozen vectors: made again bit by bit, and verified by every verifier and group there is."""

from __future__ import annotations

import json

import pytest

from bulwark.privacy.ring.proof import decode
from bulwark.privacy.ring.prover import nullifier, prove
from bulwark.privacy.ring.ristretto import RISTRETTO255, decode_proof
from bulwark.privacy.ring.statement import Ring, RingStatement
from bulwark.privacy.ring.verifier import claim, verify
from tests.unit.privacy.ring.bls12381 import ARKWORKS, PY_ECC
from tests.unit.privacy.ring.freeze import FOLDER
from tests.unit.privacy.ring.pure_ristretto import PURE
from tests.unit.privacy.ring.slow_verifier import failing_equations
from tests.unit.privacy.ring.worlds import stream

RISTRETTO = json.loads((FOLDER / "ristretto255.json").read_text())
BLS = json.loads((FOLDER / "bls12381.json").read_text())


def name_of(vector: dict) -> str:
    return f"{vector['index']} of {len(vector['statement']['ring'])}"


def plain(vector: dict) -> dict:
    return {
        name: [bytes.fromhex(one) for one in value]
        if isinstance(value, list)
        else bytes.fromhex(value)
        if isinstance(value, str)
        else value
        for name, value in vector["statement"].items()
    }


def statement_of(suite, vector: dict) -> RingStatement:
    fields = plain(vector)

    def element(encoding: bytes):
        return suite.decode_element(encoding, allow_identity=False, what="key")

    keys = tuple(map(element, fields.pop("ring")))
    return RingStatement(ring=Ring(suite, keys), opener=element(fields.pop("opener")), **fields)


def check_made_again(suite, vector: dict) -> None:
    statement = statement_of(suite, vector)
    secret = suite.decode_scalar(bytes.fromhex(vector["secret"]), what="secret")
    made = prove(statement, secret, vector["index"], lambda _: bytes.fromhex(vector["fresh"]))
    assert made.encode().hex() == vector["proof"]
    assert suite.encode_element(made.nullifier).hex() == vector["nullifier"]
    assert suite.encode_element(statement.scope_point).hex() == vector["scope_point"]
    assert statement.statement_hash().hex() == vector["statement_hash"]
    assert f"{claim(statement, made).challenge:064x}" == vector["challenge"]


@pytest.mark.parametrize("vector", RISTRETTO, ids=name_of)
def test_a_frozen_proof_is_made_again_and_verified_by_both_builds_of_libsodium(
    backend: str, vector: dict
) -> None:
    check_made_again(RISTRETTO255, vector)
    statement = statement_of(RISTRETTO255, vector)
    proof = decode_proof(bytes.fromhex(vector["proof"]), len(statement.ring))
    verify(statement, proof, stream(backend))


@pytest.mark.parametrize("vector", RISTRETTO, ids=name_of)
def test_a_frozen_proof_satisfies_each_equation_by_itself(vector: dict) -> None:
    assert failing_equations(RISTRETTO255, plain(vector), bytes.fromhex(vector["proof"])) == []


@pytest.mark.parametrize("vector", RISTRETTO[:4], ids=name_of)
def test_a_frozen_proof_is_verified_in_plain_integers(vector: dict) -> None:
    assert failing_equations(PURE, plain(vector), bytes.fromhex(vector["proof"])) == []


@pytest.mark.parametrize("vector", BLS, ids=name_of)
def test_a_frozen_proof_over_bls12_381_is_made_again(vector: dict) -> None:
    check_made_again(ARKWORKS, vector)
    assert failing_equations(ARKWORKS, plain(vector), bytes.fromhex(vector["proof"])) == []


def test_a_frozen_proof_over_bls12_381_is_verified_by_py_ecc() -> None:
    statement = statement_of(PY_ECC, BLS[0])
    proof = decode(PY_ECC, bytes.fromhex(BLS[0]["proof"]), len(statement.ring))
    verify(statement, proof, stream("py_ecc"))


@pytest.mark.parametrize("vector", RISTRETTO, ids=name_of)
def test_the_nullifier_is_known_before_the_proof(vector: dict) -> None:
    fields = vector["statement"]
    secret = RISTRETTO255.decode_scalar(bytes.fromhex(vector["secret"]), what="secret")
    named = (fields[name] for name in ("chain_id", "epoch", "scope", "slot"))
    assert nullifier(secret, *named).encoding.hex() == vector["nullifier"]
