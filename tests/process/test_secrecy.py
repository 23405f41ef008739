"""Nothing clear leaves a member: not on the wire, not on any disk, not in the permanent ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind as IndicatorKind
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from bulwark.privacy.tags import tag_input
from node.gossip import decode_parcel
from node.network.kinds import Kind
from node.storage import schema
from node.storage.blocks import read_sidecar
from node.storage.level import LevelStore
from tests.consent_terms import terms
from tests.process import needles
from tests.process.support import Alliance, rpc
from tests.process.wiretap import Wiretap

pytestmark = pytest.mark.process

REPORTED = (
    ("phone", "+44 20 7946 0857"),
    ("email", "zebulon.quagmire@vexillology-scam.net"),
    ("iban", "DE75 5121 0800 1245 1261 99"),
    ("wallet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ("domain", "xylophone-parcel-refund.info"),
    ("url", "https://xylophone-parcel-refund.info/zqpay?session=9f8e7d6c"),
)
ASKED_ONLY = (("phone", "+44 20 7946 0391"), ("email", "clean.quokka@honest-people.org"))
REFUSED = (("iban", "DE75 5121 0800 1245 1261 98"), ("email", "broken@@kumquat-typo.example"))
SUBJECT = "subject-marmalade-77-quokka"
ROWS = "".join(
    f'{{"kind":"{kind}","value":"{value}","fraud_type":"smishing"}}\n' for kind, value in REPORTED
)
CASE, LINK = "CASE-ZEPPELIN-4711-XY", "LINK-BATHYSPHERE-0815"
PERMANENT = (
    schema.META, schema.HEADERS, schema.HEIGHTS_BY_HASH, schema.BATCHES, schema.RECEIPTS,
    schema.COMMIT_CERTIFICATES, schema.CHECKPOINTS, schema.TRANSACTIONS, schema.RECORDS,
    schema.LOG_NODES, schema.LOG_LEAVES, schema.LOG_INDEX, schema.EVENTS, schema.STATE,
    schema.CODES, schema.CONSENSUS, schema.CONSENTS, schema.EVALUATIONS, schema.IDEMPOTENCY,
    schema.OWN_HITS, schema.ERASURES,
)  # fmt: skip
"""Everything of a store that no erasure touches; tags may not be in there."""


@dataclass
class Scene:
    """What happened, and what each part of it left behind."""

    alliance: Alliance
    tap: Wiretap
    reporter: str
    secrets: dict[bytes, str]
    answers: list[dict[str, Any]]


def secrets() -> dict[bytes, str]:
    """Needles of every clear value that was given to the reporting member."""
    found: dict[bytes, str] = {}
    for kind, value in REPORTED + ASKED_ONLY:
        normal = normalise(IndicatorKind.parse(kind, "kind"), value, None).value
        inputs = tuple(tag_input(version, kind, normal) for version in (0, 1, 2))
        found |= needles.of_value(value, tag_inputs=inputs)
        found |= needles.of_value(normal, tag_inputs=inputs)
    for text in (*(value for _, value in REFUSED), SUBJECT, CASE, LINK):
        found |= needles.of_value(text)
    # A digest of the whole upload would be found by trying numbers, so it may not be kept either.
    request = b"POST /v1/indicators/batches\n" + ROWS.encode()
    return found | needles.of_digest(hashlib.sha256(request).digest(), "SHA-256 of an upload")


def play(alliance: Alliance, reporter: str, other: str) -> list[dict[str, Any]]:
    """Report, ask, consent and withdraw, all through one member; then ask another one."""
    answers = []
    for kind, value in REPORTED:
        more = {"case_ref": CASE, "link_group": LINK}
        answers.append(alliance.report(reporter, kind=kind, value=value, wait="finalized", **more))
    client = alliance.client(reporter, "reporter")
    for kind, value in REFUSED:
        body = {"kind": kind, "value": value, "fraud_type": "vishing"}
        assert client.post("/v1/indicators", json=body).status_code == 422
    bulk = client.post(
        "/v1/indicators/batches",
        params={"wait": "finalized"},
        content=ROWS,
        headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": CASE},
    )
    assert bulk.status_code == 200 and bulk.json()["taken"] == len(REPORTED), bulk.text
    for kind, value in ASKED_ONLY:
        assert not alliance.screen(reporter, kind=kind, value=value, case_ref=CASE)["hit"]
    consent = client.post(
        "/v1/consents",
        params={"wait": "finalized"},
        json=terms(subject=SUBJECT),
    )
    assert consent.status_code == 201, consent.text
    withdrawn = client.post(
        f"/v1/consents/{consent.json()['consent_id']}/withdrawal",
        params={"wait": "finalized"},
        json={"reason": "withdrawn"},
    )
    assert withdrawn.status_code == 200, withdrawn.text
    alliance.until_final(withdrawn.json()["withdrawn_height"])
    for kind, value in REPORTED:
        assert alliance.screen(other, kind=kind, value=value)["hit"], f"{kind} not found elsewhere"
    return answers


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The play with the reporting member's connections tapped."""
    alliance = Alliance.create(tmp_path_factory.mktemp("secrecy") / "alliance")
    try:
        reporter, other = alliance.validators[:2]
        with Wiretap(alliance, reporter) as tap:
            alliance.start()
            yield Scene(alliance, tap, reporter, secrets(), play(alliance, reporter, other))
    finally:
        alliance.close()


@pytest.fixture(scope="module")
def stopped(scene: Scene) -> Scene:
    """The same after all nodes ended; tests that need them running come first in this file."""
    assert scene.alliance.stop() == []
    return scene


def records_of(parcel: bytes) -> list[Record]:
    """Records of a gossiped anchor."""
    sidecar = decode_parcel(parcel).sidecar
    return [] if sidecar is None else [e for e in sidecar.entries if isinstance(e, Record)]


def tags_of(store: LevelStore) -> set[bytes]:
    """Tags of all records that a store has, from its sidecars."""
    tags: set[bytes] = set()
    for key, _ in store.iterate(schema.SIDECARS):
        sidecar = read_sidecar(store, key[1:])
        assert isinstance(sidecar, Sidecar)
        tags |= {bytes(e.tag) for e in sidecar.entries if isinstance(e, Record)}
    return tags


def test_the_tap_sees_what_the_member_sends(scene: Scene) -> None:
    """Otherwise finding nothing on the wire would prove nothing."""
    others = [name for name in scene.alliance.names if name != scene.reporter]
    assert {piece.receiver for piece in scene.tap.sent} == set(others)
    for other in others:
        kinds = {kind for kind, _ in scene.tap.frames(scene.reporter, other)}
        assert {Kind.HELLO, Kind.TRANSACTION} <= kinds
    frames = scene.tap.frames(scene.reporter, others[0])
    sidecars = [payload for kind, payload in frames if kind is Kind.TRANSACTION]
    wanted = {bytes.fromhex(answer["record_id"]): answer for answer in scene.answers}
    seen = {r.record_id for p in sidecars for r in records_of(p)}
    assert wanted.keys() <= seen, "the records that went out were not seen in the clear"


def test_nothing_clear_is_on_the_wire(scene: Scene) -> None:
    for other in {piece.receiver for piece in scene.tap.sent}:
        stream = scene.tap.stream(scene.reporter, other)
        assert needles.search(stream, scene.secrets) == [], f"on the wire to {other}"


def test_neither_blocks_nor_answers_to_others_show_anything(scene: Scene) -> None:
    """Every block over JSON-RPC with whole transactions and receipts, and every REST view."""
    other = scene.alliance.names[-1]
    client = scene.alliance.client(other, "auditor")
    tip = scene.alliance.height(other)
    shown = []
    for height in range(tip + 1):
        shown.append(str(rpc(client, "eth_getBlockByNumber", hex(height), True)))
        shown.append(str(rpc(client, "eth_getBlockReceipts", hex(height))))
        shown.append(client.get(f"/v1/blocks/{height}").text)
    for answer in scene.answers:
        shown.append(client.get(f"/v1/indicators/{answer['record_id']}").text)
        shown.append(client.get(f"/v1/records/{answer['record_id']}/proof").text)
    assert needles.search("\n".join(shown).encode(), scene.secrets) == []


def test_nothing_clear_is_in_any_file_of_any_node(stopped: Scene) -> None:
    """LevelDB tables and logs, journals, text logs, keys, configurations: byte by byte."""
    files = 0
    for path in sorted(stopped.alliance.devnet.home.rglob("*")):
        if path.is_file():
            files += 1
            found = needles.search(path.read_bytes(), stopped.secrets)
            assert found == [], f"{path.relative_to(stopped.alliance.devnet.home)}: {found[:3]}"
    assert files > 50


def test_nothing_clear_is_in_any_key_or_value_of_any_store(stopped: Scene) -> None:
    """Tables may be compressed, so the pairs are read through LevelDB as well."""
    for name in stopped.alliance.names:
        with stopped.alliance.store(name) as store:
            pairs = b"\n".join(key + b"\0" + value for key, value in store.iterate(b""))
        assert len(pairs) > 10_000
        assert needles.search(pairs, stopped.secrets) == [], name


def test_tags_are_only_where_they_can_be_erased(stopped: Scene) -> None:
    """In sidecars and tag index keys, and on their way out; never in what stays for ever."""
    for name in stopped.alliance.names:
        with stopped.alliance.store(name) as store:
            tags = tags_of(store)
            assert len(tags) == len(REPORTED), f"{name} has {len(tags)} tags"
            wanted = {k: w for tag in tags for k, w in needles.of_tag(tag).items()}
            for prefix in PERMANENT:
                for key, value in store.iterate(prefix):
                    found = needles.search(key + b"\0" + value, wanted)
                    assert found == [], f"{name}: key {key.hex()[:40]} holds a {found}"
        for path in stopped.alliance.node(name).home.rglob("*"):
            if path.is_file() and "data" not in path.parts:
                assert needles.search(path.read_bytes(), wanted) == [], path
