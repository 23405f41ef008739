"""`bulwark member`: the home of a joining member, its certificate and its join request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from bulwark.ledger.signing import SigningKey
from node.assembly import open_home
from node.governance.documents import action_of
from node.keys import NodeSecrets
from node.pki import load_certificate, spki_pin
from tests.unit.node.cli.conftest import Run

PEERS = '[[peers]]\nmember = "northbank"\nhost = "127.0.0.1"\nport = 17100\n'


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    path = tmp_path / "peers.toml"
    path.write_text(PEERS)
    return path


def new(bulwark: Run, alliance: Path, peers: Path, home: Path, *more: str | Path) -> Result:
    words = ("--id", "eastbank", "--host", "127.0.0.1", "--genesis", alliance / "genesis.json")
    return bulwark("member", "new", *words, "--peers", peers, "--home", home, *more)


def test_a_home_with_a_certificate_opens_without_being_in_genesis(
    bulwark: Run, alliance: Path, peers: Path, tmp_path: Path
) -> None:
    home = tmp_path / "east"
    made = new(
        bulwark, alliance, peers, home, "--authority", alliance / "authority", "--unattended"
    )
    assert made.exit_code == 0, made.output
    opened = open_home(home)
    assert opened.genesis.member(opened.member.id) is None
    assert [(p.member, p.port) for p in opened.config.network.peers] == [("northbank", 17_100)]
    request = bulwark("member", "join-request", "--home", home, "--host", "east.example")
    document = json.loads(request.stdout)
    assert (document.pop("host"), document.pop("port")) == ("east.example", 7000)
    action = action_of({"kind": "add_member", **document})
    assert action.member.node == opened.vote_key.address
    assert action.member.account == opened.account_key.address
    assert action.member.tls_pin == opened.member.tls_pin


def test_the_ca_issues_a_certificate_for_the_public_key_alone(
    bulwark: Run, alliance: Path, peers: Path, tmp_path: Path
) -> None:
    home = tmp_path / "east"
    ca = alliance / "authority" / "ca.pem"
    secret = {"BULWARK_KEYSTORE_PASSPHRASE": "correct horse"}
    words = ("--id", "eastbank", "--host", "east.example", "--peers", peers, "--home", home)
    document = ("--genesis", alliance / "genesis.json", "--ca", ca)
    made = bulwark("member", "new", *words, *document, "--json", env=secret)
    assert made.exit_code == 0, made.output
    facts = json.loads(made.stdout)
    assert not (home / "tls" / "node.pem").exists()
    assert not (home / "keys" / "passphrase").exists()
    issued = bulwark(
        "member",
        "certificate",
        *("--authority", alliance / "authority", "--id", "eastbank"),
        facts["public_key"],
    )
    assert issued.exit_code == 0, issued.output
    secrets = NodeSecrets.load(home / "keys" / "keystore.json", b"correct horse")
    request = json.loads(bulwark("member", "join-request", "--home", home, env=secret).stdout)
    certificate = load_certificate(issued.stdout.encode())
    assert spki_pin(certificate).hex() == request["tls_pin"]
    assert request["node"] == f"0x{SigningKey(secrets.vote_key).address.hex()}"
    assert request["roles"] == ["validator", "reporter"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "name the CA"),
        (("--ca", "missing.pem"), 2, "missing.pem"),
        (("--authority", "nowhere"), 2, "nowhere"),
        (("--id", "East", "--ca", "x"), 2, "small letter"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    bulwark: Run, alliance: Path, peers: Path, tmp_path: Path, words, code, said
) -> None:
    made = new(bulwark, alliance, peers, tmp_path / "east", *words, "--unattended")
    assert (made.exit_code, said in made.output) == (code, True), made.output
    assert not (tmp_path / "east").exists()


def test_a_passphrase_is_needed_and_a_member_of_genesis_does_not_join(
    bulwark: Run, alliance: Path, peers: Path, tmp_path: Path
) -> None:
    authority = ("--authority", alliance / "authority")
    made = new(bulwark, alliance, peers, tmp_path / "east", *authority)
    assert (made.exit_code, "BULWARK_KEYSTORE_PASSPHRASE" in made.output) == (2, True)
    listed = json.loads((alliance / "genesis.json").read_bytes())["members"][0]["id"]
    again = ("--id", listed, *authority, "--unattended")
    made = new(bulwark, alliance, peers, tmp_path / "east", *again)
    assert (made.exit_code, "since genesis" in made.output) == (2, True)
    home = tmp_path / "taken"
    home.mkdir()
    made = new(bulwark, alliance, peers, home, *authority, "--unattended")
    assert (made.exit_code, "exists" in made.output) == (2, True)


@pytest.mark.parametrize(
    "text",
    ["x", "", "[[peers]]\nmember = 1\n", PEERS + "x = 1\n", PEERS.replace("17100", "0")],
)
def test_a_faulty_file_of_peers_is_refused(
    bulwark: Run, alliance: Path, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "peers.toml"
    path.write_text(text)
    authority = ("--authority", alliance / "authority", "--unattended")
    made = new(bulwark, alliance, path, tmp_path / "east", *authority)
    assert (made.exit_code, "peers" in made.output) == (2, True), made.output
