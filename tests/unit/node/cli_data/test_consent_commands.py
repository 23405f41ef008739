"""`bulwark consent …`: from terms to erasure, and receipts as files without a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulwark.consents.schema import Schema
from tests.consent_terms import TERMS
from tests.unit.consents.receipts import VECTORS, complete_example, receipt
from tests.unit.node.cli_data.conftest import Run
from tests.unit.node.cli_data.test_data_commands import on


@pytest.fixture
def terms_file(tmp_path: Path) -> Path:
    path = tmp_path / "terms.json"
    path.write_text(json.dumps(TERMS))
    return path


def test_a_consent_lives_from_gift_to_erasure(bulwark: Run, devnet: Path, terms_file: Path) -> None:
    words = ("--document", terms_file, "--subject", "s-1", "--data", "pd:EmailAddress")
    given = json.loads(bulwark("consent", "give", *words, *on(devnet), "--json").stdout)
    consent_id = given["consent_id"]
    process = given["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasProcess"][0]
    assert process["dpv:hasPersonalData"][0]["skos:broader"] == "pd:EmailAddress"
    assert "given" in bulwark("consent", "show", consent_id, *on(devnet)).stdout
    renewed = bulwark("consent", "renew", consent_id, "--valid-until", "2031-01-01", *on(devnet))
    assert "version" in renewed.stdout and "2" in renewed.stdout, renewed.output
    assert bulwark("consent", "erase", consent_id, *on(devnet)).exit_code == 1
    withdrawn = bulwark("consent", "withdraw", consent_id, *on(devnet), "--json")
    assert json.loads(withdrawn.stdout)["status"] == "withdrawn"
    again = bulwark("consent", "withdraw", consent_id, *on(devnet))
    assert again.exit_code == 1 and "withdrawn already" in again.stderr
    erased = bulwark("consent", "erase", consent_id, *on(devnet))
    assert erased.exit_code == 0 and "erased" in erased.stdout
    assert "receipt" not in bulwark("consent", "show", consent_id, *on(devnet)).stdout


def test_a_document_that_is_none_is_refused_before_anything_is_sent(
    bulwark: Run, devnet: Path, tmp_path: Path
) -> None:
    file = tmp_path / "consent.json"
    for text in ("[]", "{", ""):
        file.write_text(text)
        assert bulwark("consent", "give", "--document", file, *on(devnet)).exit_code == 2
    assert bulwark("consent", "give", *on(devnet)).exit_code == 2
    file.write_text('{"subject": "s", "personal_data": ["pd:Name"]}')
    told = bulwark("consent", "give", "--document", file, *on(devnet))
    assert told.exit_code == 1 and "$['storage']" in told.stderr


def test_consents_are_listed_found_and_exported_to_a_private_file(
    bulwark: Run, devnet: Path, terms_file: Path, tmp_path: Path
) -> None:
    for subject in ("s-1", "s-2", "s-3"):
        words = ("--document", terms_file, "--subject", subject)
        assert bulwark("consent", "give", *words, *on(devnet)).exit_code == 0
    everything = json.loads(bulwark("consent", "list", *on(devnet), "--json").stdout)
    assert len(everything) == 3
    mine = bulwark("consent", "list", "--subject", "s-2", *on(devnet)).stdout.splitlines()
    assert len(mine) == 1 and mine[0].endswith("v1  given")
    out = tmp_path / "receipts.json"
    words = ("consent", "export", "--subject", "s-2", "--out", out)
    told = bulwark(*words, *on(devnet))
    assert told.exit_code == 0 and "1 consents" in told.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_text())["format"] == "bulwark/consent-bundle/1"
    assert bulwark(*words, *on(devnet)).exit_code == 2
    assert bulwark("consent", "export", "--subject", "x", "--out", "x", *on(devnet)).exit_code == 1


def test_the_template_is_complete_and_a_schema_is_printed(
    bulwark: Run, devnet: Path, tmp_path: Path
) -> None:
    file = tmp_path / "terms.json"
    file.write_text(bulwark("consent", "template").stdout)
    assert bulwark("consent", "give", "--document", file, *on(devnet)).exit_code == 0
    assert bulwark("consent", "check", file).stdout == "VALID  terms\n"
    for schema in Schema:
        assert bulwark("consent", "schema", schema.value).stdout == schema.text()


def test_files_are_checked_by_the_profile_they_name(bulwark: Run, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    kantara = VECTORS / "kantara-consent-receipt-v1_1-example.json"
    for document, schema in (
        (receipt(), "receipt"),
        (complete_example(), "dpv-27560"),
        (TERMS, "terms"),
        (json.loads(kantara.read_text()), "kantara-1.1"),
    ):
        file.write_text(json.dumps(document))
        assert bulwark("consent", "check", file).stdout == f"VALID  {schema}\n"
    bent = receipt()
    del bent["dpv:hasRecordOfActivity"]["dpv:hasNotice"]
    file.write_text(json.dumps(bent))
    told = bulwark("consent", "check", file)
    assert told.exit_code == 1
    assert told.stdout.startswith("$['dpv:hasRecordOfActivity']['dpv:hasNotice']: found nothing")
    faults = json.loads(bulwark("consent", "check", file, "--json").stdout)["faults"]
    assert faults[0]["allowed"].startswith("the notice that was shown")
    file.write_text("{")
    assert bulwark("consent", "check", file).exit_code == 1
    assert bulwark("consent", "check", tmp_path / "none").exit_code == 2


def test_a_kantara_receipt_goes_out_and_comes_in_as_a_draft(
    bulwark: Run, devnet: Path, terms_file: Path, tmp_path: Path
) -> None:
    given = bulwark("consent", "give", "--document", terms_file, *on(devnet), "--json")
    consent_id = json.loads(given.stdout)["consent_id"]
    out = bulwark("consent", "kantara", consent_id, *on(devnet))
    file = tmp_path / "kantara.json"
    file.write_text(out.stdout)
    draft = json.loads(bulwark("consent", "kantara", "--read", file).stdout)
    assert draft["terms"]["subject"] == TERMS["subject"] and "withdrawal" in draft["lacking"]
    file.write_text("{}")
    told = bulwark("consent", "kantara", "--read", file)
    assert told.exit_code == 1 and "$['piiPrincipalId']" in told.stdout
