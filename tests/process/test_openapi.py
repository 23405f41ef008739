"""A whole running node answers nothing that its OpenAPI document does not name, whoever asks.

This is the short form of `python -m tests.interop.openapi`, which asks much more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.openapi import Walk, configured
from tests.interop.openapirun import operations_of
from tests.interop.openapistreams import LEFT_OUT
from tests.process.support import Alliance

pytestmark = pytest.mark.process
EXAMPLES = 2
SEED = 8


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A member's node that was asked everything, its alliance still running."""
    folder: Path = tmp_path_factory.mktemp("openapi")
    alliance = configured(Alliance.create(folder / "alliance"))
    try:
        alliance.start()
        walk = Walk(alliance, examples=EXAMPLES, seed=SEED)
        walk.run(lambda line: None, edges=False)
        yield walk
    finally:
        alliance.close()


def test_no_answer_is_outside_the_document_and_the_alliance_is_well_after(walk: Walk) -> None:
    assert walk.holds, "\n".join(walk.lines())


def test_every_operation_was_asked_by_who_may_and_by_who_may_not(walk: Walk) -> None:
    operations = operations_of(walk.document)
    assert set(walk.ledger.operations) == set(operations)
    for name, operation in operations.items():
        seen = walk.ledger.operations[name]
        assert seen.cases, name
        assert set(operation["x-roles"]) <= seen.roles, (name, seen.roles)
        if 0 < len(operation["x-roles"]) < 5:
            assert seen.statuses[403], name


def test_doors_are_checked_where_a_key_is_wanted(walk: Walk) -> None:
    asked = [
        name
        for name, seen in walk.ledger.operations.items()
        if name not in LEFT_OUT and any(200 <= status < 300 for status in seen.statuses)
    ]
    assert len(asked) > 60, asked
    for name in asked:
        assert walk.ledger.operations[name].checks["ignored_auth"], name


def test_what_is_told_holds_no_key(walk: Walk) -> None:
    told = "\n".join(walk.lines())
    assert not [secret for secret in walk.ledger.secrets if secret in told]
