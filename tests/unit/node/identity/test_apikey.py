"""API keys in their file: what an entry may hold, and when a key is taken."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from node.identity.apikey import ApiKeys, ApiKeysInvalid, instant, parse_instant
from node.identity.keyfile import KeyFile, Wish
from node.identity.principal import Principal, RateLimit, Why
from node.service import Busy, Conflict, NotFound, Role

NOW = 1_800_000_000_000
HOUR = 3_600_000
FIRST = {"id": "desk", "role": "analyst", "sha256": hashlib.sha256(b"clear").hexdigest()}


def keys(**more: Any) -> ApiKeys:
    return ApiKeys.from_json(json.dumps({"keys": [FIRST | more]}).encode())


def test_a_file_of_the_first_form_loads_and_is_written_back_as_it_was() -> None:
    found = keys().admit(b"clear", "192.0.2.1", NOW)
    assert found == Principal("desk", Role.ANALYST)
    assert json.loads(keys().to_json()) == {"keys": [FIRST]}


def test_every_field_comes_back_from_its_text() -> None:
    entry = FIRST | {
        "label": "case tool, London", "created": "2026-01-01T00:00:00Z",
        "expires": "2030-01-01T00:00:00Z", "revoked": "2029-01-01T00:00:00Z",
        "networks": ["10.1.0.0/16", "2001:db8::/32"],
        "limit": {"per_second": 0.5, "burst": 3, "rows_per_second": 10.0, "row_burst": 100},
        "previous": {"sha256": "11" * 32, "until": "2026-01-02T00:00:00Z"},
    }  # fmt: skip
    read = ApiKeys.from_json(json.dumps({"keys": [entry]}).encode())
    assert json.loads(read.to_json()) == {"keys": [entry]}


def test_a_key_ends_by_time_by_revocation_and_outside_of_its_networks() -> None:
    end = instant(NOW)
    assert keys(expires=end).admit(b"clear", "192.0.2.1", NOW - 1) == Principal(
        "desk", Role.ANALYST, expires_ms=NOW
    )
    assert keys(expires=end).admit(b"clear", "192.0.2.1", NOW) is Why.EXPIRED
    assert keys(revoked=end).admit(b"clear", "192.0.2.1", 0) is Why.REVOKED
    assert keys(revoked=end).identify(b"clear") is None
    here = keys(networks=["10.1.0.0/16", "2001:db8::/32"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7", "2001:db8::7%eth0"):
        assert isinstance(here.admit(b"clear", address, NOW), Principal), address
    for address in ("10.2.0.1", "::1", "unix", ""):
        assert here.admit(b"clear", address, NOW) is Why.NETWORK, address
    assert keys().admit(b"other", "10.1.2.3", NOW) is Why.UNKNOWN


def test_the_secret_before_a_rotation_is_taken_until_the_overlap_ends() -> None:
    until = {"sha256": hashlib.sha256(b"old").hexdigest(), "until": instant(NOW)}
    turned = keys(previous=until)
    assert turned.admit(b"old", "::1", NOW - 1) == turned.admit(b"clear", "::1", NOW)
    assert turned.admit(b"old", "::1", NOW) is Why.EXPIRED


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"colour": "red"}, "may have"),
        ({"label": "two\nlines"}, "label"),
        ({"label": "x" * 101}, "label"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": "2026-01-01T00:00:00"}, "zone"),
        ({"expires": 1_800_000_000}, "expires"),
        ({"networks": "10.0.0.0/8"}, "networks"),
        ({"networks": ["10.0.0.1/8"]}, "CIDR"),
        ({"networks": ["10.0.0.0/8"] * 17}, "networks"),
        ({"limit": {"per_second": 0}}, "limit.per_second"),
        ({"limit": {"burst": 1.5}}, "limit.burst"),
        ({"limit": {"per_second": True}}, "limit.per_second"),
        ({"limit": {"speed": 1}}, "limit wants"),
        ({"previous": {"sha256": "11" * 32}}, "previous"),
        ({"previous": {"sha256": FIRST["sha256"], "until": "2026-01-01T00:00:00Z"}}, "one hash"),
    ],
)
def test_an_entry_that_is_not_of_its_form_is_refused_with_the_reason(
    more: dict[str, Any], what: str
) -> None:
    with pytest.raises(ApiKeysInvalid, match=what):
        keys(**more)


def test_keys_that_are_not_revoked_are_bounded_and_revoked_ones_stay() -> None:
    def entry(at: int, **more: str) -> dict[str, str]:
        return {"id": f"k{at}", "role": "analyst", "sha256": f"{at:064x}", **more}

    gone = {"revoked": "2026-01-01T00:00:00Z"}
    many = [entry(at) for at in range(256)] + [entry(at, **gone) for at in range(256, 500)]
    assert len(ApiKeys.from_json(json.dumps({"keys": many}).encode()).entries) == 500
    with pytest.raises(ApiKeysInvalid, match="more than 256"):
        ApiKeys.from_json(json.dumps({"keys": [*many, entry(500)]}).encode())


def test_instants_keep_their_zone() -> None:
    assert parse_instant("2026-01-01T02:00:00+02:00", "x", "y") == parse_instant(
        "2026-01-01T00:00:00Z", "x", "y"
    )


def test_the_file_is_changed_by_one_at_a_time_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "api_keys.json"
    threads = [
        threading.Thread(target=KeyFile(path).create, args=(Wish(Role.ANALYST), NOW))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    names = {key.id for key in KeyFile(path).read().entries}
    assert names == {"analyst", *(f"analyst-{at}" for at in range(2, 13))}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_made_rotated_and_revoked_and_its_id_stays_its_own(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api_keys.json")
    limit = RateLimit(5.0, 10)
    _, made, first = file.create(Wish(Role.ADMIN, "root", "ops", NOW + HOUR, (), limit), NOW)
    assert (made.id, made.label, made.limit) == ("root", "ops", limit)
    turned, _, second = file.rotate("root", HOUR, NOW)
    assert isinstance(turned.admit(first.encode(), "::1", NOW + HOUR - 1), Principal)
    assert isinstance(turned.admit(second.encode(), "::1", NOW), Principal)
    again, _, third = file.rotate("root", 0, NOW, NOW + 2 * HOUR)
    assert again.admit(first.encode(), "::1", NOW) is Why.UNKNOWN
    assert again.admit(second.encode(), "::1", NOW) is Why.UNKNOWN
    assert isinstance(again.admit(third.encode(), "::1", NOW + HOUR), Principal)
    ended, _ = file.revoke("root", NOW)
    assert ended.admit(third.encode(), "::1", NOW) is Why.REVOKED
    with pytest.raises(Conflict):
        file.revoke("root", NOW)
    with pytest.raises(Conflict):
        file.create(Wish(Role.ADMIN, "root"), NOW)
    with pytest.raises(NotFound):
        file.rotate("nobody", 0, NOW)


def test_a_broken_file_is_not_overwritten_and_a_full_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "api_keys.json"
    path.write_text("{}", "utf-8")
    with pytest.raises(ApiKeysInvalid):
        KeyFile(path).create(Wish(Role.ADMIN), NOW)
    assert path.read_text("utf-8") == "{}"
    full = [{"id": f"k{at}", "role": "admin", "sha256": f"{at:064x}"} for at in range(256)]
    path.write_text(json.dumps({"keys": full}), "utf-8")
    with pytest.raises(Busy):
        KeyFile(path).create(Wish(Role.ADMIN), NOW)
