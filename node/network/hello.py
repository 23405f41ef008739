"""The signed hello: what both ends prove to each other after TLS and before they count as peers.

Each end sends OPEN (versions, chain id, genesis hash, member id, address, height, nonce, instance),
then PROOF: its vote key's signature, under the domain tag "hello", over both OPENs and both TLS
pins. The end that was dialled decides whether the connection is kept and says READY or REFUSE.
Rules: a certificate whose pin and name are not those of one member is refused before a byte is
sent; chain and genesis come before identity, so that a misconfiguration is called by its name; the
nonces make a replayed proof worthless, the pins one made for another connection. Sans-IO: bytes in,
bytes out. Which of two connections of one member is kept is decided in `links`.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from cryptography import x509
from msgspec import Struct
from msgspec.structs import replace

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.errors import LedgerError, SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import ADDRESS_BYTES, DIGEST_BYTES, Address, Digest, MemberId
from bulwark.ledger.limits import MAX_MEMBER_ID_CHARS
from bulwark.ledger.signing import SIGNATURE_BYTES, verify
from node.network.errors import PeerRefused, Reason
from node.network.identity import LocalIdentity, Member, MemberTable
from node.pki import CertificateUnusable, dns_names, spki_pin

OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 1
NONCE_BYTES: Final = 32
INSTANCE_BYTES: Final = 16
_TAG: Final = b"hello"
_MAX_REASON_BYTES: Final = 40
_REASON: Final = re.compile(r"[a-z-]{1,40}")


class Stage(IntEnum):
    """First byte of a HELLO frame."""

    OPEN = 1
    PROOF = 2
    READY = 3
    REFUSE = 4


class Opening(Struct, frozen=True):
    """What one end says about itself; signed by its PROOF."""

    oldest: int
    """Lowest protocol version that it speaks."""
    newest: int
    chain_id: int
    genesis_hash: Digest
    member: MemberId
    address: Address
    height: int
    """Height of its executed tip, a hint for sync."""
    nonce: bytes
    """32 fresh random bytes."""
    instance: bytes
    """16 random bytes of this run of the node: tells a restart from a second node."""
    level: int = 0
    """Highest protocol level that its build knows; 0 also from builds that do not say."""

    def encode(self) -> bytes:
        """HELLO payload, stage byte first."""
        return (
            Writer()
            .uint(Stage.OPEN, 1)
            .uint(self.oldest, 2)
            .uint(self.newest, 2)
            .uint(self.chain_id, 8)
            .fixed(self.genesis_hash, DIGEST_BYTES)
            .text(self.member)
            .fixed(self.address, ADDRESS_BYTES)
            .uint(self.height, 8)
            .fixed(self.nonce, NONCE_BYTES)
            .fixed(self.instance, INSTANCE_BYTES)
            .uint(self.level, 2)
            .done()
        )

    @classmethod
    def read(cls, reader: Reader) -> Opening:
        """Read what follows the stage byte. Bytes after the known fields are a newer version's
        and are skipped; they are signed like the rest. Raises DecodeError."""
        opening = cls(
            oldest=reader.uint(2, "oldest"),
            newest=reader.uint(2, "newest"),
            chain_id=reader.uint(8, "chain_id"),
            genesis_hash=Digest(reader.fixed(DIGEST_BYTES, "genesis_hash")),
            member=MemberId(reader.text("member", MAX_MEMBER_ID_CHARS)),
            address=Address(reader.fixed(ADDRESS_BYTES, "address")),
            height=reader.uint(8, "height"),
            nonce=reader.fixed(NONCE_BYTES, "nonce"),
            instance=reader.fixed(INSTANCE_BYTES, "instance"),
        )
        # Not sent by the first builds, of which none knows a level.
        return replace(opening, level=reader.uint(2, "level")) if reader.left else opening


class Greeter(Struct, frozen=True):
    """What all handshakes of one node share."""

    local: LocalIdentity
    members: MemberTable
    own_pin: bytes
    instance: bytes
    level: int = 0
    """Highest protocol level that this node knows."""

    def member_of(self, certificate_der: bytes, dialled: MemberId | None) -> tuple[Member, bytes]:
        """The member that this certificate belongs to, and its pin; raises PeerRefused."""
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
            pin = spki_pin(certificate)
            names = dns_names(certificate)
        except (ValueError, CertificateUnusable) as error:
            raise PeerRefused(Reason.TLS, "certificate unreadable") from error
        member = self.members.by_pin(pin)
        if member is None:
            known = [name for name in names if self.members.get(name) is not None]
            if not known:
                raise PeerRefused(Reason.UNKNOWN_MEMBER, f"pin {pin.hex()} is in no member entry")
            raise PeerRefused(Reason.WRONG_PIN, f"pin {pin.hex()} is not one of {known[0]}")
        if dialled is not None and member.id != dialled:
            raise PeerRefused(Reason.WRONG_PIN, f"dialled {dialled}, the key is of {member.id}")
        if names != [member.id]:
            raise PeerRefused(Reason.WRONG_NAME, f"the certificate's name is not {member.id}")
        return member, pin


class Handshake:
    """One connection's hello, from the peer's certificate to the checked proof."""

    def __init__(
        self,
        greeter: Greeter,
        certificate_der: bytes,
        *,
        nonce: bytes,
        height: int,
        dialled: MemberId | None,
    ) -> None:
        """`dialled`: whom this end called, None if it was called. Raises PeerRefused."""
        self.member, self._peer_pin = greeter.member_of(certificate_der, dialled)
        self._greeter = greeter
        self._dialled = dialled is not None
        self.peer: Opening | None = None
        """The other end's OPEN; true only once `proved`."""
        self.proved = False
        """The other end's signature holds."""
        self.ready = False
        """Proved and, at the end that dialled, agreed to by the other."""
        self._peer_bytes = b""
        domain = greeter.local.domain
        self._own_bytes = Opening(
            oldest=OLDEST_VERSION,
            newest=NEWEST_VERSION,
            chain_id=domain.chain_id,
            genesis_hash=domain.genesis_hash,
            member=greeter.local.id,
            address=greeter.local.vote_key.address,
            height=height,
            nonce=nonce,
            instance=greeter.instance,
            level=greeter.level,
        ).encode()

    def fits(self, entry: Member | None) -> bool:
        """Whether what the other end showed so far is still of this row of the member table."""
        address = None if self.peer is None else self.peer.address
        same = entry is not None and entry.id == self.member.id
        return same and entry is not None and entry.accepts(self._peer_pin, address)

    def opening(self) -> bytes:
        """The first HELLO payload to send."""
        return self._own_bytes

    def receive(self, payload: bytes) -> bytes | None:
        """Take a HELLO payload; gives the one to answer with, if any. Raises PeerRefused."""
        reader = Reader(payload, "hello")
        try:
            stage = reader.uint(1, "stage")
            if stage == Stage.REFUSE:
                detail = _refusal(reader)
                usual = detail == Reason.SURPLUS
                raise PeerRefused(Reason.SURPLUS if usual else Reason.REFUSED_BY_PEER, detail)
            if stage == Stage.OPEN and self.peer is None:
                return self._take_opening(payload, reader)
            if stage == Stage.PROOF and self.peer is not None and not self.proved:
                self._take_proof(reader, self.peer)
                return None
            if stage == Stage.READY and self.proved and self._dialled and not self.ready:
                reader.end()
                self.ready = True
                return None
        except SignatureInvalid as error:
            raise PeerRefused(Reason.HELLO_SIGNATURE, str(error)) from error
        except LedgerError as error:
            raise PeerRefused(Reason.HELLO_MALFORMED, str(error)) from error
        raise PeerRefused(Reason.HELLO_MALFORMED, f"stage {stage} out of order")

    def _take_opening(self, payload: bytes, reader: Reader) -> bytes:
        opening = Opening.read(reader)
        self._check(opening)
        self.peer = opening
        self._peer_bytes = payload
        digest = self._digest(payload, self._own_bytes, self._greeter.own_pin, self._peer_pin)
        signature = self._greeter.local.vote_key.sign(digest)
        return Writer().uint(Stage.PROOF, 1).fixed(signature, SIGNATURE_BYTES).done()

    def _check(self, opening: Opening) -> None:
        local = self._greeter.local
        domain = local.domain
        if opening.oldest > NEWEST_VERSION or opening.newest < OLDEST_VERSION:
            spoken = f"{opening.oldest}..{opening.newest}"
            ours = f"{OLDEST_VERSION}..{NEWEST_VERSION}"
            raise PeerRefused(Reason.OTHER_VERSION, f"speaks protocol {spoken}, this node {ours}")
        if opening.chain_id != domain.chain_id:
            raise PeerRefused(
                Reason.OTHER_CHAIN, f"chain {opening.chain_id}, this node's is {domain.chain_id}"
            )
        if opening.genesis_hash != domain.genesis_hash:
            theirs, ours = opening.genesis_hash.hex(), domain.genesis_hash.hex()
            raise PeerRefused(Reason.OTHER_GENESIS, f"genesis {theirs}, this node's is {ours}")
        if opening.instance == self._greeter.instance:
            raise PeerRefused(Reason.SELF_CONNECTION, "this node dialled itself")
        if opening.member != self.member.id:
            raise PeerRefused(
                Reason.WRONG_MEMBER, f"says {opening.member!r}, the key is of {self.member.id}"
            )
        if opening.address not in (self.member.address, *self.member.also):
            raise PeerRefused(
                Reason.WRONG_ADDRESS, f"0x{opening.address.hex()} is not {self.member.id}'s"
            )

    def _take_proof(self, reader: Reader, peer: Opening) -> None:
        signature = reader.fixed(SIGNATURE_BYTES, "signature")
        reader.end()
        digest = self._digest(
            self._own_bytes, self._peer_bytes, self._peer_pin, self._greeter.own_pin
        )
        verify(peer.address, digest, signature, f"hello of {peer.member}")
        if peer.member == self._greeter.local.id:  # said only now: the vote key is proved too
            raise PeerRefused(Reason.DUPLICATE_IDENTITY, f"another node runs as {peer.member}")
        self.proved = True
        self.ready = not self._dialled

    def _digest(self, other: bytes, signer: bytes, signer_pin: bytes, other_pin: bytes) -> Digest:
        """What the end that sent `signer` signs: both openings and both pins, its own first."""
        body = sha256(signer) + sha256(other) + signer_pin + other_pin
        return self._greeter.local.domain.digest(_TAG, body)


def ready_payload() -> bytes:
    """HELLO payload with which the dialled end agrees."""
    return bytes((Stage.READY,))


def refuse_payload(reason: Reason) -> bytes:
    """HELLO payload that tells a peer with a member's certificate why it is refused."""
    return Writer().uint(Stage.REFUSE, 1).text(reason.value).done()


def _refusal(reader: Reader) -> str:
    """The peer's reason if it looks like one: it goes into the log."""
    text = reader.text("reason", _MAX_REASON_BYTES)
    return text if _REASON.fullmatch(text) else "unreadable"
