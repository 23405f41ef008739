"""Dry runs: quorums before and after, who counts as connected, and what is refused or unsafe."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from bulwark.ledger.validators import max_faulty, quorum_size
from consensus.config import Config
from contracts.actions import (
    Action,
    AddMember,
    AdoptPolicy,
    Reinstate,
    RemoveMember,
    SetKeys,
    SetParameter,
    SetRoles,
    SetTlsPins,
    SuspendMember,
)
from contracts.members import Member, Role, member_id_bytes
from node.governance.planning import Situation, members_after, plan, quorum_of
from node.governance.port import DryRun, Weight

ZERO = bytes(32)


def member(name: str, roles: int = Role.VALIDATOR | Role.REPORTER) -> Member:
    seed = name.encode().ljust(32, b"!")
    return Member(member_id_bytes(name), seed[:20], seed[12:], Role(roles), seed, seed, ZERO)


def alliance(count: int) -> tuple[Member, ...]:
    return tuple(member(f"m{place}") for place in range(count))


def look(
    action: Action,
    members: tuple[Member, ...] | None = None,
    *,
    connected: Iterable[str] | None = None,
    own: str = "m0",
    refusal: str | None = None,
) -> DryRun:
    found = alliance(4) if members is None else members
    names = {m.id.rstrip(b"\0").decode() for m in found}
    situation = Situation(
        members=found,
        parameters={"pipeline": 4},
        connected=frozenset(names - {own} if connected is None else connected),
        own=own,
        check_parameters=lambda parameters: Config(**parameters),
    )
    return plan(situation, action, refusal)


def codes(run: DryRun, weight: Weight | None = None) -> set[str]:
    return {f.code for f in run.findings if weight is None or f.weight is weight}


@pytest.mark.parametrize("count", range(1, 14))
def test_quorums_are_those_of_the_validator_set(count):
    found = quorum_of([*alliance(count), member("observer", Role.REPORTER)])
    assert found.validators == count
    assert (found.quorum, found.faulty) == (quorum_size(count), max_faulty(count))
    assert found.approvals == -(-2 * count // 3)


def test_adding_a_fifth_validator_needs_all_four_connected():
    action = AddMember(member("m4"))
    run = look(action)
    assert (run.before.quorum, run.after.quorum) == (3, 4)
    assert run.missing == ("m4",)
    assert run.verdict() is None
    assert codes(run) == {"not-ready"}
    run = look(action, connected=("m1", "m2"))
    assert codes(run, Weight.UNSAFE) == {"below-quorum"}
    assert "3 of 5" in str(run.verdict())
    assert run.verdict(force=True) is None


def test_an_added_observer_changes_no_quorum():
    run = look(AddMember(member("regulator", Role.REGULATOR)))
    assert run.before == run.after
    assert not run.findings


@pytest.mark.parametrize(
    "action", [RemoveMember(member("m3").id), SetRoles(member("m3").id, Role(2))]
)
def test_fewer_than_four_validators_are_unsafe(action):
    run = look(action)
    assert run.after.validators == 3
    assert codes(run) == {"too-few-validators"}
    assert run.verdict() is not None
    assert run.verdict(force=True) is None
    assert look(action, alliance(5)).verdict() is None


def test_growing_a_small_alliance_is_not_unsafe():
    assert look(AddMember(member("m1", Role.REPORTER)), alliance(1)).verdict() is None
    assert "below-quorum" in codes(look(AddMember(member("m1")), alliance(1)))


def test_a_removed_member_that_is_away_makes_it_better():
    run = look(RemoveMember(member("m4").id), alliance(5), connected=("m1", "m2", "m3"))
    assert run.verdict() is None
    assert run.missing == ()


def test_removing_a_connected_member_while_others_are_away_is_unsafe():
    run = look(RemoveMember(member("m1").id), alliance(5), connected=("m1", "m2"))
    assert codes(run) == {"below-quorum"}
    assert run.missing == ("m3", "m4")


@pytest.mark.parametrize(
    "action", [RemoveMember(member("m0").id), SetRoles(member("m0").id, Role(2))]
)
def test_voting_out_the_own_member_is_noted_and_allowed(action):
    run = look(action, alliance(7))
    assert codes(run) == {"own-member"}
    assert run.verdict() is None


def test_a_validator_with_a_new_vote_key_counts_as_away():
    m1 = member("m1")
    change = SetKeys(m1.id, b"\x01" * 20, m1.account, ZERO)
    run = look(change, connected=("m1", "m2"))
    assert codes(run) == {"below-quorum", "restart"}
    assert set(run.missing) == {"m1", "m3"}
    assert look(change).verdict() is None
    same = SetKeys(m1.id, m1.node, b"\x01" * 20, ZERO)
    assert look(same).missing == ()


def test_a_pin_that_drops_the_present_key_is_noted_and_a_next_pin_is_not():
    m1 = member("m1")
    run = look(SetTlsPins(m1.id, b"\x01" * 32, ZERO))
    assert codes(run) == {"pin-dropped"}
    assert run.missing == ("m1",)
    for safe in (
        SetTlsPins(m1.id, m1.tls_pin, b"\x01" * 32),
        SetTlsPins(m1.id, b"\1" * 32, m1.tls_pin),
    ):
        assert not look(safe).findings


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (AddMember(replace(member("m9"), tls_pin=member("m1").tls_pin)), "pin-taken"),
        (AddMember(replace(member("m9"), next_tls_pin=member("m1").tls_pin)), "pin-taken"),
        (SetTlsPins(member("m1").id, member("m2").tls_pin, ZERO), "pin-taken"),
        (AddMember(replace(member("m9"), node=member("m1").node)), "node-taken"),
        (SetParameter("pipeline", 9), "parameters-do-not-fit"),
        (SetParameter("base_timeout_ms", 30_001), "parameters-do-not-fit"),
    ],
)
def test_what_would_cut_nodes_off_is_refused_and_not_to_be_forced(action, code):
    run = look(action)
    assert code in codes(run, Weight.REFUSED)
    assert run.verdict(force=True) is not None


def test_a_validator_without_a_pin_is_unsafe():
    run = look(AddMember(replace(member("m4"), tls_pin=ZERO)))
    assert "no-tls-pin" in codes(run, Weight.UNSAFE)


def test_what_the_ledger_refuses_is_told_in_its_words_and_nothing_else_is_guessed():
    run = look(RemoveMember(member("nobody").id), refusal="bulwark: unknown member")
    assert run.verdict(force=True) == "bulwark: unknown member"
    assert run.before == run.after


def test_a_parameter_changes_no_member():
    run = look(SetParameter("rotation", 5))
    assert (run.verdict(), run.findings) == (None, ())
    members = alliance(4)
    assert members_after(members, SetParameter("rotation", 5)) == members


def test_an_observer_that_is_connected_with_everybody_sees_the_same():
    members = (*alliance(4), member("eye", Role.REGULATOR))
    run = look(SetParameter("rotation", 5), members, own="eye")
    assert run.connected == ("m0", "m1", "m2", "m3")


CASE = b"\x0c" * 32


def test_a_suspension_shows_the_quorum_without_the_member_and_leaves_three_with_a_note():
    run = look(SuspendMember(member("m3").id, CASE), connected=("m1", "m2"))
    assert (run.before.validators, run.after.validators) == (4, 3)
    assert run.after.quorum == quorum_size(3)
    assert run.verdict() is None
    assert codes(run) == codes(run, Weight.NOTE) == {"too-few-validators"}


def test_a_suspension_that_would_halt_the_alliance_is_refused_without_force():
    run = look(SuspendMember(member("m3").id, CASE), connected=())
    assert codes(run, Weight.UNSAFE) == {"below-quorum"}
    assert "1 of 3" in str(run.verdict())


def test_suspending_the_own_member_and_what_is_known_of_the_case_are_notes():
    run = look(SuspendMember(member("m0").id, CASE))
    assert "own-member" in codes(run, Weight.NOTE)
    refused = look(SuspendMember(member("m3").id, CASE), refusal="no such case")
    assert codes(refused) == {"refused-by-the-ledger"} and refused.verdict() == "no such case"


def test_a_reinstatement_gives_back_what_was_taken():
    suspended = members_after(alliance(5), SuspendMember(member("m4").id, CASE))
    assert suspended[4].roles == Role(0)
    assert members_after(suspended, Reinstate(member("m4").id)) == alliance(5)
    assert members_after(alliance(5), AdoptPolicy(CASE)) == alliance(5)
    deployer = (*alliance(4), member("m4", 15))
    assert members_after(deployer, SuspendMember(member("m4").id, CASE))[4].roles == Role(12)


def raised(level: int, levels: dict[str, int], *, own_level: int = 1, now: int = 0, away: str = ""):
    situation = Situation(
        members=alliance(4),
        parameters={"protocol_level": now} if now else {},
        connected=frozenset({"m1", "m2", "m3"} - {away}),
        own="m0",
        check_parameters=lambda parameters: Config(),
        levels=levels,
        own_level=own_level,
    )
    return plan(situation, SetParameter("protocol_level", level), None)


def test_a_level_that_all_builds_know_may_be_voted_and_the_dry_run_says_what_it_turns_on() -> None:
    run = raised(1, {"m1": 1, "m2": 2, "m3": 1})
    assert codes(run) == {"turns-on"}
    assert "transaction-gas-cap" in run.findings[0].detail


def test_a_level_that_a_connected_build_does_not_know_is_unsafe() -> None:
    run = raised(1, {"m1": 1, "m2": 0})
    assert "members-too-old" in codes(run, Weight.UNSAFE)
    assert "m2 (up to 0), m3 (up to 0)" in next(
        f.detail for f in run.findings if f.code == "members-too-old"
    )


def test_a_level_that_this_build_does_not_know_is_unsafe() -> None:
    known = {"m1": 2, "m2": 2, "m3": 2}
    assert codes(raised(2, known), Weight.UNSAFE) == {"build-too-old"}


def test_a_level_never_goes_down_nor_is_voted_twice() -> None:
    known = {"m1": 2, "m2": 2, "m3": 2}
    for level in (1, 2):
        assert "level-only-rises" in codes(raised(level, known, now=2), Weight.REFUSED)


def test_who_is_away_is_named_since_nobody_knows_what_it_runs() -> None:
    run = raised(1, {"m1": 1, "m2": 1}, away="m3")
    assert "level-not-known" in codes(run, Weight.NOTE)
