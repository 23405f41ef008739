"""What a pattern or an observable says about identifiers that the ledger has a kind for.

Rules: `=` and IN on a known path name identifiers; branches of an OR stand for themselves; parts of
an AND (and of FOLLOWEDBY) are carried one by one only if all of them are identifiers or mere
details of one, since else the statement would be wider than its source. Negations, wildcards and
networks name no single identifier. Everything not carried is told in plain words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Kind, ObjectRole
from bulwark.interop.carried import plain
from bulwark.interop.stix.names import IDENTIFIER_TYPE
from bulwark.interop.stix.patterns import Combined, Comparison, Node, Qualified

MAX_IDENTIFIERS: Final = 1_000
"""Identifiers of one pattern."""
TAG_TYPE: Final = "bulwark-tag"
_SHOWN: Final = 80
_INDEX: Final = re.compile(r"\[(?:\d+|\*)\]")
_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}\Z")
_SENDER: Final = "that it is the sender"
_TOGETHER: Final = "that they occur together"


class Identifier(Struct, frozen=True):
    """One identifier in clear; its value is for the row alone."""

    kind: Kind
    value: str
    role: ObjectRole = ObjectRole.UNKNOWN

    def __repr__(self) -> str:
        return f"Identifier({self.kind.label})"


class Selection(Struct, frozen=True):
    """Identifiers, what is lost of their meaning, and what was not carried."""

    identifiers: tuple[Identifier, ...] = ()
    losses: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    is_detail: bool = False
    """It only describes another part: a port, a type."""


PATHS: Final[Mapping[str, tuple[Kind | None, str]]] = {
    "ipv4-addr:value": (Kind.IP, ""),
    "ipv6-addr:value": (Kind.IP, ""),
    "domain-name:value": (Kind.DOMAIN, ""),
    "domain-name:resolves_to_refs[*].value": (Kind.IP, "that the domain resolves to it"),
    "hostname:value": (Kind.DOMAIN, "that it names a host and not a zone"),
    "url:value": (Kind.URL, ""),
    "email-addr:value": (Kind.EMAIL, ""),
    "email-message:from_ref.value": (Kind.EMAIL, _SENDER),
    "email-message:sender_ref.value": (Kind.EMAIL, _SENDER),
    "network-traffic:src_ref.value": (None, "that traffic came from it"),
    "network-traffic:dst_ref.value": (None, "that traffic went to it"),
    "phone-number:value": (Kind.PHONE, ""),
    "bank-account:iban": (Kind.IBAN, ""),
    "bank-account:account_number": (Kind.BANK_ACCOUNT, ""),
    "cryptocurrency-wallet:value": (Kind.WALLET, ""),
    "cryptocurrency-wallet:address": (Kind.WALLET, ""),
}
"""Paths of patterns that name an identifier; None where the value itself shows its kind."""

DETAILS: Final[Mapping[str, str]] = {
    "network-traffic:dst_port": "the port",
    "network-traffic:src_port": "the port",
    "network-traffic:protocols[*]": "the protocol",
    "network-traffic:src_ref.type": "",
    "network-traffic:dst_ref.type": "",
    "domain-name:resolves_to_refs[*].type": "",
    "email-addr:display_name": "the display name",
    "bank-account:bic": "the bank's BIC",
    "bank-account:country": "the country",
    "bank-account:currency": "the currency",
    "phone-number:country": "the country",
    "phone-number:provider": "the provider",
    f"{IDENTIFIER_TYPE}:identifier_kind": "",
}
"""Paths that describe an identifier beside them, and what is lost without them."""

WHY_NOT: Final[Mapping[str, str]] = {
    "payment-card": "payment cards have no kind: a PAN may not be shared even as a token",
    "mac-addr": "hardware addresses have no kind",
    "file": "files have no kind",
    "user-account": "accounts at services have no kind",
    TAG_TYPE: "a token: only the alliance that made it can use it",
}
_OWN_KINDS: Final = {kind.label: kind for kind in (Kind.DEVICE_ID, Kind.IMEI)}


def select(node: Node) -> Selection:
    """What a pattern says about identifiers."""
    match node:
        case Comparison():
            return _compared(node)
        case Qualified():
            inside = select(node.part)
            lost = f"the qualifier {node.qualifier}"
            if not inside.identifiers:
                return inside
            return Selection(inside.identifiers, (*inside.losses, lost), inside.left)
        case Combined(operator="OR"):
            return _any([select(part) for part in node.parts])
    return _all(node)


def observed(document: Mapping[str, object]) -> Selection:
    """What a cyber observable says about identifiers; only its own properties count."""
    kind = str(document.get("type"))
    found = _own_identifier(document) if kind == IDENTIFIER_TYPE else []
    if kind == "bank-account":
        found = _account(document.get("iban"), document.get("account_number"))
    elif kind != IDENTIFIER_TYPE:
        for name in ("value", "address"):
            path = f"{kind}:{name}"
            if not found and path in PATHS and isinstance(document.get(name), str):
                found = _identified(path, str(document[name]))
    if found:
        return Selection(tuple(found))
    if f"{kind}:value" in PATHS:
        return Selection(left=("a network or range and no single address",))
    return Selection(left=(why_not(kind),))


def why_not(kind: str) -> str:
    """Why an object of a type names no identifier."""
    return WHY_NOT.get(kind, f"objects of type {plain(kind, _SHOWN)} have no kind")


def _compared(test: Comparison) -> Selection:
    path = _INDEX.sub("[*]", test.path)
    if path in DETAILS:
        lost = DETAILS[path]
        return Selection(losses=(lost,) if lost else (), is_detail=True)
    if path not in PATHS:
        return Selection(left=(f"{plain(path, _SHOWN)}: {why_not(test.object_type)}",))
    if test.negated or test.operator not in ("=", "IN", "ISSUBSET"):
        operator = f"NOT {test.operator}" if test.negated else test.operator
        return Selection(left=(f"{path}: {operator} names no single identifier",))
    found: list[Identifier] = []
    left: list[str] = []
    for value in test.values[:MAX_IDENTIFIERS]:
        named = _identified(path, value) if isinstance(value, str) else []
        found += named
        if not named:
            left.append(f"{path}: a network, a range or no text")
    if len(test.values) > MAX_IDENTIFIERS:
        left.append(f"{path}: more than {MAX_IDENTIFIERS} values")
    lost = PATHS[path][1]
    return Selection(tuple(found), (lost,) if lost and found else (), tuple(left))


def _any(parts: list[Selection]) -> Selection:
    identifiers: list[Identifier] = []
    losses: list[str] = []
    left: list[str] = []
    for part in parts:
        identifiers += part.identifiers
        losses += part.losses
        left += part.left
        if part.is_detail:
            left.append("a condition that stands for itself and names no identifier")
    if len(identifiers) > MAX_IDENTIFIERS:
        left.append(f"more than {MAX_IDENTIFIERS} identifiers")
    return Selection(tuple(identifiers[:MAX_IDENTIFIERS]), _once(losses), _once(left))


def _all(node: Combined) -> Selection:
    account = _one_account(node)
    if account is not None:
        return account
    parts = [select(part) for part in node.parts]
    joined = _any([part for part in parts if not part.is_detail])
    losses = [loss for part in parts for loss in part.losses]
    if joined.left:
        where = "and so the whole" if joined.identifiers else "the whole"
        told = [f"{why}, {where} is not carried" for why in joined.left]
        return Selection(left=_once(told))
    if all(part.is_detail for part in parts):
        return Selection(losses=_once(losses), is_detail=True)
    if len(set(joined.identifiers)) > 1:
        losses.append(_TOGETHER)
    return Selection(joined.identifiers, _once(losses))


def _one_account(node: Combined) -> Selection | None:
    """`bank-account:iban = .. AND bank-account:account_number = ..` is one account."""
    tests = [part for part in node.parts if isinstance(part, Comparison)]
    if len(tests) != len(node.parts) or node.across:
        return None
    if any(test.operator != "=" or test.negated for test in tests):
        return None
    given = {test.path: test.values[0] for test in tests}
    if {test.object_type for test in tests} == {IDENTIFIER_TYPE}:
        own = _own_identifier({path.partition(":")[2]: value for path, value in given.items()})
        return Selection(tuple(own)) if own else None
    if {test.object_type for test in tests} != {"bank-account"}:
        return None
    found = _account(given.get("bank-account:iban"), given.get("bank-account:account_number"))
    losses = [DETAILS[path] for path in given if path in DETAILS]
    unknown = given.keys() - DETAILS.keys() - PATHS.keys()
    return None if unknown or not found else Selection(tuple(found), _once(losses))


def _account(iban: object, number: object) -> list[Identifier]:
    if isinstance(iban, str):
        return [Identifier(Kind.IBAN, iban)]
    return [Identifier(Kind.BANK_ACCOUNT, number)] if isinstance(number, str) else []


def _own_identifier(document: Mapping[str, object]) -> list[Identifier]:
    kind = _OWN_KINDS.get(str(document.get("identifier_kind")))
    value = document.get("value")
    return [Identifier(kind, value)] if kind is not None and isinstance(value, str) else []


def _identified(path: str, value: str) -> list[Identifier]:
    kind = PATHS[path][0]
    if kind is None:
        kind = Kind.IP if _is_address(value) else Kind.DOMAIN
    if kind is Kind.IP:
        host = _host(value)
        return [] if host is None else [Identifier(kind, host)]
    if kind is Kind.PHONE and _DIGITS.match(value):
        return [Identifier(kind, f"+{value}")]  # E.164 without its sign, as the community writes it
    return [Identifier(kind, value)]


def _host(value: str) -> str | None:
    """The single address that a text names; None for a network. Other texts are left to rules."""
    if "/" not in value:
        return value
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
    return str(network.network_address) if network.num_addresses == 1 else None


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True
