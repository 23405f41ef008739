"""`report`, `screen`, `consent` and `verify`: what they print and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.api.world import World
from tests.unit.client.proving import make
from tests.unit.node.cli_data.conftest import Run

PHONE = ("--kind", "phone", "--value", "+44 20 7946 0958")


def on(folder: Path, name: str = "bank-a") -> tuple[str, ...]:
    return ("--devnet", str(folder), "--node", name)


def test_a_report_is_found_by_a_screening(bulwark: Run, devnet: Path) -> None:
    told = bulwark("report", *PHONE, "--fraud-type", "imp_bank", *on(devnet))
    assert told.exit_code == 0, told.output
    record_id = told.stdout.split()[1]
    found = bulwark("screen", *PHONE, *on(devnet, "bank-b"), "--json")
    answer = json.loads(found.stdout)
    assert answer["hit"] and answer["records"][0]["record_id"] == record_id
    shown = bulwark("screen", *PHONE, *on(devnet, "bank-b"))
    assert "HIT" in shown.stdout and record_id in shown.stdout


def test_a_report_names_its_policy_and_how_many_customers_stand_behind_it(
    bulwark: Run, devnet: Path, world: World
) -> None:
    words = ("--fraud-type", "imp_bank", "--policy", "eu-psr-83", "--customers", "2")
    assert bulwark("report", *PHONE, *words, *on(devnet)).exit_code == 0
    (seen,) = world.node.seen
    assert (seen.policy, seen.distinct_customers) == ("eu-psr-83", 2)


def test_the_value_can_come_from_standard_input(bulwark: Run, devnet: Path, world: World) -> None:
    words = ("report", "--kind", "email", "--value", "-", "--fraud-type", "phishing")
    told = bulwark(*words, *on(devnet), "--wait", "finalized", "--json", stdin="a@b.example\n")
    assert json.loads(told.stdout)["stage"] == "finalized"
    assert world.node.seen[0].value == "a@b.example"
    assert bulwark(*words, *on(devnet), stdin="").exit_code == 2


def test_exit_codes_of_a_screening_tell_the_answer_when_asked(
    bulwark: Run, devnet: Path, world: World
) -> None:
    words = ("screen", *PHONE, "--exit-code", *on(devnet))
    assert bulwark(*words).exit_code == 0
    bulwark("report", *PHONE, "--fraud-type", "imp_bank", *on(devnet))
    assert bulwark(*words).exit_code == 10
    world.node.reachable = False
    unsure = bulwark("screen", "--kind", "ip", "--value", "192.0.2.1", "--exit-code", *on(devnet))
    assert unsure.exit_code == 11
    assert "not a clean result" in unsure.stdout and "evaluators" in unsure.stdout


def test_a_refused_value_ends_with_one_line_and_its_rule(bulwark: Run, devnet: Path) -> None:
    told = bulwark("report", "--kind", "iban", "--value", "XX1", "--fraud-type", "job", *on(devnet))
    assert told.exit_code == 1
    assert len(told.stderr.strip().splitlines()) == 1 and "iban." in told.stderr
    unknown = bulwark("report", *PHONE, "--fraud-type", "nonsense", *on(devnet))
    assert unknown.exit_code == 2 and "imp_bank" in unknown.stderr


def test_a_node_is_named_by_address_and_key_file(
    bulwark: Run, devnet: Path, world: World, tmp_path: Path
) -> None:
    url = json.loads((devnet / "devnet.json").read_text())["nodes"][0]["rest_url"]
    key = tmp_path / "key"
    key.write_text(world.clear["reporter"] + "\n")
    assert bulwark("screen", *PHONE, "--url", url, "--key-file", key).exit_code == 0
    assert bulwark("screen", *PHONE, "--url", url).exit_code == 2
    key.write_text("wrong\n")
    wrong = bulwark("screen", *PHONE, "--url", url, "--key-file", key)
    assert wrong.exit_code == 1 and "401" in wrong.stderr and "wrong" not in wrong.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--node", "bank-a"),
        ("--devnet", "/nowhere"),
        ("--home", "/nowhere"),
        ("--url", "http://127.0.0.1:1", "--key-file", "/nowhere"),
        ("--url", "http://u:p@127.0.0.1:1", "--key-file", __file__),
        ("--url", "http://127.0.0.1:1", "--devnet", "/nowhere"),
    ],
)
def test_a_node_that_is_not_named_rightly_is_one_line_and_code_2(
    bulwark: Run, words: tuple[str, ...]
) -> None:
    told = bulwark("screen", *PHONE, *words)
    assert told.exit_code == 2
    assert len(told.stderr.strip().splitlines()) == 1 and "u:p" not in told.stderr


def test_an_unknown_node_of_a_devnet_is_told_with_the_known_ones(
    bulwark: Run, devnet: Path
) -> None:
    told = bulwark("screen", *PHONE, *on(devnet, "bank-z"))
    assert told.exit_code == 2 and "bank-a, bank-b" in told.stderr


@pytest.mark.parametrize("name", ["record", "erased", "consent", "consistency"])
def test_a_proof_that_holds_is_valid(bulwark: Run, tmp_path: Path, name: str) -> None:
    proved = make()
    (tmp_path / "genesis.json").write_bytes(proved.genesis)
    (tmp_path / "proof.json").write_bytes(getattr(proved, name))
    words = ("verify", "proof", tmp_path / "proof.json", "--genesis", tmp_path / "genesis.json")
    assert bulwark(*words).stdout.startswith("VALID\n")
    found = json.loads(bulwark(*words, "--json").stdout)
    assert found["valid"] is True and found["alliance"] == "proving"
    piped = bulwark("verify", "proof", "-", *words[3:], stdin=getattr(proved, name))
    assert piped.exit_code == 0


def test_a_proof_that_does_not_hold_is_code_1_with_the_reason(bulwark: Run, tmp_path: Path) -> None:
    proved = make()
    (tmp_path / "genesis.json").write_bytes(make("another").genesis)
    (tmp_path / "proof.json").write_bytes(proved.record)
    words = ("verify", "proof", tmp_path / "proof.json", "--genesis", tmp_path / "genesis.json")
    told = bulwark(*words)
    assert told.exit_code == 1 and told.stdout.startswith("INVALID")
    found = json.loads(bulwark(*words, "--json").stdout)
    assert found["valid"] is False and found["reason"]
    missing = bulwark("verify", "proof", tmp_path / "none.json", *words[3:])
    assert missing.exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("report",),
        ("screen",),
        ("consent", "give"),
        ("consent", "withdraw"),
        ("consent", "show"),
        ("import",),
        ("verify", "proof"),
        ("demo",),
    ],
)
def test_every_command_has_help_with_an_example(bulwark: Run, words: tuple[str, ...]) -> None:
    told = bulwark(*words, "--help")
    assert told.exit_code == 0 and f"bulwark {' '.join(words)}" in told.output
    assert "--json" in told.output
