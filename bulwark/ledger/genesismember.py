"""One member in the genesis document: who it is, in which roles, with which keys.

Rules: unknown and missing fields are refused; what belongs together is given together; a key is no
more than bytes of the right length here, and is checked where it is used.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.ids import ADDRESS_BYTES, ZERO_ADDRESS, Address, MemberId

MAX_MEMBERS: Final = 128
"""As in the member registry."""
MAX_NAME_CHARS: Final = 128
ROLES: Final = ("validator", "reporter", "regulator", "deployer")
"""Role names; bit i of a member's roles in the registry contract is ROLES[i]."""
PRIVACY_KEYS: Final = {
    "ring_key": 32,
    "ring_proof": 64,
    "sealing_key": 32,
    "regulator_key": 32,
    "regulator_proof": 64,
}
"""A member's keys beside those of its node, with their lengths in bytes."""
_MEMBER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


def check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise GenesisInvalid(name, f"{value} given, {least}..{most} allowed")


def check_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise GenesisInvalid(name, f"{len(value)} bytes given, {length} needed")


def check_name(name: str, value: str) -> None:
    if not (0 < len(value) <= MAX_NAME_CHARS and value.isprintable() and value == value.strip()):
        raise GenesisInvalid(
            name, f"1..{MAX_NAME_CHARS} printable characters without outer spaces are needed"
        )


class GenesisMember(Struct, frozen=True, kw_only=True):
    """One member at genesis."""

    id: MemberId
    name: str
    roles: tuple[str, ...]
    """Of ROLES, each once."""
    node: Address
    """Address of its vote key."""
    account: Address
    """Address of its account key."""
    tls_pin: bytes
    """SHA-256 of the SubjectPublicKeyInfo of its TLS key, 32 bytes."""
    ring_key: bytes | None = None
    """ristretto255 key of its membership proofs, 32 bytes; None asks no guarded questions."""
    ring_proof: bytes | None = None
    """That it has the secret of `ring_key`, 64 bytes."""
    sealing_key: bytes | None = None
    """X25519 key under which others seal messages to it, 32 bytes."""
    regulator_key: bytes | None = None
    """A regulator's part of the opener, ristretto255, 32 bytes."""
    regulator_proof: bytes | None = None
    """That it has the secret of `regulator_key`, 64 bytes."""

    def __post_init__(self) -> None:
        if _MEMBER_ID.fullmatch(self.id) is None:
            raise GenesisInvalid("members.id", f"{self.id!r} is not [a-z0-9][a-z0-9-]{{0,30}}")
        path = f"members[{self.id}]"
        check_name(f"{path}.name", self.name)
        if len(set(self.roles)) != len(self.roles) or not set(self.roles) <= set(ROLES):
            raise GenesisInvalid(f"{path}.roles", f"each of {', '.join(ROLES)} at most once")
        for name, address in (("node", self.node), ("account", self.account)):
            check_length(f"{path}.{name}", address, ADDRESS_BYTES)
            if address == ZERO_ADDRESS:
                raise GenesisInvalid(f"{path}.{name}", "is the zero address")
        check_length(f"{path}.tls_pin", self.tls_pin, 32)
        self._check_privacy_keys(path)

    def _check_privacy_keys(self, path: str) -> None:
        """Lengths and what belongs together; what the keys are is checked where they are used."""
        for name, length in PRIVACY_KEYS.items():
            value = getattr(self, name)
            if value is not None:
                check_length(f"{path}.{name}", value, length)
        for key, proof in (("ring_key", "ring_proof"), ("regulator_key", "regulator_proof")):
            if (getattr(self, key) is None) != (getattr(self, proof) is None):
                raise GenesisInvalid(f"{path}.{proof}", f"{key} and {proof} are given both or not")
        if self.ring_key is not None and self.sealing_key is None:
            raise GenesisInvalid(f"{path}.sealing_key", "is needed beside a ring key")
        if self.regulator_key is not None and "regulator" not in self.roles:
            raise GenesisInvalid(f"{path}.regulator_key", "only a regulator has one")

    @property
    def is_validator(self) -> bool:
        """Whether its node votes."""
        return "validator" in self.roles


def member_document(member: GenesisMember) -> dict[str, str | int | list[str] | None]:
    return {
        "id": member.id,
        "name": member.name,
        "roles": list(member.roles),
        "node": f"0x{member.node.hex()}",
        "account": f"0x{member.account.hex()}",
        "tls_pin": member.tls_pin.hex(),
        **{name: hex_or_none(getattr(member, name)) for name in PRIVACY_KEYS},
    }


def read_member(value: object, path: str) -> GenesisMember:
    names = ("id", "name", "roles", "node", "account", "tls_pin")
    doc = jf.fields(value, path, (*names, *PRIVACY_KEYS))
    return GenesisMember(
        id=MemberId(jf.text(doc["id"], f"{path}.id", 31)),
        name=jf.text(doc["name"], f"{path}.name", MAX_NAME_CHARS),
        roles=jf.items(
            doc["roles"], f"{path}.roles", len(ROLES), lambda v, p: jf.text(v, p, MAX_NAME_CHARS)
        ),
        node=Address(jf.prefixed(doc["node"], f"{path}.node", exactly=ADDRESS_BYTES)),
        account=Address(jf.prefixed(doc["account"], f"{path}.account", exactly=ADDRESS_BYTES)),
        tls_pin=jf.hexadecimal(doc["tls_pin"], f"{path}.tls_pin", exactly=32),
        **{
            name: read_hex(doc[name], f"{path}.{name}", length)
            for name, length in PRIVACY_KEYS.items()
        },
    )


def hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def read_hex(value: object, path: str, length: int) -> bytes | None:
    return None if value is None else jf.hexadecimal(value, path, exactly=length)
