"""Gas of every kind of call, measured, and the tables in the README that state it."""

from __future__ import annotations

import re

import pytest

from bulwark.ledger.merkle import root_of
from contracts.artifact import SOURCE_FOLDER
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    MAX_SEALED_BYTES,
    OPENINGS,
    PRIVACY_KEYS,
    QUERY_LOG,
    CaseRequest,
    CeremonyKind,
    CeremonyPhase,
    KeyPurpose,
    encode_anchor_access,
    encode_close_case,
    encode_open,
    encode_open_case,
    encode_post_partial,
    encode_register,
    encode_register_regulator,
    encode_statements_anchor,
    encode_vote,
    read_open_session,
    statement_leaf,
    statement_proof,
)
from genesis.alliance import DEFAULT_GAS_LIMIT
from tests.contracts.harness import signer
from tests.unit.contracts.ceremony_steps import PHASES, TAG, confirm, post, run_to, voter
from tests.unit.contracts.privacy_harness import (
    REGULATOR,
    PrivacyChain,
    privacy_alliance,
    prove,
    public,
    sealing,
    validators,
)

README = SOURCE_FOLDER.parent / "privacy" / "README.md"
WORD = b"\xa1" * 32
# The longest dealing of so many holders: commitments and one sealed pair for each.
DEALING_BYTES = {4: 544, 16: 2_144, 128: 17_088}


def section(title: str) -> str:
    return README.read_text(encoding="utf-8").split(f"## {title}")[1].split("\n## ")[0]


def opening(count: int) -> tuple[PrivacyChain, bytes, int]:
    chain = privacy_alliance(validators(count))
    outcome = chain.send(voter(1), KEY_CEREMONY, encode_open(TAG, CeremonyKind.GENERATE))
    session = read_open_session(chain.state.get_storage, KeyPurpose.TAG)
    assert outcome.ok
    assert session is not None
    return chain, session, outcome.gas_used


def ceremony(count: int) -> dict[str, int]:
    chain, session, opened = opening(count)
    dealing = b"\xee" * DEALING_BYTES[count]
    return {
        f"open, {count} holders": opened,
        f"post, longest of {count} holders": post(
            chain, session, CeremonyPhase.COMMIT, 1, dealing
        ).gas_used,
    }


def whole_ceremony() -> dict[str, int]:
    chain, session, _ = opening(4)
    empty = post(chain, session, CeremonyPhase.COMMIT, 1, b"").gas_used
    for index in (2, 3):
        post(chain, session, CeremonyPhase.COMMIT, index)
    last = post(chain, session, CeremonyPhase.COMMIT, 4).gas_used
    run_to(chain, session)
    gas = [confirm(chain, session, index, WORD).gas_used for index in (1, 2, 3, 4)]
    return {
        "post, nothing to say": empty,
        "post, closes its phase": last,
        "confirm, first": gas[0],
        "confirm, activates": gas[3],
    }


def others() -> dict[str, int]:
    chain = privacy_alliance([*validators(4), REGULATOR])
    keys = encode_register(public("new"), prove(b"ring-key", validators(1)[0].id, "new"), WORD)
    proof = prove(b"regulator-key", REGULATOR.id, "opener")
    leaves = [statement_leaf(WORD, WORD, WORD, bytes([i]) * 32) for i in range(256)]
    root = root_of(leaves)
    request = CaseRequest(sealing("case"), WORD, WORD, WORD, bytes(32), WORD, validators(1)[0].id)
    case = encode_open_case(request, statement_proof(leaves, 0))
    epoch = chain.epoch

    def used(name: str, to: bytes, data: bytes) -> int:
        outcome = chain.send(signer(name), to, data)
        assert outcome.reason is None
        return outcome.gas_used

    vote = encode_vote(request.case_id, True)
    chain.council(WORD)
    partial = encode_post_partial(request.case_id, b"\xee" * MAX_SEALED_BYTES, WORD, WORD)
    return {
        "register": used("m0", PRIVACY_KEYS, keys),
        "register_regulator": used(
            "regulator", PRIVACY_KEYS, encode_register_regulator(public("opener"), proof)
        ),
        "anchor, first": used("m0", QUERY_LOG, encode_statements_anchor(epoch, 1, 256, root)),
        "anchor, next": used("m0", QUERY_LOG, encode_statements_anchor(epoch, 2, 256, WORD)),
        "anchor_access, first": used("m0", QUERY_LOG, encode_anchor_access(1, 9, WORD)),
        "open_case, 256 statements": used("regulator", OPENINGS, case),
        "vote": used("m0", OPENINGS, vote),
        "vote, second": used("m1", OPENINGS, vote),
        "vote, approves": used("m2", OPENINGS, vote),
        "post_partial, 1,024 bytes": used("m0", OPENINGS, partial),
        "close_case": used("regulator", OPENINGS, encode_close_case(request.case_id, WORD)),
    }


def test_readme_states_the_measured_gas():
    stated = {
        name: int(gas)
        for name, gas in re.findall(r"^\| ([^|]+) \| (\d+) \|$", section("Gas"), re.M)
    }
    measured = {**ceremony(4), **ceremony(16), **ceremony(128), **whole_ceremony(), **others()}
    assert stated == measured


@pytest.mark.parametrize("count", [16, 128])
def test_every_call_fits_a_block_of_the_default_gas_limit(count):
    assert all(gas < DEFAULT_GAS_LIMIT for gas in ceremony(count).values())


def test_all_dealings_of_16_holders_fit_one_block():
    chain, session, _ = opening(16)
    run_to(chain, session, CeremonyPhase.DEAL)
    dealing = b"\xee" * DEALING_BYTES[16]
    gas = [post(chain, session, CeremonyPhase.DEAL, i, dealing).gas_used for i in range(1, 17)]
    assert sum(gas) < DEFAULT_GAS_LIMIT
    assert len(PHASES) == 7


def test_every_reason_of_the_readme_is_in_a_source_and_the_other_way_round():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section("Reasons"), re.M)
    assert [name for name, _ in rows] == ["PrivacyKeys", "KeyCeremony", "QueryLog", "Openings"]
    for name, reasons in rows:
        text = (SOURCE_FOLDER / f"{name}.vy").read_text(encoding="utf-8")
        assert set(reasons.split(", ")) == set(re.findall(r'"bulwark: ([^"]+)"', text))
