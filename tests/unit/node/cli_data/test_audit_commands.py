"""`bulwark audit` as an auditor types it, against the API in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from bulwark.audit.report import Report
from bulwark.audit.sampling import Sample
from bulwark.ledger.ids import Height
from node.audit.port import Drawing, ReportWish, SampleWish
from node.cli import audit_sample
from tests.unit.api.test_audit import REPORT, SAMPLE, Desk
from tests.unit.api.world import World

Run = Callable[..., Result]


class Pages(Desk):
    """A report of three pages, and a sample whose seed takes two asks."""

    async def report(self, name: str, wish: ReportWish) -> Report:
        self.wishes.append(wish)
        number = wish.after
        return Report(
            name=name,
            title=REPORT.title,
            generated_from=REPORT.generated_from,
            columns=REPORT.columns,
            rows=((f"row {number}", number),),
            notes=("A note.",),
            next=number + 1 if number < 2 else None,
        )

    async def sample(self, wish: SampleWish) -> Sample | Drawing:
        self.wishes.append(wish)
        asked = sum(isinstance(each, SampleWish) for each in self.wishes)
        return SAMPLE if asked > 2 else Drawing(Height(8), asked, 64)


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def world(pages: Pages) -> World:
    return World(audit=pages)


@pytest.fixture
def audit(bulwark: Run, devnet: Path) -> Run:
    return lambda *words: bulwark("audit", *words, "--devnet", devnet)


def test_a_report_of_many_pages_is_one_file_on_the_first_pages_block(
    audit: Run, pages: Pages, tmp_path: Path
) -> None:
    out = tmp_path / "sharing.csv"
    words = ("report", "sharing", "--format", "csv", "--out", out, "--member", "coast")
    result = audit(*words)
    assert result.exit_code == 0, result.output
    rows = list(csv.reader(io.StringIO(out.read_bytes().decode(), newline="")))
    assert rows == [["member", "records"], ["row 0", "0"], ["row 1", "1"], ["row 2", "2"]]
    assert [wish.to_height for wish in pages.wishes if isinstance(wish, ReportWish)] == [None, 7, 7]
    assert {wish.member for wish in pages.wishes} == {"coast"}
    assert audit(*words).exit_code == 1, "a file that is there stays as it is"


def test_the_forms_of_a_report_have_the_same_cells(audit: Run) -> None:
    whole = json.loads(audit("report", "sharing", "--format", "json").stdout)
    assert [row["records"] for row in whole["rows"]] == [0, 1, 2] and whole["next"] is None
    page = audit("report", "sharing", "--format", "html").stdout
    assert "<td>row 2</td>" in page and "<script" not in page
    table = audit("report", "sharing").stdout
    assert "row 2" in table and "note: A note." in table
    assert REPORT.generated_from.block_hash.hex() in table


def test_a_sample_is_waited_for_and_its_open_request_is_written(
    audit: Run, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_sample, "PAUSE_S", 0.01)
    wanted = tmp_path / "open.json"
    result = audit("sample", "--to-height", "7", "--size", "5", "--open-request", wanted)
    assert result.exit_code == 0, result.output
    assert "seed: 1 of 64 stages" in result.stderr and "ab" * 32 in result.stdout
    assert json.loads(wanted.read_text())["open"] == {"coast": ["ab" * 32]}
    assert pages.wishes[-1] == SampleWish(population="records", to_height=Height(7), size=5)
    again = audit("sample", "--to-height", "7", "--json")
    assert json.loads(again.stdout)["seed"]["value"] == "02" * 32


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report", "none"), 2),
        (("sample",), 2),
        (("sample", "--to-height", "1", "--size", "0"), 2),
        (("completeness", "--logs", "none", "--genesis", "none"), 2),
        (("unknown",), 2),
    ],
)
def test_a_call_that_is_wrong_ends_with_code_2(
    audit: Run, words: tuple[str, ...], code: int
) -> None:
    assert audit(*words).exit_code == code


def test_help_lists_every_sub_command_without_importing_any(bulwark: Run) -> None:
    shown = bulwark("audit", "--help").output
    for name in ("report", "sample", "completeness", "pack", "compare", "custody"):
        assert f"  {name} " in shown
