"""Frames and handshake in process: a real Network and Link behind a transport without a socket."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from cryptography.hazmat.primitives.serialization import Encoding

from bulwark.ledger.codec import Writer
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import MemberId
from bulwark.privacy.query import decode_reply
from node.network.errors import PeerRefused, RequestError
from node.network.frames import FrameDecoder, encode_frame
from node.network.hello import Opening, Stage
from node.network.kinds import MAX_PAYLOAD_BYTES, SIZE_LIMITS, Kind
from node.network.limits import Limits
from node.network.network import Network
from node.network.peer import Link
from tests.fuzz.choices import Choices
from tests.fuzz.target import Finding, Target
from tests.unit.node.network.harness import (
    DOMAIN,
    HOST,
    MEMBERS,
    A,
    B,
    D,
    certificate_of,
    local_of,
    member_of,
)

MAX_STEPS = 40
SLOW = Limits(handshake_ms=60_000, probe_ms=50, shutdown_ms=50)
ECHO, FAILS, HANGS = 1, 2, 3
FRAMES = bytes((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255))


class Script:
    """What member D sends, piece by piece, as an input says."""

    def __init__(self, data: bytes) -> None:
        self.choices = Choices(data)
        self.kept = b""
        self._mine = b""

    def opening(self) -> bytes:
        """D's OPEN, seldom a wrong one."""
        choices = self.choices
        wrong = choices.below(16)
        opening = Opening(
            oldest=choices.near(1) & 0xFFFF if wrong == 1 else 1,
            newest=choices.near(1) & 0xFFFF if wrong in (1, 2) else 1,
            chain_id=choices.near(DOMAIN.chain_id) if wrong == 3 else DOMAIN.chain_id,
            genesis_hash=sha256(b"other") if wrong == 4 else DOMAIN.genesis_hash,
            member=MemberId(choices.one(("bank-a", "", "x" * 40, "bänk"))) if wrong == 5 else D,
            address=member_of(A if wrong == 6 else D).address,
            height=choices.near(7),
            nonce=bytes(31) + choices.take(1).rjust(1, b"\0"),
            instance=b"fuzzer's instanc",
        )
        self._mine = opening.encode() + choices.take(40 if wrong == 7 else 0)
        return encode_hello(self._mine)

    def proof(self, theirs: bytes) -> bytes:
        """D's PROOF over both openings, right unless the input spoils it."""
        body = sha256(self._mine) + sha256(theirs) + member_of(D).pins[0] + member_of(A).pins[0]
        signature = local_of(D).vote_key.sign(DOMAIN.digest(b"hello", body))
        if self.choices.flag(8):
            signature = bytes((signature[0] ^ 1,)) + signature[1:]
        return encode_hello(Writer().uint(Stage.PROOF, 1).fixed(signature, 65).done())

    def step(self, theirs: bytes) -> bytes:
        """The next bytes on the wire."""
        choices = self.choices
        how = choices.byte()
        if how < 40:
            return self.opening()
        if how < 80:
            return self.proof(theirs)
        if how < 90:
            return encode_hello(bytes((choices.below(6),)) + choices.take(choices.below(64)))
        if how < 100:
            reason = choices.one((b"surplus", b"duplicate-identity", b"\xff\xfe", b"a" * 41, b""))
            return encode_hello(Writer().uint(Stage.REFUSE, 1).blob(reason).done())
        if how < 120:
            return choices.take(1 + choices.below(64))
        if how < 150:
            length = choices.near(*SIZE_LIMITS.values()) & 0xFFFFFFFF
            body = choices.take(choices.below(64))
            return length.to_bytes(4, "big") + bytes((choices.one(FRAMES),)) + body
        if how < 190:
            number, topic = choices.below(300), choices.one((ECHO, FAILS, HANGS, 4, 5, 9))
            body = choices.take(choices.below(200))
            payload = number.to_bytes(8, "big") + bytes((topic,)) + body
            return encode_frame(Kind.REQUEST, payload[: len(payload) - choices.below(2) * 300])
        if how < 215:
            head = choices.below(4).to_bytes(8, "big") + bytes((choices.below(6),))
            return encode_frame(Kind.RESPONSE, head + choices.take(choices.below(32)))
        kind = choices.one([k for k in Kind if k is not Kind.HELLO])
        limit = min(SIZE_LIMITS[kind], 300)
        return encode_frame(kind, choices.take(choices.below(limit + 1)))


def encode_hello(payload: bytes) -> bytes:
    """A HELLO frame, also one that is too long."""
    return len(payload).to_bytes(4, "big") + bytes((Kind.HELLO,)) + payload


def programs() -> list[bytes]:
    """Inputs that complete the hello and then use every kind of frame."""
    first = bytes((0, 0, 0, 3, 1, 40, 1))
    requests = b"".join(bytes((150, 0, n, n, 8)) + b"question" for n in range(6))
    answers = b"".join(bytes((190, n, n, 4)) + b"okay" for n in range(4))
    others = b"".join(bytes((215, n, 0, 20)) + b"x" * 20 for n in range(7))
    refuse = bytes((90, 0)) + bytes((90, 1))
    large = b"".join(bytes((120, 7, 0, n, 30)) + b"z" * 30 for n in range(11))
    bodies = [first, first + requests, first + answers + others, refuse, large, first + large]
    return [bytes((mode,)) + body for mode in (0, 1, 2, 6) for body in bodies]


class _Secured:
    """What a TLS transport shows of the other end."""

    def getpeercert(self, binary_form: bool) -> bytes:
        return certificate_of(D).public_bytes(Encoding.DER)


class _Wire:
    """A transport that keeps what is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.link: Link | None = None
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str) -> object:
        return _Secured() if name == "ssl_object" else None

    def set_write_buffer_limits(self, high: int) -> None: ...

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        if not self.closed and self.link is not None:
            self.closed = True
            self._loop.call_soon(self.link.connection_lost, None)

    abort = close


class Hello(Target):
    """One connection of member D to member A's network."""

    name: ClassVar = "hello"
    about: ClassVar = "frames, handshake, requests: real Link and Network, no socket"
    most_bytes: ClassVar = 4 * 1024
    trace_every: ClassVar = 20

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._wrong: list[str] = []
        self._loop.set_exception_handler(lambda loop, context: self._wrong.append(str(context)))
        self._network = self._loop.run_until_complete(self._build())
        self._own_certificate = certificate_of(D)

    async def _build(self) -> Network:
        network = Network(
            local_of(A), MEMBERS, {}, (HOST, 0), height=lambda: 7, limits=SLOW,
            random_bytes=lambda size: b"\x07" * size, clock_ms=lambda: 0,
        )  # fmt: skip
        for kind in (Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE):
            network.on_frame(kind, lambda member, payload: None)
        network.on_request(ECHO, _echo)
        network.on_request(FAILS, _fails)
        network.on_request(HANGS, _hangs)
        return network

    def seeds(self) -> list[bytes]:
        return programs()

    def run(self, data: bytes) -> str:
        self._wrong.clear()
        frames = _cut_differently(data)
        word = self._loop.run_until_complete(self._connection(data))
        if self._wrong:
            raise Finding(f"unhandled in the loop: {self._wrong[0]}")
        return f"{frames} {word}"

    async def _connection(self, data: bytes) -> str:
        script = Script(data)
        mode = script.choices.byte()
        network: Any = self._network
        refused = dict(network.counters.refused)
        link = network._make_link(B if mode & 2 and mode & 4 else D if mode & 2 else None, "fuzz")
        transport: Any = _Wire(self._loop)
        transport.link = link
        link.connection_made(transport)
        asked: list[asyncio.Task[str]] = []
        for _ in range(MAX_STEPS):
            if link.ended or not script.choices.left:
                break
            theirs = bytes(transport.written[5 : 5 + int.from_bytes(transport.written[:4], "big")])
            self._feed(link, script.step(theirs), piece=1 + (mode >> 3) if mode & 1 else 1 << 20)
            if link.up and len(asked) < 3:
                asked.append(self._loop.create_task(_ask(network)))
            await asyncio.sleep(0)
            if link._decoder.buffered > MAX_PAYLOAD_BYTES + 65_536:
                raise Finding(f"{link._decoder.buffered} bytes buffered")
        up = link.up
        transport.close()
        await asyncio.sleep(0)
        words = sorted({await task for task in asked})
        for _ in range(3):
            await asyncio.sleep(0)
        if network._every or network._calls or network.connected():
            raise Finding("the closed connection is still known")
        now = network.counters.refused
        reasons = sorted(str(r) for r in now if now[r] != refused.get(r, 0))
        return f"up {up} {reasons} {words}"

    @staticmethod
    def _feed(link: Link, data: bytes, piece: int) -> None:
        for at in range(0, len(data), piece):
            read = data[at : at + piece]
            link.get_buffer(-1)[: len(read)] = read
            link.buffer_updated(len(read))

    def close(self) -> None:
        self._loop.run_until_complete(self._network.stop())
        self._loop.close()


def _cut_differently(data: bytes) -> str:
    """FrameDecoder: one read or many reads give the same frames and the same refusal."""
    results = []
    for piece in (len(data) or 1, 1 + len(data) % 7):
        decoder, found = FrameDecoder(SIZE_LIMITS), []
        try:
            for at in range(0, len(data), piece):
                decoder.feed(data[at : at + piece])
                while (frame := decoder.next()) is not None:
                    found.append(frame)
            end = "open"
        except PeerRefused as error:
            end = str(error.reason)
        results.append((found, end))
    if results[0] != results[1]:
        raise Finding("frames depend on how the stream was cut")
    whole = b"".join(encode_frame(kind, payload) for kind, payload in results[0][0])
    if not data.startswith(whole):
        raise Finding("frames do not encode to what was read")
    return f"{min(len(results[0][0]), 2)} frames {results[0][1]}"


async def _ask(network: Network) -> str:
    try:
        await network.request(D, 9, b"question", 5_000)
    except RequestError as error:
        return type(error).__name__
    return "answered"


async def _echo(member: MemberId, body: bytes) -> bytes:
    return body


async def _fails(member: MemberId, body: bytes) -> bytes:
    decode_reply(body)
    return b""


async def _hangs(member: MemberId, body: bytes) -> bytes:
    await asyncio.Event().wait()
    return b""
