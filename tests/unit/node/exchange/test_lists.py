"""Warninglists of a folder: all of them, or an error that names the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bulwark.interop.misp.warninglists import Warninglist, WarninglistInvalid, first_hit
from node.exchange.lists import load_lists


def made(kind: str, *values: str, types: tuple[str, ...] = ()) -> Warninglist:
    document: dict[str, Any] = {"name": f"a {kind} list", "type": kind, "list": list(values)}
    document["matching_attributes"] = list(types)
    return Warninglist.from_json(json.dumps(document).encode())


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        document = {"name": name, "type": "string", "list": ["x.com"], "matching_attributes": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert [one.name for one in load_lists(tmp_path)] == ["a", "b"]
    assert load_lists(None) == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"name": "x"}',
        '{"name": "x", "type": "unknown", "list": []}',
        '{"name": "x", "type": "regex", "list": ["("]}',
        '{"name": "x", "type": "cidr", "list": ["10.0.0.0/99"]}',
    ],
)
def test_a_file_that_is_no_list_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(WarninglistInvalid, match=r"broken\.json"):
        load_lists(tmp_path)


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(WarninglistInvalid, match="0 lists"):
        load_lists(tmp_path)


@pytest.mark.parametrize(
    ("lists", "hits", "misses"),
    [
        (made("string", "Evil.com"), ["evil.com", "http://evil.com/a"], ["x.evil.com"]),
        (made("hostname", ".bank.com"), ["bank.com", "www.bank.com", "https://a.bank.com/b"],
         ["notbank.com", "bank.com.evil.net"]),
        (made("substring", "google"), ["www.google.de"], ["goggle.de"]),
        (made("regex", "/^555[0-9]+$/i"), ["5551"], ["x5551", "5" * 300]),
        (made("cidr", "2001:db8::/32", "10.0.0.0/8"), ["10.1.2.3", "2001:db8::1"],
         ["11.1.2.3", "no address"]),
    ],
)  # fmt: skip
def test_each_type_of_list_matches_as_in_misp(
    lists: Warninglist, hits: list[str], misses: list[str]
) -> None:
    for value in hits:
        assert first_hit([lists], "any", value) == lists.name, value
    for value in misses:
        assert first_hit([lists], "any", value) is None, value


def test_a_list_is_asked_about_its_own_types_only() -> None:
    scoped = made("string", "evil.com", types=("domain",))
    assert scoped.has("domain", "evil.com") and not scoped.has("url", "evil.com")
