"""`config explain` shows every setting, and with a home what is in force there."""

from __future__ import annotations

import json
from pathlib import Path

from node.config import explain


def test_every_setting_is_listed_with_default_and_meaning(bulwark) -> None:
    result = bulwark("config", "explain")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [name for name, _, _ in explain()]


def test_json_names_the_variable_of_each_setting(bulwark) -> None:
    rows = json.loads(bulwark("config", "explain", "--json").stdout)
    row = next(row for row in rows if row["name"] == "http.port")
    assert (row["default"], row["environment"]) == ("8000", "BULWARK_HTTP__PORT")
    assert "value" not in row


def test_values_of_a_home_include_the_environment(bulwark, alliance: Path) -> None:
    home = alliance / "rivertel"
    result = bulwark(
        "config", "explain", "--home", home, "--json", env={"BULWARK_HTTP__PORT": "9001"}
    )
    values = {row["name"]: row["value"] for row in json.loads(result.stdout)}
    assert values["http.port"] == "9001"
    assert values["network.listen_port"] == "17102"
    assert values["network.peers"].startswith("northbank:127.0.0.1:17100, harbour-savings:")


def test_a_broken_setting_is_one_line_that_names_it(bulwark, alliance: Path) -> None:
    result = bulwark(
        "config", "explain", "--home", alliance / "rivertel", env={"BULWARK_HTTP__PORT": "no"}
    )
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "http.port" in result.stderr
