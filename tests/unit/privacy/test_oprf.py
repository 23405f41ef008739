"""RFC 9497 appendix A.1.1 and A.1.2 to the byte, and the bounds of the RFC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bulwark.privacy import oprf
from bulwark.privacy.errors import IdentityResult, InputRefused, ZeroScalar
from bulwark.privacy.group import IDENTITY, ONE, ZERO, Scalar, decode_element, decode_scalar
from bulwark.privacy.oprf import Mode
from bulwark.privacy.sigma import decode_proof

SUITES: dict[Mode, dict[str, Any]] = {
    Mode(suite["mode"]): suite
    for suite in json.loads(
        (Path(__file__).parents[2] / "vectors/oprf/rfc9497_ristretto255_sha512.json").read_text()
    )
}
CASES = [
    pytest.param(mode, case, id=f"{mode.name}-{number}")
    for mode, suite in SUITES.items()
    for number, case in enumerate(suite["vectors"], start=1)
]
VERIFIABLE = [case for case in CASES if case.values[0] is Mode.VOPRF]


def split(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


def keys(mode: Mode) -> tuple[Scalar, Any]:
    suite = SUITES[mode]
    return oprf.derive_key_pair(mode, bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"]))


def test_both_modes_and_all_five_cases_are_there() -> None:
    assert [(mode, len(suite["vectors"])) for mode, suite in SUITES.items()] == [
        (Mode.OPRF, 2),
        (Mode.VOPRF, 3),
    ]


@pytest.mark.parametrize("mode", Mode)
def test_context_string_gives_the_group_dst_of_the_rfc(mode: Mode) -> None:
    expected = bytes.fromhex(SUITES[mode]["groupDST"])
    assert b"HashToGroup-" + oprf.CONTEXTS[mode] == expected


@pytest.mark.parametrize("mode", Mode)
def test_key_pair_is_derived_as_in_the_rfc(mode: Mode) -> None:
    secret, public = keys(mode)
    assert secret.encoding.hex() == SUITES[mode]["skSm"]
    if mode is Mode.VOPRF:
        assert public.encoding.hex() == SUITES[mode]["pkSm"]


@pytest.mark.parametrize(("mode", "case"), CASES)
def test_every_step_gives_the_bytes_of_the_rfc(mode: Mode, case: dict[str, Any]) -> None:
    secret, _ = keys(mode)
    steps = zip(
        split(case["Input"]),
        split(case["Blind"]),
        split(case["BlindedElement"]),
        split(case["EvaluationElement"]),
        split(case["Output"]),
        strict=True,
    )
    for data, blind_bytes, blinded_bytes, evaluated_bytes, output in steps:
        blind = decode_scalar(blind_bytes)
        blinded = oprf.blind(mode, data, blind)
        evaluated = oprf.blind_evaluate(secret, blinded)
        assert blinded.encoding == blinded_bytes
        assert evaluated.encoding == evaluated_bytes
        assert oprf.finalize(data, blind, evaluated) == output
        assert oprf.evaluate(mode, secret, data) == output


@pytest.mark.parametrize(("mode", "case"), VERIFIABLE)
def test_batch_and_proof_are_the_bytes_of_the_rfc(mode: Mode, case: dict[str, Any]) -> None:
    secret, public = keys(mode)
    blinded = [decode_element(encoding) for encoding in split(case["BlindedElement"])]
    nonce = decode_scalar(bytes.fromhex(case["Proof"]["r"]))
    evaluated, proof = oprf.blind_evaluate_batch(secret, public, blinded, nonce)
    assert [element.encoding for element in evaluated] == split(case["EvaluationElement"])
    assert proof.encode().hex() == case["Proof"]["proof"]
    published = decode_proof(bytes.fromhex(case["Proof"]["proof"]))
    assert oprf.verify_batch(public, blinded, evaluated, published)


def test_modes_give_unrelated_outputs() -> None:
    secret, _ = keys(Mode.VOPRF)
    outputs = {oprf.evaluate(mode, secret, b"value") for mode in Mode}
    assert len(outputs) == 2
    assert {len(output) for output in outputs} == {oprf.OUTPUT_BYTES}


class TestBounds:
    def test_longest_input_is_taken_and_one_byte_more_is_refused(self) -> None:
        longest = bytes(65535)
        blinded = oprf.blind(Mode.VOPRF, longest, ONE)
        assert len(oprf.finalize(longest, ONE, blinded)) == 64
        with pytest.raises(InputRefused, match="input length is 65536"):
            oprf.blind(Mode.VOPRF, longest + b"x", ONE)
        with pytest.raises(InputRefused, match="input length is 65536"):
            oprf.finalize(longest + b"x", ONE, blinded)

    def test_zero_is_no_blind_and_the_identity_is_not_evaluated(self) -> None:
        with pytest.raises(IdentityResult):
            oprf.blind(Mode.VOPRF, b"x", ZERO)
        with pytest.raises(ZeroScalar):
            oprf.finalize(b"x", ZERO, oprf.hash_input(Mode.VOPRF, b"x"))
        with pytest.raises(IdentityResult):
            oprf.blind_evaluate(ONE, IDENTITY)

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_seed_of_another_length_is_refused(self, length: int) -> None:
        with pytest.raises(InputRefused, match="seed length"):
            oprf.derive_key_pair(Mode.VOPRF, bytes(length), b"")

    def test_longest_key_info_is_taken_and_one_byte_more_is_refused(self) -> None:
        oprf.derive_key_pair(Mode.VOPRF, bytes(32), bytes(65535))
        with pytest.raises(InputRefused, match="key info length"):
            oprf.derive_key_pair(Mode.VOPRF, bytes(32), bytes(65536))


class TestWhatHashesNeverGive:
    """The RFC's answers to hash results of chance 2^-252, reached by replacing the hash."""

    def test_input_that_hashes_to_the_identity_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(oprf, "hash_to_group", lambda data, dst: IDENTITY)
        with pytest.raises(IdentityResult, match="hashing the input"):
            oprf.blind(Mode.VOPRF, b"x", ONE)

    def test_zero_key_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        results = iter([ZERO, ZERO, ONE])
        monkeypatch.setattr(oprf, "hash_to_scalar", lambda data, dst: next(results))
        assert oprf.derive_key_pair(Mode.VOPRF, bytes(32), b"")[0] == ONE

    def test_key_derivation_ends_after_256_tries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        monkeypatch.setattr(oprf, "hash_to_scalar", lambda data, dst: seen.append(data) or ZERO)
        with pytest.raises(ZeroScalar):
            oprf.derive_key_pair(Mode.VOPRF, bytes(32), b"info")
        assert [data[-1] for data in seen] == list(range(256))
