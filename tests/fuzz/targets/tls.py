"""The listener over a real loopback socket: TCP, TLS 1.3, hello and frames of a bad member."""

from __future__ import annotations

import asyncio
import ssl
from typing import ClassVar

from node.network.frames import FrameDecoder
from node.network.kinds import SIZE_LIMITS, Kind
from node.network.limits import Limits
from node.network.tls import client_context
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets.hello import MAX_STEPS, Script, programs
from tests.unit.node.network.harness import HOST, A, B, D, Node, eventually, local_of

LIMITS = Limits(
    handshake_burst=1 << 20,
    handshakes_per_second=1e6,
    handshake_ms=300,
    half_open_per_source=64,
    redial_first_ms=20,
    dial_grace_ms=20,
    probe_ms=100,
    shutdown_ms=100,
)
CLIENT_HELLO = bytes.fromhex(
    "16030100c8010000c40303" + "5a" * 32 + "20" + "a5" * 32 + "000813021303130100ff01000073"
    "00000009000700000462616e6b000b000403000102000a00160014001d0017001e00190018010001010102"
    "0103010400230000001600000017000000"
)


class Tls(Target):
    """One connection each input; every so often the honest members are asked how they are."""

    name: ClassVar = "tls"
    about: ClassVar = "listener, TLS, handshake and frames over a real loopback socket"
    most_bytes: ClassVar = 4 * 1024
    trace_every: ClassVar = 20
    seconds: ClassVar = 2.0

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._wrong: list[str] = []
        self._loop.set_exception_handler(self._unhandled)
        self._client = client_context(local_of(D))
        self._client.check_hostname = False
        self._stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._stranger.check_hostname = False
        self._stranger.verify_mode = ssl.CERT_NONE
        self._count = 0
        self._loop.run_until_complete(self._start())

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self._wrong.append(str(context))

    async def _start(self) -> None:
        self._node, self._honest = await Node.start(A, LIMITS), await Node.start(B, LIMITS)
        self._honest.dial({A: (HOST, self._node.network.port)})
        await eventually(lambda: self._node.network.connected() == {B})

    def seeds(self) -> list[bytes]:
        raw = [bytes((3,)) + CLIENT_HELLO, bytes((3,)) + b"GET / HTTP/1.1\r\n\r\n", bytes((7,))]
        return programs() + raw

    def run(self, data: bytes) -> str:
        self._wrong.clear()
        word = self._loop.run_until_complete(self._connection(data))
        self._count += 1
        if self._count % 64 == 0:
            self._loop.run_until_complete(self._well())
        if self._wrong:
            raise Finding(f"unhandled in the loop: {self._wrong[0]}")
        if self._node.network.counters.handler_errors:
            raise Finding("a handler failed")
        return word

    async def _connection(self, data: bytes) -> str:
        script = Script(data)
        mode = script.choices.byte()
        before = dict(self._node.network.counters.refused)
        secure = {3: None, 7: self._stranger}.get(mode & 7, self._client)
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(
                    HOST, self._node.network.port, ssl=secure
                )
                try:
                    await self._speak(script, mode, reader, writer)
                finally:
                    writer.transport.abort()
        except (OSError, EOFError):
            pass  # refused, reset or closed: the listener's right
        await self._quiet()
        now = self._node.network.counters.refused
        return " ".join(sorted(str(r) for r in now if now[r] != before.get(r, 0)))

    async def _speak(
        self,
        script: Script,
        mode: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if mode & 7 == 3:
            writer.write(script.choices.rest())
            await writer.drain()
            await asyncio.wait_for(_all_of(reader), 1)
            return
        decoder = FrameDecoder(SIZE_LIMITS)
        theirs = b""
        while not theirs:
            data = await reader.read(65_536)
            if not data:
                return
            decoder.feed(data)
            frame = decoder.next()
            theirs = frame[1] if frame is not None and frame[0] is Kind.HELLO else b""
        for _ in range(MAX_STEPS):
            if not script.choices.left:
                break
            writer.write(script.step(theirs))
            if mode & 8:
                await writer.drain()
        await writer.drain()
        if mode & 16:
            await asyncio.sleep(0.002)

    async def _quiet(self) -> None:
        """Until the connection is forgotten."""
        network = self._node.network
        async with asyncio.timeout(5):
            while network.half_open or network.connected() != {B}:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def _well(self) -> None:
        """The honest members still hear each other."""
        self._honest.received.clear()
        self._node.network.send(B, Kind.CONSENSUS, b"are you there")
        await eventually(lambda: bool(self._honest.received), 5)
        self._node.received.clear()
        self._node.events.clear()
        self._honest.events.clear()
        if not self._node.network.connected() == {B}:
            raise Finding("the honest connection is gone")

    def close(self) -> None:
        async def stop() -> None:
            await self._honest.network.stop()
            await self._node.network.stop()

        self._loop.run_until_complete(stop())
        self._loop.close()


async def _all_of(reader: asyncio.StreamReader) -> None:
    while await reader.read(4_096):
        pass
