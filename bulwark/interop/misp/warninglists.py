"""MISP warninglists: values that must not be taken for fraud without a second look.

Rules: types hostname, string, substring, cidr and regex are read as MISP reads them; a list that
says which attribute types it is for is asked about no other. A list is chosen by the operator, so
its expressions are trusted to be quick; the values they are tried on are short.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

LIST_BYTES_MAX: Final = 64 * 1024 * 1024
REGEX_VALUE_MAX: Final = 256
"""Characters of a value that expressions are tried on; longer ones match no expression."""
_SLASHED: Final = re.compile(r"/(.*)/[a-z]*", re.DOTALL)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class WarninglistInvalid(Exception):
    """A file is no warninglist; says which and why."""


@dataclass(frozen=True, slots=True)
class Warninglist:
    """One list, ready to be asked."""

    name: str
    types: frozenset[str]
    """MISP attribute types it is for; empty for all."""
    strings: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()
    networks: tuple[Network, ...] = field(default=())

    @classmethod
    def from_json(cls, raw: bytes) -> Warninglist:
        """A list as MISP publishes it. Raises WarninglistInvalid."""
        if len(raw) > LIST_BYTES_MAX:
            raise WarninglistInvalid(f"{len(raw)} bytes; at most {LIST_BYTES_MAX} are read")
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise WarninglistInvalid("no JSON") from None
        if not isinstance(document, dict):
            raise WarninglistInvalid("no JSON object")
        return cls._of(document)

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> Warninglist:
        name, kind = document.get("name"), document.get("type")
        values, types = document.get("list"), document.get("matching_attributes", [])
        if not isinstance(name, str) or not isinstance(values, list) or not isinstance(types, list):
            raise WarninglistInvalid("wants name, type, list and matching_attributes")
        texts = [value for value in values if isinstance(value, str)]
        scope = frozenset(str(entry) for entry in types)
        match kind:
            case "string":
                return cls(name, scope, strings=frozenset(text.lower() for text in texts))
            case "hostname":
                hosts = frozenset(text.lower().lstrip(".") for text in texts)
                return cls(name, scope, hosts=hosts)
            case "substring":
                return cls(name, scope, parts=tuple(text.lower() for text in texts if text))
            case "regex":
                return cls(name, scope, patterns=tuple(_pattern(text) for text in texts))
            case "cidr":
                return cls(name, scope, networks=tuple(_network(text) for text in texts))
        raise WarninglistInvalid("its type is none of string, hostname, substring, regex, cidr")

    def has(self, attribute_type: str, value: str) -> bool:
        """Whether a value of a MISP attribute type is on the list."""
        if self.types and attribute_type not in self.types:
            return False
        folded = value.lower()
        host = _host(folded)
        if folded in self.strings or host in self.strings:
            return True
        if self.hosts and any(parent in self.hosts for parent in _parents(host)):
            return True
        if any(part in folded for part in self.parts):
            return True
        is_short = len(value) <= REGEX_VALUE_MAX
        if is_short and any(pattern.search(value) for pattern in self.patterns):
            return True
        return bool(self.networks) and self._in_network(host)

    def _in_network(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address.version == net.version and address in net for net in self.networks)


def first_hit(lists: Iterable[Warninglist], attribute_type: str, value: str) -> str | None:
    """Name of the first list that has a value."""
    return next((one.name for one in lists if one.has(attribute_type, value)), None)


def _host(value: str) -> str:
    if "://" not in value:
        return value
    try:
        return urlsplit(value).hostname or value
    except ValueError:
        return value


def _parents(host: str) -> Iterable[str]:
    labels = host.split(".")
    return (".".join(labels[at:]) for at in range(len(labels)))


def _pattern(text: str) -> re.Pattern[str]:
    slashed = _SLASHED.fullmatch(text)
    try:
        return re.compile(f"^(?:{slashed[1] if slashed else text})$")
    except re.error as error:
        raise WarninglistInvalid(f"an expression can not be read: {error.msg}") from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise WarninglistInvalid("an entry is no network") from None
