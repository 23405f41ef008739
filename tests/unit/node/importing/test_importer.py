"""The importer: every row is counted once, whatever is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulwark.client import Stage
from node.importing.catalogue import Catalogue
from node.importing.errors import ImportStopped, JournalInvalid
from node.importing.importer import ROUNDS, Importer
from node.importing.journal import Journal, place_for
from node.importing.mapping import load_mapping
from node.importing.plan import FilePlan, Wishes, plan_import
from node.importing.summary import FileSummary
from tests.unit.node.importing.fakes import NOW_MS, FakeReporter, no_sleep

ROWS = 53
BATCH = 10
BATCHES = -(-ROWS // BATCH)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A list with good numbers, one number twice, two that are none and an empty one."""
    values = [f"+44207946{at:04d}" for at in range(ROWS)]
    values[7], values[20], values[33], values[41] = "12", values[3], "", "nonsense"
    path = tmp_path / "numbers.csv"
    path.write_text("number\n" + "".join(f'"{value}"\n' for value in values))
    return path


def plan_of(path: Path, **constants: str) -> FilePlan:
    wishes = Wishes(renamed={"value": "number"}, constants={"kind": "phone", **constants})
    (plan,) = plan_import(path, wishes, Catalogue((), ()))
    assert isinstance(plan, FilePlan)
    return plan


def lengthen(path: Path) -> None:
    with path.open("a") as stream:
        stream.write("+442079469999\n")


def importer(port: FakeReporter, journal: Journal) -> Importer:
    return Importer(port, journal, now_ms=NOW_MS, sleep=no_sleep, batch_rows=BATCH)


def counts(summary: FileSummary) -> tuple[int, int, int, int, int]:
    refused, failed = summary.refused_count, summary.failed_count
    return summary.rows, summary.taken, summary.duplicates, refused, failed


async def test_every_row_is_counted_once(numbers: Path) -> None:
    port = FakeReporter()
    summary = await importer(port, Journal(None, "r", "t")).run(plan_of(numbers))
    assert counts(summary) == (ROWS, ROWS - 4, 1, 3, 0)
    assert summary.indicators == ROWS and summary.settled and summary.finalized
    assert summary.refused["value.empty"].first_lines == [35]
    assert {rule: entry.count for rule, entry in summary.refused.items()} == {
        "value.empty": 1,
        "phone.region-needed": 1,
        "phone.not-a-number": 1,
    }
    assert port.calls == BATCHES and port.settled == [BATCHES]


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
@pytest.mark.parametrize("call", range(1, BATCHES + 1))
async def test_a_restart_after_any_batch_loses_and_doubles_nothing(
    numbers: Path, tmp_path: Path, lost: str, call: int
) -> None:
    port = FakeReporter()
    getattr(port, lost).add(call)
    place = tmp_path / "state.json"
    with pytest.raises(ImportStopped) as caught:
        await importer(port, Journal(place, "run-1", "t")).run(plan_of(numbers))
    full = (call - 1) * BATCH
    assert caught.value.row == full + (call > 4)  # the empty value fills no place in its batch
    summary = await importer(port, Journal.load(place, "t")).run(plan_of(numbers))
    assert counts(summary) == (ROWS, ROWS - 4, 1, 3, 0)
    assert summary.refused.keys() == {"value.empty", "phone.region-needed", "phone.not-a-number"}
    assert len(port.records) == len(set(port.records)) == ROWS - 4
    assert len(set(port.keys)) == BATCHES


async def test_two_restarts_in_a_row_are_as_good_as_none(numbers: Path, tmp_path: Path) -> None:
    port = FakeReporter(lost_after={2, 4}, lost_before={3, 7})
    place = tmp_path / "state.json"
    journal = Journal(place, "run-1", "t")
    for _ in range(10):
        try:
            summary = await importer(port, journal).run(plan_of(numbers))
            break
        except ImportStopped:
            journal = Journal.load(place, "t")
    assert counts(summary) == (ROWS, ROWS - 4, 1, 3, 0)
    assert len(port.records) == ROWS - 4


async def test_a_finished_file_is_not_sent_again(numbers: Path, tmp_path: Path) -> None:
    port = FakeReporter()
    journal = Journal(tmp_path / "state.json", "r", "t")
    first = await importer(port, journal).run(plan_of(numbers))
    calls = port.calls
    again = await importer(port, Journal.load(tmp_path / "state.json", "t")).run(plan_of(numbers))
    assert port.calls == calls and counts(again) == counts(first)


async def test_rows_that_can_not_be_tagged_for_the_moment_are_sent_again(numbers: Path) -> None:
    port = FakeReporter(untagged={2: 2, 5: 1})
    summary = await importer(port, Journal(None, "r", "t")).run(plan_of(numbers))
    assert counts(summary) == (ROWS, ROWS - 4, 1, 3, 0)


async def test_rows_that_can_never_be_tagged_are_failed_and_not_refused(numbers: Path) -> None:
    port = FakeReporter(untagged={1: 10**6})
    summary = await importer(port, Journal(None, "r", "t")).run(plan_of(numbers))
    # The first row of one batch is refused for its content before it would be tagged.
    assert summary.failed["tagging.unavailable"].count == BATCHES - 1
    assert summary.complete and not summary.settled
    assert port.calls == (BATCHES - 1) * ROUNDS + 1


async def test_a_batch_that_is_only_accepted_is_asked_for_until_executed(numbers: Path) -> None:
    port = FakeReporter(stage=Stage.ACCEPTED)
    summary = await importer(port, Journal(None, "r", "t")).run(plan_of(numbers))
    assert counts(summary) == (ROWS, ROWS - 4, 1, 3, 0)
    assert port.calls == BATCHES + 1 and summary.height


async def test_a_changed_file_or_mapping_is_not_gone_on_with(numbers: Path, tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    with pytest.raises(ImportStopped):
        port = FakeReporter(lost_before={2})
        await importer(port, Journal(place, "r", "t")).run(plan_of(numbers))
    with pytest.raises(JournalInvalid, match="mapping"):
        await importer(port, Journal.load(place, "t")).run(plan_of(numbers, confidence="9"))
    lengthen(numbers)
    with pytest.raises(JournalInvalid, match="the file"):
        await importer(port, Journal.load(place, "t")).run(plan_of(numbers))


def test_the_state_file_is_of_one_node_and_can_be_told_from_others(tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    Journal(place, "r", "http://a").save()
    with pytest.raises(JournalInvalid, match="http://a"):
        Journal.load(place, "http://b")
    for content in (b"", b"{}", b"[1]", b"\xff"):
        place.write_bytes(content)
        with pytest.raises(JournalInvalid, match="--restart"):
            Journal.load(place, "http://a")


async def test_the_state_file_holds_no_value(numbers: Path, tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    await importer(FakeReporter(), Journal(place, "r", "t")).run(plan_of(numbers))
    text = place.read_text()
    assert "7946" not in text and "nonsense" not in text
    assert place.stat().st_mode & 0o077 == 0


async def test_a_row_that_gives_several_indicators_is_acknowledged_as_one(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    addresses = " ".join(f"0x{at:040x}" for at in range(1, 24))
    path.write_text(f"who,wallets\na,{addresses}\nb,\nc,0x{99:040x}\n")
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        '[[indicator]]\nkind = "wallet"\noptional = true\n'
        'value = { column = "wallets", split = true }\nlink_group = { text = "case {who}" }\n'
    )
    (plan,) = plan_import(path, Wishes(mapping=load_mapping(mapping)), Catalogue((), ()))
    assert isinstance(plan, FilePlan)
    port = FakeReporter()
    summary = await importer(port, Journal(None, "r", "t")).run(plan)
    assert (summary.rows, summary.indicators, summary.taken, summary.empty) == (3, 24, 24, 1)
    assert port.calls == 2 and b'"link_group":"case a"' in port.records[0]


def test_a_state_file_stays_out_of_a_folder_that_is_marked_read_only(
    numbers: Path, tmp_path: Path
) -> None:
    fallback = tmp_path / "elsewhere"
    assert place_for(numbers, fallback).parent == numbers.parent
    folder = tmp_path / "lists"
    folder.mkdir()
    folder.chmod(0o555)
    assert place_for(folder, fallback).parent == fallback
    folder.chmod(0o755)
    assert place_for(folder, fallback).parent == folder
