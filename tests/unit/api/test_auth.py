"""The file of hashed keys, and the count of wrong attempts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from api.auth import (
    MAX_ADDRESSES,
    ApiKeys,
    ApiKeysInvalid,
    AttemptLimiter,
    address_group,
    generate_api_keys,
)
from node.service import Role
from tests.unit.api.world import Counter

ENTRY = {"id": "a", "role": "reporter", "sha256": "00" * 32}


def test_one_new_key_a_role_opens_that_role_alone(tmp_path: Path) -> None:
    clear, hashed = generate_api_keys(Counter())
    assert set(clear) == {"reporter", "analyst", "operator", "auditor", "admin"}
    path = tmp_path / "api_keys.json"
    path.write_text(json.dumps(hashed))
    keys = ApiKeys.load(path)
    for role in Role:
        assert len(clear[role]) == 43
        principal = keys.identify(clear[role].encode())
        assert principal is not None and principal.role is role
        assert clear[role] not in path.read_text()
    assert keys.identify(b"") is None and keys.identify(b"x" * 43) is None


def test_keys_are_not_shown_by_repr() -> None:
    digest = hashlib.sha256(b"key").hexdigest()
    keys = ApiKeys.from_json(json.dumps({"keys": [ENTRY | {"sha256": digest}]}).encode())
    assert digest not in repr(keys) and repr(keys) == "ApiKeys(1 keys)"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        json.dumps({"keys": [ENTRY] * 300}).encode(),
        json.dumps({"keys": ["x"]}).encode(),
        json.dumps({"keys": [ENTRY | {"more": 1}]}).encode(),
        json.dumps({"keys": [ENTRY | {"id": "A b"}]}).encode(),
        json.dumps({"keys": [ENTRY | {"role": "root"}]}).encode(),
        json.dumps({"keys": [ENTRY | {"role": ["reporter"]}]}).encode(),
        json.dumps({"keys": [ENTRY | {"sha256": "AB" * 32}]}).encode(),
        json.dumps({"keys": [ENTRY | {"sha256": "00"}]}).encode(),
        json.dumps({"keys": [ENTRY, ENTRY]}).encode(),
        json.dumps({"keys": [ENTRY, ENTRY | {"id": "b"}]}).encode(),
    ],
)
def test_a_document_of_another_form_is_refused(document: bytes) -> None:
    with pytest.raises(ApiKeysInvalid):
        ApiKeys.from_json(document)


def test_a_file_that_is_missing_or_huge_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysInvalid, match=r"none\.json"):
        ApiKeys.load(tmp_path / "none.json")
    (tmp_path / "big.json").write_bytes(b" " * 1_100_000)
    with pytest.raises(ApiKeysInvalid, match="more than"):
        ApiKeys.load(tmp_path / "big.json")


def test_attempts_are_counted_by_address_within_a_window() -> None:
    limiter = AttemptLimiter(2, 1000)
    assert limiter.count("10.0.0.1", 0) is None
    assert limiter.count("10.0.0.1", 10) is None
    assert limiter.count("10.0.0.1", 400) == 600
    assert limiter.count("10.0.0.2", 400) is None
    assert limiter.count("10.0.0.1", 1000) is None


def test_only_so_many_addresses_are_remembered() -> None:
    limiter = AttemptLimiter(0, 1000)
    for at in range(MAX_ADDRESSES + 10):
        limiter.count(f"host-{at}", 0)
    assert len(limiter._attempts) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_client_is_known_by_its_network(address: str, group: str) -> None:
    assert address_group(address) == group
