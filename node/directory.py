"""The directory: who the members are according to the ledger, and whom the mesh lets in.

Rules: it is read from the registry in the state of the last block, again whenever a block changes
it; a member that left is let in for as long as it votes in the epoch that runs, and a vote key
that was replaced counts there until that epoch ends, beside the one that replaces it. Names come
from the genesis document; a member that joined later is called by its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.genesismember import ROLES
from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.receipt import Receipt
from contracts.bindings import member_id_text
from contracts.members import MEMBER_REGISTRY, OWNERS_SLOT, Role, read_members
from contracts.slots import ReadSlot, mapped_slot, read_word
from contracts.words import address_word
from node.chain.epochs import ChainEpoch
from node.network.identity import Member

ZERO = bytes(32)


class LedgerMember(Struct, frozen=True):
    """One member as the registry has it."""

    id: MemberId
    name: str
    roles: tuple[str, ...]
    node: Address
    """Address of its vote key."""
    account: Address
    pins: tuple[bytes, ...]
    """SPKI pins of its TLS keys, current first."""

    @property
    def is_validator(self) -> bool:
        """Whether it holds the validator role; it votes from the next epoch on."""
        return "validator" in self.roles


class Directory:
    """Members by id and by account."""

    def __init__(self, genesis: Genesis, read_slot: ReadSlot) -> None:
        """`read_slot` reads the state after the last block."""
        self._names = {member.id: member.name for member in genesis.members}
        self._first_pins = {member.id: (member.tls_pin,) for member in genesis.members}
        self._read_slot = read_slot
        self._owners: dict[bytes, MemberId] = {}
        self.members: tuple[LedgerMember, ...] = self._read()
        self.changed: Callable[[], None] = lambda: None
        """Called when the registry changed."""

    def member(self, member_id: MemberId) -> LedgerMember | None:
        """The member with this id now."""
        return next((member for member in self.members if member.id == member_id), None)

    def account_of(self, member_id: MemberId) -> Address | None:
        """The account of a member now."""
        found = self.member(member_id)
        return None if found is None else found.account

    def current_account(self, member_id: MemberId) -> Address | None:
        """The account in the state of the last block, also before `executed` was told of it."""
        listed = (m for m in read_members(self._read_slot) if member_id_text(m.id) == member_id)
        return next((Address(member.account) for member in listed), None)

    def pins_of(self, member_id: MemberId) -> tuple[bytes, ...] | None:
        """Pins of a member's TLS keys, current first; None for one that the ledger has not."""
        found = self.member(member_id)
        return None if found is None else found.pins

    def member_of(self, account: bytes) -> MemberId:
        """Who holds or ever held an account; an account of nobody is shown as its address."""
        known = self._owners.get(account)
        if known is None:
            slot = mapped_slot(OWNERS_SLOT, address_word("account", account))
            owner = read_word(self._read_slot, Address(MEMBER_REGISTRY), slot)
            if owner == ZERO:
                return MemberId(f"0x{account.hex()}")
            known = self._owners[account] = MemberId(member_id_text(owner))
        return known

    def executed(self, receipts: Iterable[Receipt] | None) -> bool:
        """A block was executed, or state sync skipped some: look again if the registry changed."""
        is_changed = receipts is None or any(
            log.address == MEMBER_REGISTRY for receipt in receipts for log in receipt.logs
        )
        if is_changed:
            self.refresh()
        return is_changed

    def refresh(self) -> None:
        """Read the registry again."""
        self.members = self._read()
        self.changed()

    def table(
        self, epoch: ChainEpoch, before: Iterable[Member] = (), own: Member | None = None
    ) -> list[Member]:
        """Whom the mesh lets in while `epoch` runs; `before` is the table until now.

        `own` comes first and as it is: no vote takes this node its own keys away.
        """
        voters = {voter.member: voter.address for voter in epoch.validators.validators}
        # The first pins are for who was removed and still votes: after a restart nothing else
        # knows them. Whoever else is in no registry is in no table.
        pins = self._first_pins | {member.id: member.pins for member in before}
        pins |= {member.id: member.pins for member in self.members}
        nodes = {member.id: member.node for member in self.members}
        addresses = nodes | voters
        first = () if own is None else (own,)
        others = (
            Member(id_, address, pins.get(id_, ()), (nodes.get(id_, address),))
            for id_, address in addresses.items()
            if own is None or id_ != own.id
        )
        return _distinct((*first, *others))

    def _read(self) -> tuple[LedgerMember, ...]:
        found = []
        for member in read_members(self._read_slot):
            name = MemberId(member_id_text(member.id))
            found.append(
                LedgerMember(
                    id=name,
                    name=self._names.get(name, name),
                    roles=tuple(role for role in ROLES if member.roles & Role[role.upper()]),
                    node=Address(member.node),
                    account=Address(member.account),
                    pins=tuple(p for p in (member.tls_pin, member.next_tls_pin) if p != ZERO),
                )
            )
        return tuple(found)


def _distinct(members: Iterable[Member]) -> list[Member]:
    """The members without pins and keys that another one had first.

    The contract lets a vote give two members one pin; nobody else may be cut off by that.
    """
    found: list[Member] = []
    pins: set[bytes] = set()
    addresses: set[Address] = set()
    members = tuple(members)
    first = {member.address for member in members}
    for member in members:
        own = tuple(pin for pin in dict.fromkeys(member.pins) if pin not in pins)
        if own and member.address not in addresses:
            pins.update(own)
            addresses.add(member.address)
            also = tuple(address for address in member.also if address not in first)
            found.append(Member(member.id, member.address, own, also))
    return found
