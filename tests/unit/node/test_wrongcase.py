"""A wrong evaluation verified offline holds only against a sharing that the ledger confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from bulwark.ledger.hashing import sha256
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.query import answer
from bulwark.privacy.threshold import evaluate
from contracts.members import member_id_bytes
from node.cli.evidence import UNDECIDED, command
from node.evidence import Case, EvidenceInvalid, case_of_file
from node.guarded.accusation import WrongEvaluation
from node.wrongcase import verify_wrong
from tests.nets.misevaluator import wrong
from tests.unit.node.execution.alliance import ACCOUNTS, NAMES, STRANGER, make_genesis
from tests.unit.node.guarded.test_accusation import CULPRIT, DRAW, LIVE, SHARES, request

GENESIS = make_genesis()
DOCUMENT = GENESIS.to_json()
MEMBERS = tuple(member_id_bytes(name) for name in NAMES)


def case(*, is_wrong: bool = True, live: LiveSharing = LIVE) -> WrongEvaluation:
    """The second member of the test alliance answers, wrong unless told otherwise."""
    asked = request()
    given = evaluate(SHARES[CULPRIT - 1], asked.blinded, DRAW)
    if is_wrong:
        given = wrong(given, DRAW)
    said = answer(asked, given, GENESIS.domain(), ACCOUNTS[CULPRIT - 1])
    published = bytes(32) + replace(live, members=MEMBERS).encode()
    return WrongEvaluation(b"\x05" * 32, published, asked.encode(), said.encode())


WRONG = case()
CONFIRMED = sha256(WRONG.published).hex()


def test_a_wrong_answer_holds_against_the_sharing_that_the_reader_knows() -> None:
    shown = verify_wrong(WRONG, DOCUMENT, CONFIRMED)
    assert (shown["culprit"], shown["sharing"]) == (NAMES[CULPRIT - 1], CONFIRMED)
    assert shown["node"] == f"0x{ACCOUNTS[CULPRIT - 1].address.hex()}"


def test_another_sharing_than_the_ledgers_proves_nothing() -> None:
    with pytest.raises(EvidenceInvalid, match="that of the case is"):
        verify_wrong(WRONG, DOCUMENT, "00" * 32)


def test_an_honest_answer_never_holds() -> None:
    honest = case(is_wrong=False)
    with pytest.raises(EvidenceInvalid, match="the answer is right"):
        verify_wrong(honest, DOCUMENT, sha256(honest.published).hex())


def test_an_account_that_a_vote_replaced_has_to_be_given() -> None:
    with pytest.raises(EvidenceInvalid, match="did not sign"):
        verify_wrong(WRONG, DOCUMENT, CONFIRMED, f"0x{STRANGER.address.hex()}")
    own = ACCOUNTS[CULPRIT - 1].address.hex()
    assert verify_wrong(WRONG, DOCUMENT, CONFIRMED, own)["node"] == f"0x{own}"


@pytest.mark.parametrize(("sharing", "account"), [("zz", None), (CONFIRMED, "0x12")])
def test_a_hash_or_an_account_that_is_none_is_refused(sharing: str, account: str | None) -> None:
    with pytest.raises(EvidenceInvalid, match="hex digits are needed"):
        verify_wrong(WRONG, DOCUMENT, sharing, account)


def test_a_file_is_read_as_the_kind_that_it_says() -> None:
    found, changes = case_of_file(WRONG.encode())
    assert found == WRONG and not isinstance(found, Case) and changes == ()
    with pytest.raises(EvidenceInvalid):
        case_of_file(WRONG.encode()[:-1])


def test_the_command_decides_only_with_the_hash_of_the_sharing(tmp_path: Path) -> None:
    file, genesis = tmp_path / "case.bin", tmp_path / "genesis.json"
    file.write_bytes(WRONG.encode())
    genesis.write_bytes(DOCUMENT)
    words = ["verify", str(file), "--genesis", str(genesis)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == UNDECIDED and done.output.startswith("UNDECIDED"), done.output
    assert CONFIRMED in done.output
    done = CliRunner().invoke(command, [*words, "--sharing", CONFIRMED])
    assert done.exit_code == 0 and done.output.startswith("HOLDS"), done.output
    done = CliRunner().invoke(command, [*words, "--sharing", "00" * 32])
    assert done.exit_code == 1 and done.output.startswith("INVALID"), done.output
