"""What surrounds a node: how long its certificates last, and whether their keys are pinned."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bulwark.ledger.ids import MemberId
from node.config import NodeConfig
from node.keys import NodeSecrets
from node.pki import certificate_pem, create_ca, issue, load_certificate, spki_pin
from node.surroundings import certificate_facts, certificate_families

SECRETS = NodeSecrets.generate()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    now_ms = time.time_ns() // 1_000_000
    ca = create_ca("Alliance", now_ms=now_ms, days=100)
    made = issue(ca, MemberId("alpha"), SECRETS.tls_public_key(), now_ms=now_ms, days=2)
    settings = NodeConfig(member="alpha").network
    for path, certificate in ((settings.certificate, made), (settings.authority, ca.certificate)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(certificate_pem(certificate))
    return tmp_path


def test_seconds_left_are_a_metric_of_each_certificate_that_is_there(home: Path) -> None:
    config = NodeConfig(member="alpha")
    (family,) = certificate_families(home, config)
    left = {sample.labels["certificate"]: sample.value for sample in family.samples}
    assert left.keys() == {"node", "authority"}
    assert 1.9 < left["node"] / 86_400 <= 2.01
    assert 99.9 < left["authority"] / 86_400 <= 100.01
    (home / config.network.certificate).unlink()
    (family,) = certificate_families(home, config)
    assert [sample.labels["certificate"] for sample in family.samples] == ["authority"]


def test_a_certificate_is_held_against_the_pins_that_the_ledger_has(home: Path) -> None:
    network = NodeConfig(member="alpha").network
    own = spki_pin(load_certificate((home / network.certificate).read_bytes()))
    for pins, is_known in (((b"\1" * 32, own), True), ((b"\1" * 32,), False), (None, True)):
        node, authority = certificate_facts(home, network, pins)
        assert (node.pin_known, authority.pin_known) == (is_known, True)
