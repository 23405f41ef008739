"""One connection to one member, from the end of its TLS handshake to its close.

Rules: until the hello is complete nothing but HELLO is read and nothing but HELLO sent; afterwards
frames wait in the outbox and are written together once per loop turn, no more than TLS can take
soon, so that votes overtake what has not been written. The owner hears once that the connection is
ready and once that it ended. Runs on asyncio's and uvloop's transports.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Protocol, cast

from bulwark.ledger.ids import MemberId
from node.network.counters import Counters
from node.network.errors import PeerRefused, Reason
from node.network.frames import FrameDecoder, encode_frame
from node.network.hello import Greeter, Handshake, ready_payload, refuse_payload
from node.network.identity import Member
from node.network.kinds import LANES, SIZE_LIMITS, Kind, Lane
from node.network.limits import Limits
from node.network.outbox import Outbox

_READ: Final = memoryview(bytearray(256 * 1024))
"""Where every connection's bytes are read to, one read at a time: asyncio asks for the buffer,
fills it and tells how much there is without giving up the loop. Without it uvloop takes as much
from the heap for each read, and an idle node's heap wandered into fresh pages (ADR-0041)."""
_PING: Final = encode_frame(Kind.PING, bytes(8))
_TELLS: Final = frozenset(
    {
        Reason.OTHER_VERSION,
        Reason.OTHER_CHAIN,
        Reason.OTHER_GENESIS,
        Reason.SELF_CONNECTION,
        Reason.DUPLICATE_IDENTITY,
        Reason.WRONG_MEMBER,
        Reason.WRONG_ADDRESS,
        Reason.HELLO_SIGNATURE,
        Reason.SURPLUS,
    }
)
"""Reasons that a peer with a member's certificate is told, to help its operator."""


class LinkOwner(Protocol):
    """Who hears about a connection."""

    def link_ready(self, link: Link) -> None:
        """The hello is complete; the owner calls `accept` or `close`."""
        ...

    def link_frame(self, link: Link, kind: Kind, payload: bytes) -> None:
        """A frame of an accepted connection; raises PeerRefused to close it."""
        ...

    def link_lost(self, link: Link, reason: Reason, detail: str) -> None:
        """The connection ended; called once."""
        ...


class Link(asyncio.BufferedProtocol):
    """A connection; made by the listener or a dialler."""

    def __init__(
        self,
        owner: LinkOwner,
        greeter: Greeter,
        counters: Counters,
        limits: Limits,
        *,
        nonce: bytes,
        height: int,
        dialled: MemberId | None,
        remote: str,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._greeter = greeter
        self._counters = counters
        self._limits = limits
        self._nonce = nonce
        self._height = height
        self.dialled = dialled
        """Whom this node called, None if it was called."""
        self.remote = remote
        """Address of the other end, for people."""
        self.up = False
        """Accepted: frames flow."""
        self.ended = False
        self.settled: asyncio.Future[bool] = self._loop.create_future()
        """Done when the connection is accepted (True) or ended (False)."""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the socket is closed."""
        self.pongs = 0
        """PONGs received."""
        self.heard = self._loop.time()
        """Loop time of the last bytes."""
        self.since = self.heard
        """Loop time of the start, then of acceptance."""
        self._transport: asyncio.Transport | None = None
        self._handshake: Handshake | None = None
        self._decoder = FrameDecoder()
        self._outbox = Outbox(limits.lanes())
        self._flush_planned = False
        self._paused = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def entry(self) -> Member | None:
        """The row of the member table that the other end's certificate belongs to."""
        return None if self._handshake is None else self._handshake.member

    @property
    def member(self) -> MemberId | None:
        """Whose certificate the other end showed; proved once the owner hears `link_ready`."""
        return None if self._handshake is None else self._handshake.member.id

    def fits(self, entry: Member | None) -> bool:
        """Whether the keys that the other end showed are still those of its member."""
        return self._handshake is not None and self._handshake.fits(entry)

    @property
    def instance(self) -> bytes:
        """The run of the peer's node."""
        peer = None if self._handshake is None else self._handshake.peer
        return b"" if peer is None else peer.instance

    @property
    def height(self) -> int:
        """The peer's height at the hello."""
        peer = None if self._handshake is None else self._handshake.peer
        return 0 if peer is None else peer.height

    @property
    def level(self) -> int:
        """Highest protocol level that the peer's build knows, as its hello said."""
        peer = None if self._handshake is None else self._handshake.peer
        return 0 if peer is None else peer.level

    def waiting(self, lane: Lane) -> int:
        """Bytes queued in a lane."""
        return self._outbox.waiting(lane)

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is done: judge the certificate, then say hello."""
        stream = cast("asyncio.Transport", transport)
        self._transport = stream
        stream.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        self._deadline = self._loop.call_later(self._limits.handshake_ms / 1000, self._too_slow)
        secured = cast("ssl.SSLObject", stream.get_extra_info("ssl_object"))
        certificate = secured.getpeercert(binary_form=True) or b""
        try:
            self._handshake = Handshake(
                self._greeter,
                certificate,
                nonce=self._nonce,
                height=self._height,
                dialled=self.dialled,
            )
        except PeerRefused as error:
            self.close(error.reason, error.detail)
            return
        self._write(encode_frame(Kind.HELLO, self._handshake.opening()))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what arrived; a view, since asyncio cuts what TLS may still fill from it."""
        return _READ

    def buffer_updated(self, nbytes: int) -> None:
        """Cut frames and hand them on; a broken rule closes the connection."""
        if self.ended:
            return
        self.heard = self._loop.time()
        self._counters.bytes_received += nbytes
        decoder = self._decoder
        decoder.feed(bytes(_READ[:nbytes]))
        try:
            while not self.ended and (frame := decoder.next()) is not None:
                self._counters.frames_received += 1
                self._take(*frame)
        except PeerRefused as error:
            self.close(error.reason, error.detail)

    def pause_writing(self) -> None:
        """TLS has enough to write for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """TLS can take more."""
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if isinstance(exc, ssl.SSLError):
            self._end(Reason.TLS, exc.reason or "TLS error")
        else:
            self._end(Reason.CLOSED, "by the other side" if exc is None else type(exc).__name__)
        if not self.closed.done():
            self.closed.set_result(None)

    # -- what the owner calls

    def accept(self) -> None:
        """The connection counts from now on; tells the end that dialled."""
        if self.dialled is None:
            self._write(encode_frame(Kind.HELLO, ready_payload()))
        self._cancel_deadline()
        self.up = True
        self.since = self._loop.time()
        self._decoder.limits = SIZE_LIMITS
        if not self.settled.done():
            self.settled.set_result(True)

    def send(self, kind: Kind, frame: bytes) -> bool:
        """Queue an encoded frame; False if the lane is full or the connection not up."""
        if not self.up or self.ended:
            return False
        lane = LANES[kind]
        if not self._outbox.put(lane, frame):
            self._counters.dropped[lane] += 1
            return False
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)
        return True

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.send(Kind.PING, _PING)

    def close(self, reason: Reason, detail: str) -> None:
        """End the connection; what is already with TLS still goes out."""
        if self.ended:
            return
        if not self.up and self._handshake is not None and reason in _TELLS:
            self._write(encode_frame(Kind.HELLO, refuse_payload(reason)))
        self._end(reason, detail)
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: Reason, detail: str) -> None:
        """End the connection at once, for a peer that may not read any more."""
        self._end(reason, detail)
        if self._transport is not None:
            self._transport.abort()

    def abandon(self) -> None:
        """TLS never got this far, so asyncio will not call; nothing was told to the owner."""
        if self._transport is None:
            self.ended = True
            if not self.settled.done():
                self.settled.set_result(False)
            if not self.closed.done():
                self.closed.set_result(None)

    # -- inside

    def _take(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.HELLO:
            self._take_hello(payload)
        elif not self.up:
            raise PeerRefused(Reason.UNEXPECTED_FRAME, f"{kind.name} before the hello is complete")
        elif kind is Kind.PING:
            self.send(Kind.PONG, encode_frame(Kind.PONG, payload))
        elif kind is Kind.PONG:
            self.pongs += 1
        else:
            self._owner.link_frame(self, kind, payload)

    def _take_hello(self, payload: bytes) -> None:
        handshake = self._handshake
        if handshake is None or self.up:
            raise PeerRefused(Reason.UNEXPECTED_FRAME, "HELLO after the hello")
        answer = handshake.receive(payload)
        if answer is not None:
            self._write(encode_frame(Kind.HELLO, answer))
        if handshake.ready:
            self._owner.link_ready(self)

    def _too_slow(self) -> None:
        self.abort(Reason.HANDSHAKE_TIMEOUT, f"no hello within {self._limits.handshake_ms} ms")

    def _write(self, frame: bytes) -> None:
        """Write a HELLO past the outbox: nothing else may flow yet."""
        if self._transport is not None and not self.ended:
            self._count_out(1, len(frame))
            self._transport.write(frame)

    def _flush(self) -> None:
        self._flush_planned = False
        transport = self._transport
        while transport is not None and not self._paused and not self.ended:
            frames = self._outbox.take(self._limits.write_buffer_bytes)
            if not frames:
                return
            data = b"".join(frames)
            self._count_out(len(frames), len(data))
            transport.write(data)

    def _count_out(self, frames: int, size: int) -> None:
        self._counters.frames_sent += frames
        self._counters.bytes_sent += size

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self, reason: Reason, detail: str) -> None:
        self._cancel_deadline()
        if self.ended:
            return
        self.ended = True
        if not self.settled.done():
            self.settled.set_result(False)
        self._owner.link_lost(self, reason, detail)
