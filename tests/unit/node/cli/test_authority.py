"""`authority`: an old and a new CA side by side, and the old one forgotten in the end."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from node.assembly import network_identity, open_home
from node.network.tls import client_context, server_context
from node.pki import load_certificates
from tests.unit.node.cli.conftest import Run


@pytest.fixture
def home(alliance: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "hilltel"
    shutil.copytree(alliance / "hilltel", copy)
    return copy


@pytest.fixture
def coming(bulwark: Run, tmp_path: Path) -> Path:
    """The folder of a new authority of the same name as the old one."""
    out = tmp_path / "authority-2"
    made = bulwark("authority", "new", "--alliance", "Example", "--out", out, "--unattended")
    assert made.exit_code == 0, made.output
    return out


def listed(bulwark: Run, home: Path) -> list[dict[str, Any]]:
    told = bulwark("authority", "list", "--home", home, "--json")
    assert told.exit_code == 0, told.output
    return list(json.loads(told.stdout)["authorities"])


def renew(bulwark: Run, authority: Path, home: Path, file: Path) -> None:
    """A certificate of this authority for the key that the node has."""
    words = ("member", "certificate", "--authority", authority, "--id", "hilltel")
    file.write_text(bulwark(*words, home / "tls" / "node.pem").stdout)


def test_certificates_move_from_one_authority_to_another(
    bulwark: Run, home: Path, coming: Path, tmp_path: Path
) -> None:
    (old,) = listed(bulwark, home)
    pin = network_identity(open_home(home)).pin()
    new = tmp_path / "new.pem"
    renew(bulwark, coming, home, new)
    install = ("key", "rotate", "tls", "--home", home, "--certificate", new, "--offline")
    refused = bulwark(*install)
    assert refused.exit_code == 2 and "not issued by an authority" in refused.stderr
    trusted = bulwark("authority", "trust", coming / "ca.pem", "--home", home)
    assert trusted.exit_code == 0 and "bulwark node reload" in trusted.stdout
    assert [row["issued_own"] for row in listed(bulwark, home)] == [True, False]
    assert bulwark(*install).exit_code == 0
    assert [row["issued_own"] for row in listed(bulwark, home)] == [False, True]
    local = network_identity(open_home(home))
    assert local.pin() == pin, "the key is the same, so no vote is needed"
    server_context(local)
    client_context(local)
    forgotten = json.loads(bulwark("authority", "forget", "--home", home, "--json").stdout)
    assert forgotten["forgotten"] == old["fingerprint"]
    (left,) = listed(bulwark, home)
    assert left["issued_own"] and left["fingerprint"] != old["fingerprint"]
    again = bulwark("authority", "forget", "--home", home)
    assert again.exit_code == 0 and "none: no other is trusted" in again.stdout


def test_the_authority_of_the_own_certificate_is_not_forgotten(
    bulwark: Run, home: Path, coming: Path
) -> None:
    (old,) = listed(bulwark, home)
    bulwark("authority", "trust", coming / "ca.pem", "--home", home)
    early = bulwark("authority", "forget", "--home", home)
    assert early.exit_code == 2 and "did not issue this node's certificate yet" in early.stderr
    assert len(listed(bulwark, home)) == 2, "who moves too early is not cut off from the new one"
    assert bulwark("authority", "forget", "--give-up", "--home", home).exit_code == 0
    assert listed(bulwark, home) == [old]
    (home / "tls" / "ca.pem").write_bytes((coming / "ca.pem").read_bytes())
    refused = bulwark("authority", "forget", "--home", home)
    assert refused.exit_code == 2 and "no trusted authority issued it" in refused.stderr


def test_what_is_no_authority_or_one_too_many_is_refused_and_nothing_is_written(
    bulwark: Run, home: Path, coming: Path, tmp_path: Path
) -> None:
    place = home / "tls" / "ca.pem"
    before = place.read_bytes()
    leaf = bulwark("authority", "trust", home / "tls" / "node.pem", "--home", home)
    assert leaf.exit_code == 2 and "is not the certificate of an authority" in leaf.stderr
    noise = tmp_path / "noise.pem"
    noise.write_text("no certificate")
    refused = bulwark("authority", "trust", noise, "--home", home)
    assert refused.exit_code == 2 and "PEM" in refused.stderr
    assert place.read_bytes() == before
    for number in range(3):
        assert bulwark("authority", "trust", coming / "ca.pem", "--home", home).exit_code == 0
        shutil.rmtree(coming)
        words = ("--alliance", f"Example {number}", "--out", coming, "--unattended")
        assert bulwark("authority", "new", *words).exit_code == 0
    full = bulwark("authority", "trust", coming / "ca.pem", "--home", home)
    assert full.exit_code == 2 and "forget the former ones" in full.stderr
    assert len(load_certificates(place.read_bytes())) == 4


def test_an_authority_trusted_twice_is_there_once(bulwark: Run, home: Path, coming: Path) -> None:
    words = ("authority", "trust", coming / "ca.pem", "--home", home)
    assert bulwark(*words).exit_code == 0
    again = bulwark(*words)
    assert again.exit_code == 0 and "trusted already" in again.stdout
    assert len(listed(bulwark, home)) == 2


def test_the_key_of_a_new_authority_is_encrypted_and_its_owners_alone(
    bulwark: Run, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    words = ("authority", "new", "--alliance", "Example", "--out", out)
    untold = bulwark(*words, env={"BULWARK_AUTHORITY_PASSPHRASE": ""})
    assert untold.exit_code == 2 and "BULWARK_AUTHORITY_PASSPHRASE" in untold.stderr
    made = bulwark(*words, env={"BULWARK_AUTHORITY_PASSPHRASE": "correct horse"})
    assert made.exit_code == 0 and "correct horse" not in made.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert stat.S_IMODE((out / "ca-key.pem").stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (out / "ca-key.pem").read_bytes()
    assert not (out / "passphrase").exists()
    taken = bulwark(*words, env={"BULWARK_AUTHORITY_PASSPHRASE": "correct horse"})
    assert taken.exit_code == 2 and "there is a folder already" in taken.stderr


def test_key_status_lists_every_authority_that_is_trusted(
    bulwark: Run, home: Path, coming: Path
) -> None:
    bulwark("authority", "trust", coming / "ca.pem", "--home", home)
    told = json.loads(bulwark("key", "status", "--home", home, "--offline", "--json").stdout)
    files = [row["file"] for row in told["certificates"]]
    assert files == ["tls/node.pem", "tls/ca.pem", "tls/ca.pem"]
    assert len({row["fingerprint"] for row in told["certificates"]}) == 3
