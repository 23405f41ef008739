"""No text makes the reader of descriptions fail in another way than with its own error."""

from __future__ import annotations

import contextlib
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.alliance import parse_alliance
from genesis.errors import AllianceInvalid
from tests.unit.genesis.samples import EXAMPLES

GOOD = (EXAMPLES / "four-banks.toml").read_bytes()
LINES = GOOD.splitlines(keepends=True)
VALUES = st.sampled_from(
    ["-1", "0", "2.5", "true", '""', '"x"', "[]", "[[]]", "{}", "{a = 1}", "1979-05-27", "10e400"]
)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_changed_byte_is_taken_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    changed = GOOD[:at] + data.draw(st.binary(max_size=3)) + GOOD[at + 1 :]
    with contextlib.suppress(AllianceInvalid):
        parse_alliance(changed, "x.toml")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_value_of_another_type_is_refused_with_a_field(data: st.DataObject) -> None:
    number = data.draw(st.sampled_from([i for i, line in enumerate(LINES) if b" = " in line]))
    name = LINES[number].partition(b" = ")[0].decode()
    value = data.draw(VALUES)
    lines = [*LINES[:number], f"{name} = {value}\n".encode(), *LINES[number + 1 :]]
    text = b"".join(lines)
    try:
        alliance = parse_alliance(text, "x.toml")
    except AllianceInvalid as error:
        assert name.lstrip("#").strip() in error.field or "members" in error.field
    else:
        assert LINES[number].startswith(b"#") or value == '"x"'
        assert tomllib.loads(text.decode())["name"] == alliance.name


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_a_host_is_a_name_an_address_or_refused(text: str) -> None:
    quoted = "".join(f"\\U{ord(c):08x}" for c in text if not 0xD800 <= ord(c) < 0xE000)
    changed = GOOD.decode().replace('host = "127.0.0.1"', f'host = "{quoted}"', 1)
    try:
        host = parse_alliance(changed.encode(), "x.toml").members[0].host
    except AllianceInvalid as error:
        assert error.field == "members[northbank].host"
    else:
        assert host.isascii()
        assert host.isprintable()
        assert " " not in host
