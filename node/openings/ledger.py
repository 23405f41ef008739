"""What openings need of the node around them: the chain's state, the keys, this member's lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.proofs import SealedHeader
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import Element
from bulwark.privacy.memberkeys import RegulatorSecret
from bulwark.privacy.ring.ristretto import MemberRing
from bulwark.privacy.sealing import SealingKey
from contracts.privacy.ceremony import KeyPurpose
from contracts.privacy.ceremony_reads import read_sharing
from contracts.slots import ReadSlot
from node.execution.patricia import NodeSource
from node.guarded.ports import LiveKey
from node.service import Stage


class Ledger(Struct, frozen=True, kw_only=True):
    """The port to the chain; every read is in the state of the last block."""

    chain_id: int
    genesis_hash: bytes
    epoch_seconds: int
    read_slot: ReadSlot
    now_ms: Callable[[], int]
    """Time of the last block."""
    gas_limit: Callable[[], int]
    """Of a block."""
    refusal: Callable[[Address, Address, bytes], str | None]
    """Why a call from an account to a contract reverts now, None if it does not."""
    waits: Callable[[Digest], bool]
    """Whether an own transaction is still on its way."""
    place_of: Callable[[Digest], tuple[Stage, Height | None]]
    """How far an own transaction got."""
    ring_at: Callable[[int], MemberRing | None]
    """The ring of a height, None where this node does not know it any more."""


class FinalState(Struct, frozen=True):
    """A certified header and the trie nodes of its state."""

    sealed: SealedHeader
    source: NodeSource


class Lane(Protocol):
    """What this needs of the anchorer: this member's transactions in nonce order."""

    @property
    def address(self) -> Address:
        """The member's account."""
        ...

    def send(
        self,
        to: Address,
        data: bytes,
        *,
        extra: Callable[[Transaction], Mapping[bytes, bytes | None]] | None = None,
        gas: int = ...,
    ) -> Transaction:
        """Sign, make durable and submit a call. Raises Busy."""
        ...


class RegulatorKeys(Protocol):
    """The secrets of a regulator's node; a member's node has none."""

    def opener_part(self, public: Element) -> RegulatorSecret | None:
        """The regulator's part of the opener with this public key."""
        ...

    def sealing_keys(self) -> Sequence[SealingKey]:
        """Own sealing keys, the current first."""
        ...


CouncilKey = Callable[[], LiveKey | None]
"""The council's key in force, None before the first ceremony."""


def council_session(read_slot: ReadSlot) -> bytes | None:
    """Ceremony whose sharing of the council's key is active: the contract takes parts of no other.

    It is in force (published) some blocks later.
    """
    found = read_sharing(read_slot, KeyPurpose.COUNCIL)
    return None if found is None else found.session
