"""Real lists go in through one member, and every row that was taken is found at another."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pytest

from bulwark.client.client import BulwarkClient
from node.devnet.devnet import Devnet
from node.importing.catalogue import Catalogue
from node.importing.check import check_row
from node.importing.importer import batches
from node.importing.plan import FilePlan, Wishes, plan_import
from node.importing.source import Source

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("BULWARK_TEST_DATA", ROOT.parent / "shared" / "data"))
EVERY = os.environ.get("BULWARK_TEST_EVERY_LIST") == "1"
SMALL = (
    "phones/tr_spam_numbers.csv",
    "emails",
    "urls",
    "ibans",
    "wallets/ofac_sanctioned_addresses.csv",
)
"""Some thousand rows of five kinds; BULWARK_TEST_EVERY_LIST=1 takes every list (minutes)."""

ASKED = ("kind", "value", "region")
GROUNDS = {"purpose": "fraud_prevention", "lawful_basis": "legitimate_interests"}

pytestmark = [
    pytest.mark.process,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared folder of real lists is not here"),
]


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with Devnet.create(tmp_path_factory.mktemp("import") / "alliance") as made:
        made.start(120)
        yield made


def sources() -> list[Path]:
    return [DATA] if EVERY else [DATA / name for name in SMALL]


def imported(devnet: Devnet, source: Path, state: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "node.cli.main", "import", str(source), "--json"]
    command += ["--devnet", str(devnet.home), "--node", devnet.nodes[0].name, "--state", str(state)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def questions(source: Path, now_ms: int) -> Iterator[dict[str, str]]:
    """What a member would ask about every row that the rules accept."""
    for plan in plan_import(source, Wishes(), Catalogue.load()):
        if not isinstance(plan, FilePlan):
            continue
        with Source(plan.path, plan.form) as rows:
            for batch in batches(rows, plan.mapping, 0, 5_000):
                yield from (
                    {name: fields[name] for name in ASKED if name in fields} | GROUNDS
                    for row in batch.rows
                    if isinstance(check_row(row, now_ms), bytes)
                    for fields in (orjson.loads(row),)
                )


async def misses(devnet: Devnet, source: Path) -> tuple[int, int]:
    """How many accepted rows another member was asked about, and how many it did not find."""
    node = devnet.nodes[2]
    key = json.loads((node.home / "api_keys.clear.json").read_text())["analyst"]
    asked = missed = 0
    async with BulwarkClient(node.rest_url, key) as client:
        rows = questions(source, time.time_ns() // 1_000_000)
        while chunk := list(islice(rows, 5_000)):
            answers = (await client.screen_many(chunk)).rows
            asked += len(answers)
            missed += sum(not (row.answer and row.answer.hit) for row in answers)
    return asked, missed


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.name)
def test_every_row_that_was_taken_is_found_at_another_member(
    devnet: Devnet, source: Path, tmp_path: Path
) -> None:
    summary = imported(devnet, source, tmp_path / "state.json")
    asked, missed = asyncio.run(misses(devnet, source))
    totals = summary["totals"]
    assert isinstance(totals, dict)
    assert asked == totals["taken"] + totals["duplicates"]
    assert asked > 0
    assert missed == 0
