"""An alliance of four with real keys and sockets, and a peer that can misbehave in every way."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from cryptography import x509

from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Epoch, MemberId
from bulwark.ledger.signing import SigningDomain, SigningKey
from node.keys import NodeSecrets
from node.network.errors import Reason
from node.network.frames import FrameDecoder, encode_frame
from node.network.hello import Greeter, Handshake
from node.network.identity import LocalIdentity, Member, MemberTable
from node.network.kinds import SIZE_LIMITS, Kind
from node.network.limits import Limits
from node.network.network import Network
from node.network.tls import client_context
from node.pki import CertificateAuthority, certificate_pem, create_ca, issue, spki_pin

IDS = tuple(MemberId(f"bank-{letter}") for letter in "abcd")
A, B, C, D = IDS
HOST = "127.0.0.1"
DOMAIN = SigningDomain(chain_id=2026, genesis_hash=sha256(b"genesis"), epoch=Epoch(0))
OTHER_DOMAIN = replace(DOMAIN, genesis_hash=Digest(sha256(b"another genesis")))
QUICK = Limits(
    redial_first_ms=20, redial_most_ms=200, dial_grace_ms=50, probe_ms=200, handshake_ms=2_000
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def eventually(holds: Callable[[], bool], seconds: float = 8.0) -> None:
    """Wait until a condition holds; fails after the deadline."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "the condition did not come to hold in time"
        await asyncio.sleep(0.002)


@cache
def authority() -> CertificateAuthority:
    return create_ca("Test Alliance", now_ms=now_ms(), random_bytes=random.Random(0).randbytes)


@cache
def secrets_of(member: str) -> NodeSecrets:
    return NodeSecrets.generate(random.Random(member).randbytes)


@cache
def certificate_of(member: MemberId) -> x509.Certificate:
    return issue(authority(), member, secrets_of(member).tls_public_key(), now_ms=now_ms())


def local_of(member: MemberId, domain: SigningDomain = DOMAIN) -> LocalIdentity:
    secrets = secrets_of(member)
    return LocalIdentity(
        id=member,
        vote_key=SigningKey(secrets.vote_key),
        tls_key_pem=secrets.tls_key_pem,
        certificate_pem=certificate_pem(certificate_of(member)),
        ca_pem=certificate_pem(authority().certificate),
        domain=domain,
    )


def member_of(member: MemberId) -> Member:
    address = SigningKey(secrets_of(member).vote_key).address
    return Member(member, address, (spki_pin(certificate_of(member)),))


MEMBERS = tuple(member_of(member) for member in IDS)


@dataclass
class Node:
    """A network with a record of what it told."""

    network: Network
    received: list[tuple[MemberId, Kind, bytes]] = field(default_factory=list)
    events: list[tuple[str, MemberId]] = field(default_factory=list)

    @classmethod
    async def start(
        cls,
        member: MemberId,
        limits: Limits = QUICK,
        domain: SigningDomain = DOMAIN,
        members: Iterable[Member] = MEMBERS,
        port: int = 0,
    ) -> Node:
        local = local_of(member, domain)
        network = Network(local, members, {}, (HOST, port), height=lambda: 7, limits=limits)
        node = cls(network)
        for kind in (Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE):
            network.on_frame(kind, node._taker(kind))
        network.on_up(lambda m: node.events.append(("up", m)))
        network.on_down(lambda m: node.events.append(("down", m)))
        network.on_duplicate(lambda m: node.events.append(("duplicate", m)))
        await network.start()
        return node

    def _taker(self, kind: Kind) -> Callable[[MemberId, bytes], None]:
        return lambda member, payload: self.received.append((member, kind, payload))

    def dial(self, addresses: dict[MemberId, tuple[str, int]]) -> None:
        self.network.set_members(MEMBERS, addresses)

    def refused(self, reason: Reason) -> int:
        return self.network.counters.refused.get(reason, 0)

    async def refuses(self, reason: Reason, times: int = 1) -> None:
        await eventually(lambda: self.refused(reason) >= times)


@dataclass
class Mesh:
    """Running networks by member."""

    nodes: dict[MemberId, Node]

    @classmethod
    async def start(cls, ids: tuple[MemberId, ...] = IDS, limits: Limits = QUICK) -> Mesh:
        mesh = cls({member: await Node.start(member, limits) for member in ids})
        mesh.connect()
        await mesh.whole()
        return mesh

    def addresses(self) -> dict[MemberId, tuple[str, int]]:
        return {member: (HOST, node.network.port) for member, node in self.nodes.items()}

    def connect(self) -> None:
        for node in self.nodes.values():
            node.dial(self.addresses())

    async def whole(self) -> None:
        """Wait until everybody is connected to everybody."""
        ids = set(self.nodes)
        await eventually(
            lambda: all(n.network.connected() == ids - {m} for m, n in self.nodes.items())
        )

    async def works(self) -> None:
        """Every member's message reaches every other."""
        for member, node in self.nodes.items():
            mark = b"mark of " + member.encode()
            # Of two connections that both ends dialled at once, one may be about to yield.
            await eventually(
                lambda n=node, m=mark: n.network.broadcast(Kind.CONSENSUS, m) == len(self.nodes) - 1
            )
            for other in self.nodes.values():
                if other is not node:
                    wanted = (member, Kind.CONSENSUS, mark)
                    await eventually(lambda o=other, w=wanted: w in o.received)

    async def stop(self) -> None:
        for node in self.nodes.values():
            await node.network.stop()

    def __getitem__(self, member: MemberId) -> Node:
        return self.nodes[member]


class RawPeer:
    """A TLS client that says exactly what a test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.decoder = FrameDecoder(SIZE_LIMITS)

    @classmethod
    async def connect(cls, node: Node, context: ssl.SSLContext | None = None) -> RawPeer:
        context = context or client_context(local_of(D))
        context.check_hostname = False
        return cls(*await asyncio.open_connection(HOST, node.network.port, ssl=context))

    async def send(self, kind: Kind | int, payload: bytes) -> None:
        await self.send_raw(len(payload).to_bytes(4, "big") + bytes((kind,)) + payload)

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self) -> tuple[Kind, bytes] | None:
        """The next frame, None at the end of the connection."""
        while (found := self.decoder.next()) is None:
            async with asyncio.timeout(8):
                try:
                    data = await self.reader.read(65536)
                except (ConnectionError, ssl.SSLError):
                    return None
            if not data:
                return None
            self.decoder.feed(data)
        return found

    async def is_closed(self) -> bool:
        """Wait until the other side closes."""
        while await self.frame() is not None:
            pass
        return True

    async def close(self) -> None:
        self.writer.transport.abort()

    async def hello(
        self, local: LocalIdentity, called: MemberId, nonce: bytes, instance: bytes = b"i" * 16
    ) -> list[bytes]:
        """Do the whole hello as `local`; gives the HELLO payloads that were sent."""
        greeter = Greeter(local, MemberTable(MEMBERS), member_of(local.id).pins[0], instance)
        secured = self.writer.get_extra_info("ssl_object")
        certificate = secured.getpeercert(binary_form=True)
        shake = Handshake(greeter, certificate, nonce=nonce, height=1, dialled=called)
        sent = [shake.opening()]
        await self.send(Kind.HELLO, sent[0])
        while not shake.ready:
            frame = await self.frame()
            assert frame is not None, "the hello was refused"
            answer = shake.receive(frame[1])
            if answer is not None:
                sent.append(answer)
                await self.send(Kind.HELLO, answer)
        return sent


def consensus(payload: bytes) -> bytes:
    return encode_frame(Kind.CONSENSUS, payload)
