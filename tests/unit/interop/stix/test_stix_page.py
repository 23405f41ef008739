"""docs/stix.md says what the code does: paths, reasons, settings, ids, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bulwark.interop.carried import Reason
from bulwark.interop.stix.document import MAX_DEPTH, MAX_OBJECTS
from bulwark.interop.stix.names import EXTENSION
from bulwark.interop.stix.patterns import MAX_PATTERN, MAX_TOKENS
from bulwark.interop.stix.selection import PATHS
from node.cli.stix import COMMANDS
from node.taxii.port import Collection
from node.taxii.settings import TaxiiConfig

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "stix.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_path_that_is_read_stands_on_the_page(path: str) -> None:
    assert f"`{path}`" in PAGE


def test_settings_collections_bounds_and_ids_are_those_of_the_code() -> None:
    for name in TaxiiConfig.model_fields:
        assert f"`{name}`" in PAGE or f"`taxii.{name}`" in PAGE, name
    for collection in Collection:
        assert f"| `{collection.value}` |" in PAGE
    for bound in (MAX_OBJECTS, MAX_PATTERN, MAX_TOKENS):
        assert f"{bound:,}" in PAGE
    assert f"{MAX_DEPTH} levels" in PAGE
    assert f"`{EXTENSION}`" in PAGE


def test_reasons_on_the_page_are_codes_and_the_commands_exist() -> None:
    section = PAGE.partition("### Fates and reasons")[2].partition("## What goes out")[0]
    named = set(re.findall(r"`([a-z_]+)`", section)) - {"taken", "left", "refused"}
    assert named <= {reason.value for reason in Reason} and len(named) > 15
    assert set(re.findall(r"^bulwark stix (\w+)", PAGE, re.MULTILINE)) == set(COMMANDS)
