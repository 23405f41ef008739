"""A person's consent, through real nodes: it permits, its end restricts, and it can be erased."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from node.consents.vault import KEYS, VERSIONS
from tests.process.conftest import MakeAlliance
from tests.process.support import ROOT, Alliance, until
from tests.process.withdrawing import Withdrawing

pytestmark = pytest.mark.process

PHONE = "+44 20 7946 0958"
PERSON = {"subject": "pairwise-17"}


def verify(bundle: Path, genesis: Path) -> subprocess.CompletedProcess[str]:
    words = ("-m", "node.cli.main", "verify", "consent", str(bundle), "--genesis", str(genesis))
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def stored(alliance: Alliance, name: str, consent_id: str) -> list[bytes]:
    """Wrapped keys and sealed versions as they lie in the database of a node that is down."""
    anchor_id = bytes.fromhex(consent_id)
    with alliance.store(name) as store:
        values = [v for p in (KEYS, VERSIONS) for _, v in store.iterate(p + anchor_id)]
    return [value[12:44] for value in values]


def files_with(folder: Path, needles: list[bytes]) -> list[str]:
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def test_a_consent_permits_its_end_restricts_and_its_receipt_can_be_erased(
    make_alliance: MakeAlliance, tmp_path: Path
) -> None:
    alliance = make_alliance()
    alliance.start()
    play = Withdrawing(alliance)
    consent_id = play.give(phone="+442079460958")

    # What the consent does not permit does not leave the member.
    refused = play.report_on(consent_id, "a@scam-post.net", kind="email")
    assert refused["errors"][0]["rule"] == "consent.does-not-cover", refused
    assert "personal data" in refused["errors"][0]["detail"]
    refused = play.report_on("ab" * 32, PHONE)
    assert refused["errors"][0]["rule"] == "consent.not-given", refused

    record_id = play.report_on(consent_id, PHONE)["record_id"]
    for name in alliance.names:
        until(lambda name=name: play.is_hit(name, PHONE), f"a hit at {name}")

    # The end: who withdraws is told what rests on it, and nobody answers with it any more.
    ended = play.post(f"consents/{consent_id}/withdrawal", {}, wait="executed")
    assert (ended["status"], ended["records"]) == ("withdrawn", [record_id])
    for name in alliance.names:
        until(lambda name=name: play.is_restricted(name, PHONE), f"restricted at {name}", 30)
    refused = play.report_on(consent_id, "+44 20 7946 0959")
    assert refused["errors"][0]["rule"] == "consent.not-given", refused

    # The person's copy is checked with nothing but the genesis document.
    alliance.until_final(ended["withdrawn_height"])
    bundle = tmp_path / "receipts.json"
    document = play.post("consents/export", PERSON)
    bundle.write_text(json.dumps(document))
    genesis = alliance.devnet.home / "genesis.json"
    told = verify(bundle, genesis)
    assert told.returncode == 0 and told.stdout.startswith("VALID"), told.stdout + told.stderr
    assert "withdrawn" in told.stdout
    document["consents"][0]["versions"][0]["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasNotice"][
        "@id"
    ] = "https://bank-a.example/privacy/8"
    bundle.write_text(json.dumps(document))
    told = verify(bundle, genesis)
    assert told.returncode == 1 and "do not open the anchored commitment" in told.stdout

    # Nothing of the receipt is on disk after its erasure; before, its ciphertext was.
    issuer = play.issuer
    data = alliance.node(issuer).home
    alliance.devnet.node(issuer)
    alliance.stop()
    needles = stored(alliance, issuer, consent_id)
    assert len(needles) == 2 and files_with(data, needles)
    assert not files_with(data, [PERSON["subject"].encode()])
    alliance.start()
    until(lambda: alliance.height(issuer) > 0, "the issuer is back")
    erased = play.post(f"consents/{consent_id}/erasure", {})
    assert (erased["status"], erased["receipt"]) == ("erased", None)
    assert files_with(data, needles) == []
    assert play.post("consents/search", PERSON)["consents"] == []
    alliance.stop()
    assert stored(alliance, issuer, consent_id) == []
    assert files_with(data, needles) == []
    report = alliance.fsck(issuer, full=False)
    assert report.is_clean, report.problems
