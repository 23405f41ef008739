"""Settings from file and environment: which goes first, what is JSON, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import ConfigError, load_config

FILE = """
member = "bank-a"

[network]
listen_port = 7100
peers = [{ member = "bank-b", host = "10.0.0.2", port = 7000 }]

[log]
level = "warning"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "node.toml").write_text(FILE, "utf-8")
    return tmp_path


def test_the_file_gives_what_the_environment_does_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULWARK_NETWORK__LISTEN_PORT", "7200")
    config = load_config(home)
    assert (config.network.listen_port, config.network.peers[0].host) == (7200, "10.0.0.2")
    assert (config.log.level, config.log.format) == ("warning", "json")


def test_a_variable_may_name_a_setting_of_the_top_and_in_any_case(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("bulwark_member", "bank-c")
    monkeypatch.setenv("Bulwark_Http__Open_Metrics", "true")
    monkeypatch.setenv("BULWARK_LOG__FILE", "logs/node.log")
    config = load_config(home)
    assert (config.member, config.http.open_metrics) == ("bank-c", True)
    assert config.log.file == Path("logs/node.log")


def test_lists_and_sections_are_json_and_a_single_setting_goes_before_its_section(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = '[{"member": "bank-z", "host": "10.0.0.9", "port": 1}]'
    monkeypatch.setenv("BULWARK_NETWORK__PEERS", peers)
    monkeypatch.setenv("BULWARK_TAGGING", '{"threads": 3, "cache_entries": 5}')
    monkeypatch.setenv("BULWARK_TAGGING__THREADS", "4")
    config = load_config(home)
    assert [peer.member for peer in config.network.peers] == ["bank-z"]
    assert (config.tagging.threads, config.tagging.cache_entries) == (4, 5)
    assert config.network.listen_port == 7100


def test_variables_that_are_no_setting_are_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULWARK_KEYSTORE_PASSPHRASE", "of the keystore")
    monkeypatch.setenv("BULWARK_SOMETHING", "else")
    assert load_config(home).member == "bank-a"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("BULWARK_HTTP__PORT", "no", "http.port"),
        ("BULWARK_HTTP__PROT", "8000", "http.prot"),
        ("BULWARK_HTTP__PORT__DEEPER", "1", "http.port"),
        ("BULWARK_NETWORK__PEERS", "bank-b", "is no JSON"),
        ("BULWARK_HTTP", "8000", "http"),
        ("BULWARK_HTTP", "{", "is no JSON"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words):
        load_config(home)


def test_a_setting_inside_what_is_one_value_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULWARK_HTTP", "8000")
    monkeypatch.setenv("BULWARK_HTTP__PORT", "8000")
    with pytest.raises(ConfigError, match="lies inside"):
        load_config(home)
