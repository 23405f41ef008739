"""The genesis document: what every member agrees on before the first block, and nothing else does.

Rules: its hash (SHA-256 of a tag and the RFC 8785 form) is in every signature, so two alliances
can never take each other's votes; unknown and missing fields are refused; order of the members is
the validator order; keys, accounts and pins are never shared.
It does not compute the state root of `alloc`: that needs the execution layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import rfc8785
from msgspec import Struct

from bulwark.ledger import jsonfields as jf
from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesismember import (
    MAX_MEMBERS,
    MAX_NAME_CHARS,
    GenesisMember,
    check_length,
    check_name,
    check_range,
    member_document,
    read_member,
)
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import (
    ADDRESS_BYTES,
    Address,
    Digest,
    Epoch,
    MemberId,
    TimestampMs,
)
from bulwark.ledger.limits import MAX_TIMESTAMP_MS, MAX_VALIDATORS
from bulwark.ledger.permissions import Permissions
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.validators import Validator, ValidatorSet

FORMAT: Final = "bulwark-genesis/2"
MAX_GENESIS_BYTES: Final = 8 * 1024 * 1024
"""Room for the registries' code and storage many times over."""
MAX_ALLOC: Final = 10_000
"""Accounts with state at genesis, and storage slots of one of them."""
MAX_CODE_BYTES: Final = 24_576
"""EIP-170."""
MAX_CHAIN_ID: Final = (1 << 53) - 1
"""RFC 8785 numbers are exact below 2**53."""
MAX_GAS_LIMIT: Final = 1 << 40
MAX_DURATION_MS: Final = 86_400_000
_TAG: Final = b"bulwark/genesis/1\x00"


class ConsensusParameters(Struct, frozen=True, kw_only=True):
    """What all replicas must agree on to run PBFT together; durations in milliseconds."""

    checkpoint_interval: int = 1
    """Blocks between checkpoint certificates."""
    rotation: int = 16
    """Blocks that one proposer slot lasts."""
    pipeline: int = 4
    """Proposals in flight."""
    base_timeout_ms: int = 1_000
    max_timeout_ms: int = 30_000
    heartbeat_ms: int = 30_000
    """An idle network stores one empty block in this time."""
    clock_precision_ms: int = 500
    """Largest clock difference of correct nodes."""
    message_delay_ms: int = 2_000
    """Longest delivery time of a proposal between correct nodes."""

    def __post_init__(self) -> None:
        bounds = {
            "checkpoint_interval": (1, 64),
            "rotation": (1, 1 << 20),
            "pipeline": (1, 64),
            "clock_precision_ms": (0, MAX_DURATION_MS),
        }
        for name in self.__struct_fields__:
            least, most = bounds.get(name, (1, MAX_DURATION_MS))
            check_range(f"consensus.{name}", getattr(self, name), least, most)
        if self.base_timeout_ms > self.max_timeout_ms:
            raise GenesisInvalid("consensus.base_timeout_ms", "is over max_timeout_ms")


class OprfParameters(Struct, frozen=True, kw_only=True):
    """What tags are made with; the key itself the members make together, on the ledger."""

    key_id: int
    """16 bits; the records' oprf_key_id of the first key."""
    tag_version: int = 1
    """One byte: version of the OPRF input."""

    def __post_init__(self) -> None:
        check_range("oprf.key_id", self.key_id, 0, 0xFFFF)
        check_range("oprf.tag_version", self.tag_version, 1, 0xFF)


class PrivacyParameters(Struct, frozen=True, kw_only=True):
    """What membership proofs and quotas are counted by."""

    epoch_seconds: int = 86_400
    """Length of a quota epoch in block time; keys change and quotas renew at its boundaries."""

    def __post_init__(self) -> None:
        check_range("privacy.epoch_seconds", self.epoch_seconds, 10, 366 * 86_400)


class GenesisAccount(Struct, frozen=True):
    """State of one account before block 1."""

    nonce: int = 0
    balance: int = 0
    """Wei."""
    code: bytes = b""
    storage: Mapping[int, int] = msgspec.field(default_factory=dict)
    """Slot to value, 256 bits each; no zero values."""

    def __post_init__(self) -> None:
        check_range("alloc.nonce", self.nonce, 0, (1 << 64) - 2)
        check_range("alloc.balance", self.balance, 0, (1 << 256) - 1)
        check_range("alloc.code bytes", len(self.code), 0, MAX_CODE_BYTES)
        check_range("alloc.storage slots", len(self.storage), 0, MAX_ALLOC)
        for slot, value in self.storage.items():
            check_range("alloc.storage slot", slot, 0, (1 << 256) - 1)
            check_range("alloc.storage value", value, 1, (1 << 256) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """A checked genesis document."""

    alliance: str
    chain_id: int
    created_ms: TimestampMs
    gas_limit: int
    consensus: ConsensusParameters
    members: tuple[GenesisMember, ...]
    oprf: OprfParameters
    privacy: PrivacyParameters = PrivacyParameters()  # noqa: RUF009 - frozen
    permissions: Permissions = Permissions()  # noqa: RUF009 - frozen
    alloc: Mapping[Address, GenesisAccount]
    hash: Digest = field(init=False)
    """SHA-256 of the domain tag and to_json()."""
    validator_set: ValidatorSet = field(init=False, repr=False, compare=False)
    """Validators of epoch 0, in the order of the members."""
    _by_account: dict[Address, GenesisMember] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name("alliance", self.alliance)
        check_range("chain_id", self.chain_id, 1, MAX_CHAIN_ID)
        check_range("created_ms", self.created_ms, 1, MAX_TIMESTAMP_MS - 1)
        check_range("gas_limit", self.gas_limit, 21_000, MAX_GAS_LIMIT)
        check_range("alloc accounts", len(self.alloc), 0, MAX_ALLOC)
        for address in self.alloc:
            check_length("alloc address", address, ADDRESS_BYTES)
        self._check_members()
        validators = tuple(Validator(m.id, m.node) for m in self.members if m.is_validator)
        object.__setattr__(self, "validator_set", ValidatorSet(Epoch(0), validators))
        object.__setattr__(self, "_by_account", {m.account: m for m in self.members})
        object.__setattr__(self, "hash", sha256(_TAG + self.to_json()))

    def _check_members(self) -> None:
        check_range("members", len(self.members), 1, MAX_MEMBERS)
        check_range("validators", sum(m.is_validator for m in self.members), 1, MAX_VALIDATORS)
        _check_unique("members.id", [m.id for m in self.members])
        _check_unique(
            "members.node or account", [key for m in self.members for key in (m.node, m.account)]
        )
        _check_unique("members.tls_pin", [m.tls_pin for m in self.members])
        for name in ("ring_key", "sealing_key"):
            keys = [getattr(m, name) for m in self.members if getattr(m, name) is not None]
            _check_unique(f"members.{name}", keys)

    def domain(self, epoch: Epoch = Epoch(0)) -> SigningDomain:
        """What signatures of this alliance in this epoch are bound to."""
        return SigningDomain(self.chain_id, self.hash, epoch)

    def member_of_account(self, account: Address) -> GenesisMember | None:
        """Member whose account this is, None if it is no member's at genesis."""
        return self._by_account.get(account)

    def member(self, member_id: MemberId) -> GenesisMember | None:
        """Member with this id, None if there is none."""
        return next((m for m in self.members if m.id == member_id), None)

    def to_json(self) -> bytes:
        """The document in canonical form (RFC 8785)."""
        return rfc8785.dumps(
            {
                "format": FORMAT,
                "alliance": self.alliance,
                "chain_id": self.chain_id,
                "created_ms": self.created_ms,
                "gas_limit": self.gas_limit,
                "consensus": {
                    n: getattr(self.consensus, n) for n in self.consensus.__struct_fields__
                },
                "members": [member_document(member) for member in self.members],
                "oprf": {
                    "key_id": self.oprf.key_id,
                    "tag_version": self.oprf.tag_version,
                },
                "privacy": {"epoch_seconds": self.privacy.epoch_seconds},
                "permissions": {
                    "send": self.permissions.send,
                    "deploy": self.permissions.deploy,
                },
                "alloc": {
                    f"0x{address.hex()}": _account_document(account)
                    for address, account in self.alloc.items()
                },
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Genesis:
        """Parse a document in any JSON spelling; raises GenesisInvalid naming the field."""
        try:
            return _read_genesis(jf.parse(data, MAX_GENESIS_BYTES))
        except jf.FieldInvalid as error:
            raise GenesisInvalid(error.path, error.detail) from error


def _check_unique(name: str, values: Iterable[object]) -> None:
    listed = list(values)
    if len(set(listed)) != len(listed):
        raise GenesisInvalid(name, "is used twice")


def _account_document(account: GenesisAccount) -> dict[str, str | dict[str, str]]:
    return {
        "nonce": hex(account.nonce),
        "balance": hex(account.balance),
        "code": f"0x{account.code.hex()}",
        "storage": {f"0x{s:064x}": f"0x{v:064x}" for s, v in account.storage.items()},
    }


def _read_genesis(document: object) -> Genesis:
    names = ("format", "alliance", "chain_id", "created_ms", "gas_limit", "consensus")
    doc = jf.fields(document, "", (*names, "members", "oprf", "privacy", "permissions", "alloc"))
    if doc["format"] != FORMAT:
        raise jf.FieldInvalid("format", f"{FORMAT!r} is needed")
    consensus_names = ConsensusParameters.__struct_fields__
    consensus = jf.fields(doc["consensus"], "consensus", consensus_names)
    oprf = jf.fields(doc["oprf"], "oprf", ("key_id", "tag_version"))
    privacy = jf.fields(doc["privacy"], "privacy", ("epoch_seconds",))
    permissions = jf.fields(doc["permissions"], "permissions", ("send", "deploy"))
    alloc = jf.mapping(doc["alloc"], "alloc")
    return Genesis(
        alliance=jf.text(doc["alliance"], "alliance", MAX_NAME_CHARS),
        chain_id=jf.integer(doc["chain_id"], "chain_id"),
        created_ms=TimestampMs(jf.integer(doc["created_ms"], "created_ms")),
        gas_limit=jf.integer(doc["gas_limit"], "gas_limit"),
        consensus=ConsensusParameters(
            **{n: jf.integer(consensus[n], f"consensus.{n}") for n in consensus_names}
        ),
        members=jf.items(doc["members"], "members", MAX_MEMBERS, read_member),
        oprf=OprfParameters(
            key_id=jf.integer(oprf["key_id"], "oprf.key_id"),
            tag_version=jf.integer(oprf["tag_version"], "oprf.tag_version"),
        ),
        privacy=PrivacyParameters(
            epoch_seconds=jf.integer(privacy["epoch_seconds"], "privacy.epoch_seconds")
        ),
        permissions=Permissions(
            send=jf.text(permissions["send"], "permissions.send", MAX_NAME_CHARS),
            deploy=jf.text(permissions["deploy"], "permissions.deploy", MAX_NAME_CHARS),
        ),
        alloc={
            Address(jf.prefixed(name, "alloc address", exactly=ADDRESS_BYTES)): _read_account(
                value, f"alloc.{name}"
            )
            for name, value in alloc.items()
        },
    )


def _read_account(value: object, path: str) -> GenesisAccount:
    doc = jf.fields(value, path, ("nonce", "balance", "code", "storage"))
    storage = jf.mapping(doc["storage"], f"{path}.storage")
    return GenesisAccount(
        nonce=jf.quantity(doc["nonce"], f"{path}.nonce", 64),
        balance=jf.quantity(doc["balance"], f"{path}.balance", 256),
        code=jf.prefixed(doc["code"], f"{path}.code", most=MAX_CODE_BYTES),
        storage={
            _word(slot, f"{path}.storage slot"): _word(value, f"{path}.storage[{slot}]")
            for slot, value in storage.items()
        },
    )


def _word(value: object, path: str) -> int:
    return int.from_bytes(jf.prefixed(value, path, exactly=32), "big")
