"""A description is read strictly: what it says counts, and every mistake names its field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulwark.policies.document import parse_policy
from bulwark.policies.library import shipped
from genesis.alliance import (
    Alliance,
    is_loopback,
    load_alliance,
    parse_alliance,
)
from genesis.errors import AllianceInvalid
from tests.unit.genesis.samples import EXAMPLES

HEAD = 'name = "Two"\nchain_id = 7\n'
MEMBER = """
[[members]]
id = "bank-a"
name = "Bank A"
roles = ["validator"]
host = "127.0.0.1"
p2p_port = 7000
http_port = 7001
"""
OBSERVER = """
[[members]]
id = "office"
name = "Office"
roles = ["regulator"]
host = "10.0.0.9"
p2p_port = 7000
http_port = 7001
"""


def parse(text: str) -> Alliance:
    return parse_alliance(text.encode(), "two.toml")


def refusal(text: str) -> AllianceInvalid:
    with pytest.raises(AllianceInvalid) as caught:
        parse(text)
    assert str(caught.value).startswith("two.toml: ")
    return caught.value


def test_what_is_left_out_gets_its_documented_default() -> None:
    alliance = parse(HEAD + MEMBER + OBSERVER)
    assert alliance.gas_limit == 10_000_000
    assert (alliance.permissions.send, alliance.permissions.deploy) == ("members", "deployers")
    assert alliance.consensus.pipeline == 4
    assert [member.id for member in alliance.validators] == ["bank-a"]


def test_a_node_of_this_machine_listens_on_loopback_and_another_everywhere() -> None:
    local, remote = parse(HEAD + MEMBER + OBSERVER).members
    assert (local.listen_host, remote.listen_host) == ("127.0.0.1", "0.0.0.0")
    assert remote.http_host == "127.0.0.1"


def test_listen_and_http_hosts_can_be_chosen() -> None:
    text = HEAD + MEMBER + 'listen_host = "::"\nhttp_host = "10.1.2.3"\n'
    member = parse(text).members[0]
    assert (member.listen_host, member.http_host) == ("::", "10.1.2.3")


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        (HEAD + MEMBER + "colour = 1\n", "members[0].colour", "known here: id, name"),
        ("extra = 1\n" + HEAD + MEMBER, "extra", "known here: name"),
        ('name = "Two"\n' + MEMBER, "chain_id", "missing"),
        (HEAD, "members", "missing"),
        ("members = []\n" + HEAD, "members", "validator"),
        (HEAD + OBSERVER, "members", "role validator"),
        (HEAD + MEMBER + MEMBER, "members[bank-a].id", "two members"),
        (HEAD.replace("7", "0") + MEMBER, "chain_id", "1..9007199254740991"),
        (HEAD.replace("7", "7.5") + MEMBER, "chain_id", "integer"),
        (HEAD.replace("7", "true") + MEMBER, "chain_id", "integer"),
        (HEAD.replace("Two", " Two") + MEMBER, "name", "1..64"),
        (HEAD.replace("Two", "T" * 65) + MEMBER, "name", "at most 64"),
        (HEAD + "gas_limit = 20999\n" + MEMBER, "gas_limit", "21000.."),
        (HEAD + MEMBER.replace("bank-a", "Bank"), "members[0].id", "small letter"),
        (HEAD + MEMBER.replace("bank-a", "authority"), "members[0].id", "authority"),
        (HEAD + MEMBER.replace('"validator"', '"boss"'), "members[bank-a].roles", "regulator"),
        (HEAD + MEMBER.replace('["validator"]', "[]"), "members[bank-a].roles", "one or more"),
        (HEAD + MEMBER.replace("7000", "0"), "members[bank-a].p2p_port", "1..65535"),
        (HEAD + MEMBER.replace("7001", "7000"), "members[bank-a].http_port", "7000 is members"),
        (HEAD + MEMBER.replace("127.0.0.1", "a b"), "members[bank-a].host", "no host name"),
        (HEAD + MEMBER.replace("127.0.0.1", "1.2.3"), "members[bank-a].host", "no host name"),
        (HEAD + "[privacy]\nepoch_seconds = 2\n" + MEMBER, "privacy.epoch_seconds", "10.."),
        (HEAD + "[consensus]\npipelin = 2\n" + MEMBER, "consensus.pipelin", "pipeline"),
        (HEAD + "[consensus]\npipeline = 0\n" + MEMBER, "consensus.pipeline", "1..64"),
        (HEAD + '[permissions]\nsend = "all"\n' + MEMBER, "permissions.send", "members, anyone"),
        (HEAD + "[permissions]\ndeploy = 1\n" + MEMBER, "permissions.deploy", "string"),
    ],
)
def test_a_mistake_is_refused_with_its_field_and_what_is_allowed(
    text: str, field: str, allowed: str
) -> None:
    error = refusal(text)
    assert error.field == field
    assert allowed in error.detail


def test_text_that_is_no_toml_is_refused_with_its_line() -> None:
    assert "line 2" in str(refusal("name = 1\nname name\n"))


def test_a_file_over_the_limit_is_not_parsed() -> None:
    assert "more than" in str(refusal("#" * (1024 * 1024 + 1)))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AllianceInvalid, match=r"nowhere\.toml: No such file"):
        load_alliance(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("name", "voting", "all_members"),
    [("four-banks", 4, 5), ("seven-members", 7, 9)],
)
def test_the_examples_are_what_they_say(name: str, voting: int, all_members: int) -> None:
    alliance = load_alliance(EXAMPLES / f"{name}.toml")
    assert len(alliance.validators) == voting
    assert len(alliance.members) == all_members
    assert (alliance.permissions.send, alliance.permissions.deploy) == ("members", "deployers")


def test_the_members_of_the_bigger_example_run_on_hosts_of_their_own() -> None:
    members = load_alliance(EXAMPLES / "seven-members.toml").members
    assert len({member.host for member in members}) == len(members)
    assert not any(is_loopback(member.host) for member in members)
    assert [m.roles for m in members if not m.is_validator] == [("regulator",), ("reporter",)]


def test_quotas_and_times_of_the_privacy_layer_are_taken_within_their_bounds() -> None:
    given = "[privacy]\nepoch_seconds = 600\nquota_small = 5\n"
    alliance = parse_alliance((HEAD + given + MEMBER).encode(), "file")
    assert alliance.privacy.epoch_seconds == 600
    assert alliance.privacy_parameters == {"quota_small": 5}
    with pytest.raises(AllianceInvalid, match="quota_small"):
        parse_alliance((HEAD + "[privacy]\nquota_small = 0\n" + MEMBER).encode(), "file")


def policies_of(text: str, folder: Path = Path()) -> list[str]:
    documents = parse_alliance((HEAD + text + MEMBER).encode(), "two.toml", folder).policies
    return [parse_policy(document).title for document in documents]


def test_an_alliance_has_the_shipped_default_policy_unless_it_names_another(tmp_path) -> None:
    assert policies_of("") == ["alliance-default"]
    adopted = '[policies]\nadopted = ["eu-psr-83", "telecom-signals"]\n'
    assert policies_of(adopted) == ["alliance-default", "eu-psr-83", "telecom-signals"]
    own = shipped("eu-psr-83").document.replace(b'"eu-psr-83"', b'"own"')
    (tmp_path / "own.json").write_text(json.dumps(json.loads(own), indent=2))
    named = '[policies]\ndefault = "own.json"\nadopted = ["eu-psr-83"]\n'
    assert policies_of(named, tmp_path) == ["own", "eu-psr-83"]


@pytest.mark.parametrize(
    ("table", "field", "detail"),
    [
        ('default = "eu-psr"', "policies.default", "alliance-default, eu-psr-83"),
        ("default = 7", "policies.default", "a string"),
        ('default = "none.json"', "policies.default", "No such file"),
        ('adopted = ["alliance-default"]', "policies.adopted", "one title"),
        ('adopted = ["bad.json"]', "policies.adopted[0]", "$.own_assessment"),
        ('first = "eu-psr-83"', "policies.first", "known here: default, adopted"),
        ("adopted = 1", "policies.adopted", "a list"),
    ],
)
def test_a_policy_that_can_not_be_used_is_named_with_its_fault(
    table, field, detail, tmp_path
) -> None:
    document = json.loads(shipped("eu-psr-83").document) | {"own_assessment": "yes"}
    (tmp_path / "bad.json").write_text(json.dumps(document))
    text = f"{HEAD}[policies]\n{table}\n{MEMBER}"
    with pytest.raises(AllianceInvalid) as caught:
        parse_alliance(text.encode(), "two.toml", tmp_path)
    assert caught.value.field == field
    assert detail in str(caught.value)
