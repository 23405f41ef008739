"""The description of an alliance before it has keys: who takes part, where, under which rules.

Rules: unknown fields are refused, every refusal names file, field and what is allowed; two nodes
never share an address. It makes no keys and writes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import (
    MAX_CHAIN_ID,
    MAX_GAS_LIMIT,
    ConsensusParameters,
    PrivacyParameters,
)
from bulwark.ledger.genesismember import MAX_MEMBERS, MAX_NAME_CHARS, ROLES
from bulwark.ledger.ids import MemberId
from bulwark.ledger.permissions import Permissions
from contracts.privacy.parameters import PRIVACY_PARAMETERS
from genesis.errors import AllianceInvalid
from genesis.policies import read_policies, shipped_policies

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_ALLIANCE_NAME_CHARS: Final = 64
"""The CA's common name (RFC 5280, ub-common-name)."""
MAX_HOST_CHARS: Final = 253
"""RFC 1035."""
MIN_GAS_LIMIT: Final = 21_000
DEFAULT_GAS_LIMIT: Final = 10_000_000
AUTHORITY: Final = "authority"
"""Name of the CA's folder, so no member can have it as id."""
_MEMBER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_NUMBERS_AND_DOTS: Final = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPlan:
    """One member and where its node runs."""

    id: MemberId
    name: str
    roles: tuple[str, ...]
    """Of bulwark.ledger.genesis.ROLES, each once, at least one."""
    host: str
    """Host name or address under which the other members reach its node."""
    p2p_port: int
    http_port: int
    listen_host: str
    """Address that the node accepts peers on."""
    http_host: str = "127.0.0.1"
    """Address that the node serves REST and JSON-RPC on, for the member's own systems."""

    @property
    def is_validator(self) -> bool:
        """Whether its node votes; else it is an observer."""
        return "validator" in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Alliance:
    """A checked description."""

    name: str
    chain_id: int
    gas_limit: int
    consensus: ConsensusParameters
    privacy: PrivacyParameters
    privacy_parameters: Mapping[str, int] = field(default_factory=dict)
    """What votes may change later: quotas, times of ceremonies and cases."""
    permissions: Permissions
    members: tuple[MemberPlan, ...]
    """In ledger order."""
    policies: tuple[bytes, ...] = field(default_factory=shipped_policies)
    """Documents in force from the first block on; the first is the default."""

    @property
    def validators(self) -> tuple[MemberPlan, ...]:
        """The voting members in ledger order."""
        return tuple(member for member in self.members if member.is_validator)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_alliance(path: Path) -> Alliance:
    """Read a TOML description; raises AllianceInvalid."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AllianceInvalid(str(path), "", error.strerror or "can not be read") from error
    return parse_alliance(data, str(path), path.parent)


def parse_alliance(data: bytes, source: str, folder: Path = Path()) -> Alliance:
    """Check a TOML description; `source` names it in errors, paths in it start at `folder`.

    Raises AllianceInvalid.
    """
    if len(data) > MAX_FILE_BYTES:
        raise AllianceInvalid(source, "", f"more than {MAX_FILE_BYTES} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise AllianceInvalid(source, "", f"no TOML: {error}") from error
    try:
        return _read_alliance(document, folder)
    except jf.FieldInvalid as error:
        raise AllianceInvalid(source, error.path, error.detail) from error
    except GenesisInvalid as error:
        raise AllianceInvalid(source, error.field, error.detail) from error


def _read_alliance(document: Mapping[str, object], folder: Path) -> Alliance:
    optional = ("gas_limit", "consensus", "privacy", "permissions", "policies")
    doc = _table(document, "", ("name", "chain_id", "members"), optional)
    consensus = _table(
        doc.get("consensus", {}), "consensus", (), ConsensusParameters.__struct_fields__
    )
    privacy = _table(
        doc.get("privacy", {}),
        "privacy",
        (),
        (*PrivacyParameters.__struct_fields__, *PRIVACY_PARAMETERS),
    )
    rights = _table(doc.get("permissions", {}), "permissions", (), ("send", "deploy"))
    members = jf.items(doc["members"], "members", MAX_MEMBERS, _read_member)
    _check_members(members)
    return Alliance(
        name=_name(doc["name"], "name", MAX_ALLIANCE_NAME_CHARS),
        chain_id=_ranged(doc["chain_id"], "chain_id", 1, MAX_CHAIN_ID),
        gas_limit=_ranged(
            doc.get("gas_limit", DEFAULT_GAS_LIMIT), "gas_limit", MIN_GAS_LIMIT, MAX_GAS_LIMIT
        ),
        consensus=ConsensusParameters(
            **{name: jf.integer(value, f"consensus.{name}") for name, value in consensus.items()}
        ),
        privacy=PrivacyParameters(
            **{
                name: jf.integer(value, f"privacy.{name}")
                for name, value in privacy.items()
                if name in PrivacyParameters.__struct_fields__
            }
        ),
        privacy_parameters={
            name: _ranged(value, f"privacy.{name}", bounds.least, bounds.most)
            for name, bounds in PRIVACY_PARAMETERS.items()
            if (value := privacy.get(name)) is not None
        },
        permissions=Permissions(
            **{name: jf.text(value, f"permissions.{name}", 32) for name, value in rights.items()}
        ),
        members=members,
        policies=read_policies(doc.get("policies", {}), folder),
    )


def _read_member(value: object, path: str) -> MemberPlan:
    required = ("id", "name", "roles", "host", "p2p_port", "http_port")
    doc = _table(value, path, required, ("listen_host", "http_host"))
    member_id = jf.text(doc["id"], f"{path}.id", 31)
    if _MEMBER_ID.fullmatch(member_id) is None or member_id == AUTHORITY:
        raise jf.FieldInvalid(
            f"{path}.id",
            f"{member_id!r} given; a small letter or digit, then up to 30 small letters, digits "
            f"or '-', and not {AUTHORITY!r}",
        )
    path = f"members[{member_id}]"
    host = _host(doc["host"], f"{path}.host")
    everywhere = "::" if ":" in host else "0.0.0.0"
    listen = doc.get("listen_host", host if is_loopback(host) else everywhere)
    return MemberPlan(
        id=MemberId(member_id),
        name=_name(doc["name"], f"{path}.name", MAX_NAME_CHARS),
        roles=_roles(doc["roles"], f"{path}.roles"),
        host=host,
        p2p_port=_ranged(doc["p2p_port"], f"{path}.p2p_port", 1, 65_535),
        http_port=_ranged(doc["http_port"], f"{path}.http_port", 1, 65_535),
        listen_host=_host(listen, f"{path}.listen_host"),
        http_host=_host(doc.get("http_host", "127.0.0.1"), f"{path}.http_host"),
    )


def _check_members(members: tuple[MemberPlan, ...]) -> None:
    if not any(member.is_validator for member in members):
        raise jf.FieldInvalid("members", "at least one member with the role validator is needed")
    ids: set[MemberId] = set()
    taken: dict[tuple[str, int], str] = {}
    for member in members:
        path = f"members[{member.id}]"
        if member.id in ids:
            raise jf.FieldInvalid(f"{path}.id", "two members have this id")
        ids.add(member.id)
        for name, port in (("p2p_port", member.p2p_port), ("http_port", member.http_port)):
            owner = taken.setdefault((member.host, port), f"{path}.{name}")
            if owner != f"{path}.{name}":
                raise jf.FieldInvalid(f"{path}.{name}", f"{member.host}:{port} is {owner} already")


def _table(
    value: object, path: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, object]:
    """A table with all of `required` and some of `optional`; raises FieldInvalid."""
    found = jf.mapping(value, path)
    allowed = (*required, *optional)
    for name in found:
        if name not in allowed:
            raise jf.FieldInvalid(
                jf.join(path, name[:64]), f"is unknown; known here: {', '.join(allowed)}"
            )
    for name in required:
        if name not in found:
            raise jf.FieldInvalid(jf.join(path, name), "is missing")
    return found


def _ranged(value: object, path: str, least: int, most: int) -> int:
    number = jf.integer(value, path)
    if not least <= number <= most:
        raise jf.FieldInvalid(path, f"{number} given, {least}..{most} allowed")
    return number


def _name(value: object, path: str, most: int) -> str:
    text = jf.text(value, path, most)
    if not text or not text.isprintable() or text != text.strip():
        raise jf.FieldInvalid(
            path, f"1..{most} printable characters without outer spaces are needed"
        )
    return text


def _roles(value: object, path: str) -> tuple[str, ...]:
    roles = jf.items(value, path, len(ROLES), lambda item, where: jf.text(item, where, 32))
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(ROLES):
        raise jf.FieldInvalid(
            path, f"one or more of {', '.join(ROLES)}, each at most once, are needed"
        )
    return roles


def _host(value: object, path: str) -> str:
    text = jf.text(value, path, MAX_HOST_CHARS)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        labels = text.split(".")
    numeric = _NUMBERS_AND_DOTS.fullmatch(text) is not None
    if numeric or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise jf.FieldInvalid(path, f"{text!r} is no host name, IPv4 or IPv6 address")
    return text
