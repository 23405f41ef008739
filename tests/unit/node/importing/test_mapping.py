"""Mappings: what a row of a list becomes, and which mapping files are refused."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from node.importing.catalogue import Catalogue
from node.importing.errors import MappingInvalid, MappingMissing, SourceInvalid
from node.importing.mapping import Mapping, identity, load_mapping, parse_mapping
from node.importing.plan import FilePlan, LeftOut, Wishes, plan_import

CHAINS = """
name = "Test"
[match]
files = ["list*.csv"]
columns = ["address", "chain"]
[[indicator]]
kind = "wallet"
value = { column = "address", prefix_by = { column = "chain", table = { LTC = "ltc:" } } }
fraud_type = { column = "why", table = { "Old Scam" = "purchase" }, otherwise = "other" }
confidence = 70
link_group = { text = "{chain} {case}" }
"""


def mapping(text: str) -> Mapping:
    return parse_mapping(text.encode(), "test.toml", "test")


def made(found: Mapping, row: dict[str, object]) -> list[object]:
    return [None if raw is None else orjson.loads(raw) for raw in found.rows(row)]


def test_tables_prefixes_constants_and_templates_make_an_indicator() -> None:
    row = {"address": " 3x ", "chain": "ltc", "why": "old scam", "case": "7"}
    assert made(mapping(CHAINS), row) == [
        {
            "kind": "wallet",
            "value": "ltc:3x",
            "fraud_type": "purchase",
            "confidence": "70",
            "link_group": "ltc 7",
        }
    ]


def test_what_a_table_does_not_know_takes_otherwise_and_no_prefix() -> None:
    row = {"address": "3x", "chain": "BTC", "why": "new", "case": ""}
    (found,) = made(mapping(CHAINS), row)
    assert found == {"kind": "wallet", "value": "3x", "fraud_type": "other", "confidence": "70"}


def test_an_empty_value_is_refused_unless_it_is_optional() -> None:
    text = '[[indicator]]\nkind = "url"\nvalue = {{ column = "u" }}\noptional = {}\n'
    assert made(mapping(text.format("false")), {"u": " "}) == [None]
    assert made(mapping(text.format("true")), {"u": " "}) == []


def test_the_kind_can_come_from_a_column() -> None:
    found = mapping(
        '[[indicator]]\nvalue = { column = "v" }\n'
        'kind = { column = "k", table = { tel = "phone", mail = "email" } }\n'
    )
    assert made(found, {"v": "1", "k": "MAIL"}) == [
        {"fraud_type": "unknown", "value": "1", "kind": "email"}
    ]


def test_columns_named_as_fields_need_no_mapping() -> None:
    found = identity(("Kind", "value", "noise"), {})
    assert found is not None
    row = {"Kind": "phone", "value": "1", "noise": "x"}
    assert made(found, row) == [{"fraud_type": "unknown", "kind": "phone", "value": "1"}]
    assert identity(("number",), {}) is None


def test_values_of_json_keep_their_type() -> None:
    found = identity(None, {})
    assert found is not None
    (row,) = made(found, {"kind": "phone", "value": "1", "confidence": 5, "other": []})
    assert row == {"fraud_type": "unknown", "kind": "phone", "value": "1", "confidence": 5}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("x = 1", "x"),
        ("indicator = 3", "indicator"),
        ("[[indicator]]\nkind='phone'", "value"),
        ("[[indicator]]\nvalue={column='a'}", "kind"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a'}\nnonsense='x'", "nonsense"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', set='b'}", "value"),
        ("[[indicator]]\nkind='phone'\nvalue={}", "value"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', regex='b'}", "value.regex"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', split=1}", "split"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', otherwise='b'}", "otherwise"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', table={}}", "table"),
        ("[[indicator]]\nkind='phone'\nvalue={column='a', prefix_by={}}", "prefix_by"),
        ("[[indicator]]\nkind='phone'\nvalue=1.5", "value"),
        ("[[indicator]]\nkind={column='k', split=true}\nvalue={column='a'}", "kind.split"),
        ("[match]\nfiles='x'\n[[indicator]]\nkind='phone'\nvalue={column='a'}", "match.files"),
    ],
)
def test_a_mapping_that_breaks_a_rule_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        mapping(text)
    assert field in str(caught.value)


def test_a_mapping_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[[")
    for name in ("a.toml", "missing.toml"):
        with pytest.raises(MappingInvalid):
            load_mapping(tmp_path / name)


def test_shipped_mappings_and_exclusions_load() -> None:
    catalogue = Catalogue.load()
    assert len(catalogue.mappings) >= 19
    assert all(found.files and found.required for found in catalogue.mappings)
    assert catalogue.excluded(Path("libphonenumber_examples.csv"))
    assert catalogue.excluded(Path("numbers.csv")) is None


def test_a_file_of_the_right_name_and_other_columns_is_not_taken_for_the_list(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ofac_sanctioned_addresses.csv"
    path.write_text("address,owner\nx,y\n")
    with pytest.raises(MappingMissing, match="--map value=COLUMN"):
        plan_import(path, Wishes(), Catalogue.load())


def test_a_folder_leaves_out_what_is_no_list_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own.csv").write_text("kind,value\nphone,1\n")
    (tmp_path / "etherscamdb_legit_urls.csv").write_text("name,url\na,b\n")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    (tmp_path / "notes.txt").write_text("no list")
    found = {plan.name: plan for plan in plan_import(tmp_path, Wishes(), Catalogue.load())}
    assert found.keys() == {"sub/own.csv", "etherscamdb_legit_urls.csv", "other.csv"}
    assert isinstance(found["sub/own.csv"], FilePlan)
    legit, other = found["etherscamdb_legit_urls.csv"], found["other.csv"]
    assert isinstance(legit, LeftOut) and legit.expected and "genuine" in legit.reason
    assert isinstance(other, LeftOut) and not other.expected and "--map" in other.reason


def test_what_the_user_sets_goes_over_a_saved_mapping(tmp_path: Path) -> None:
    path = tmp_path / "tr_spam_numbers.csv"
    path.write_text("number\n+902127053327\n")
    wishes = Wishes(constants={"confidence": "99"})
    (plan,) = plan_import(path, wishes, Catalogue.load())
    assert isinstance(plan, FilePlan)
    (row,) = made(plan.mapping, {"number": "+902127053327"})
    assert isinstance(row, dict) and (row["confidence"], row["country"]) == ("99", "TR")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("number\n1\n")
    with pytest.raises(SourceInvalid, match="no column phone"):
        plan_import(path, Wishes(renamed={"value": "phone"}), Catalogue.load())
    with pytest.raises(SourceInvalid, match="--set kind"):
        plan_import(path, Wishes(renamed={"value": "number"}), Catalogue.load())
