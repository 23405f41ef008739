"""Who this node is and whom it knows: the keys it shows and the table it checks others against.

Rules: the member table is ledger state handed in by the node; a member has one vote address and one
or two pins (current and next, so that a TLS key can be changed without a gap). The table is checked
against this node's own keys before the first connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.signing import Signer, SigningDomain
from node.network.errors import IdentityInvalid
from node.pki import PIN_BYTES, CertificateUnusable, dns_names, load_certificate, spki_pin


class Member(Struct, frozen=True):
    """One row of the member table."""

    id: MemberId
    address: Address
    """Address of its vote key, which signs the hello."""
    pins: tuple[bytes, ...]
    """SHA-256 of the SubjectPublicKeyInfo of its TLS keys: current, then next if there is one."""
    also: tuple[Address, ...] = ()
    """Addresses that count beside `address` while its vote key is rotated."""

    def accepts(self, pin: bytes, address: Address | None) -> bool:
        """Whether a connection proved with these keys is this member's; no address: not yet."""
        return pin in self.pins and (address is None or address in (self.address, *self.also))


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """This node's keys and certificate."""

    id: MemberId
    vote_key: Signer
    tls_key_pem: bytes = field(repr=False)
    certificate_pem: bytes = field(repr=False)
    ca_pem: bytes = field(repr=False)
    """The alliance CA, the only one trusted."""
    domain: SigningDomain
    """Chain id, genesis hash and epoch 0: what the hello is bound to."""

    def pin(self) -> bytes:
        """SPKI pin of the own certificate; raises IdentityInvalid."""
        try:
            return spki_pin(load_certificate(self.certificate_pem))
        except CertificateUnusable as error:
            raise IdentityInvalid(f"own certificate: {error}") from error


class MemberTable:
    """The members by id and by pin."""

    __slots__ = ("_by_id", "_by_pin")

    def __init__(self, members: Iterable[Member]) -> None:
        """Raises IdentityInvalid when two members share an id, a pin or an address."""
        self._by_id: dict[MemberId, Member] = {}
        self._by_pin: dict[bytes, Member] = {}
        addresses: set[Address] = set()
        for member in members:
            if member.id in self._by_id or member.address in addresses:
                raise IdentityInvalid(f"member {member.id}: id or address given twice")
            addresses.add(member.address)
            self._by_id[member.id] = member
            for pin in member.pins:
                if len(pin) != PIN_BYTES or pin in self._by_pin:
                    raise IdentityInvalid(f"member {member.id}: pin malformed or given twice")
                self._by_pin[pin] = member

    def get(self, member: str) -> Member | None:
        """The member with this id."""
        return self._by_id.get(MemberId(member))

    def by_pin(self, pin: bytes) -> Member | None:
        """The member whose TLS key has this pin."""
        return self._by_pin.get(pin)

    def ids(self) -> tuple[MemberId, ...]:
        """All ids in table order."""
        return tuple(self._by_id)


def check_local(local: LocalIdentity, members: MemberTable) -> None:
    """Check that the node's keys are those of its member entry; raises IdentityInvalid."""
    entry = members.get(local.id)
    if entry is None:
        raise IdentityInvalid(f"{local.id} is not in the member table")
    if entry.address != local.vote_key.address:
        raise IdentityInvalid(f"the vote key of {local.id} is not the one in the member table")
    if local.pin() not in entry.pins:
        raise IdentityInvalid(f"the TLS key of {local.id} is not pinned in the member table")
    if dns_names(load_certificate(local.certificate_pem)) != [local.id]:
        raise IdentityInvalid(f"the certificate's DNS name is not {local.id}")
