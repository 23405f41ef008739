"""A wiretap on nodes' meshes: relays their connections and keeps what they send in clear.

It can because the test holds every member's keystore: it shows each end the other's certificate and
key, so pins and signed hellos hold. Between a tapped node and each other member it replaces the
port that the dialling side has in its configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.assembly import network_identity, open_home
from node.network.frames import FrameDecoder
from node.network.kinds import SIZE_LIMITS, Kind
from node.network.tls import client_context, server_context
from tests.process.support import Alliance

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes as they were read from a node, in clear."""

    sender: str
    receiver: str
    connection: int
    data: bytes


class Wiretap:
    """Relays of all mesh connections of some nodes."""

    def __init__(self, alliance: Alliance, *tapped: str) -> None:
        """Points the configurations of all nodes, which must not run yet, at the relays."""
        self._alliance = alliance
        self._tapped = frozenset(tapped)
        self.sent: list[Piece] = []
        """Everything that left a tapped node."""
        self.connections = 0
        self._sockets: dict[tuple[str, str], socket.socket] = {}
        names = alliance.names
        pairs = [(one, other) for one in names for other in names if one != other]
        for pair in pairs:
            if self._tapped.intersection(pair):
                self._sockets[pair] = socket.create_server(("127.0.0.1", 0))
                self._redirect(*pair, self._sockets[pair].getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def _redirect(self, dialler: str, dialled: str, port: int) -> None:
        path = self._alliance.node(dialler).home / "node.toml"
        own, *peers = path.read_text().split("[[network.peers]]")
        wanted = f'member = "{dialled}"'
        old = f"port = {self._alliance.node(dialled).p2p_port}"
        assert sum(wanted in peer and old in peer for peer in peers) == 1
        peers = [p.replace(old, f"port = {port}") if wanted in p else p for p in peers]
        path.write_text("[[network.peers]]".join([own, *peers]))

    def __enter__(self) -> Wiretap:
        self._thread.start()
        for (dialler, dialled), listening in self._sockets.items():
            starting = self._listen(dialler, dialled, listening)
            asyncio.run_coroutine_threadsafe(starting, self._loop).result(30)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _home(self, name: str) -> Path:
        return self._alliance.node(name).home

    async def _listen(self, dialler: str, dialled: str, listening: socket.socket) -> None:
        shown_to_dialler = server_context(network_identity(open_home(self._home(dialled))))
        shown_to_dialled = client_context(network_identity(open_home(self._home(dialler))))
        real = self._alliance.node(dialled).p2p_port

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                onward, back = await asyncio.open_connection(
                    "127.0.0.1", real, ssl=shown_to_dialled, server_hostname=dialled
                )
            except OSError:
                writer.close()
                return
            self.connections += 1
            number = self.connections
            await asyncio.gather(
                self._copy(reader, back, (dialler, dialled), number),
                self._copy(onward, writer, (dialled, dialler), number),
            )

        server = await asyncio.start_server(relay, sock=listening, ssl=shown_to_dialler)
        self._loop.create_task(server.serve_forever())

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: tuple[str, str],
        number: int,
    ) -> None:
        """Copy until either side ends; keep the bytes if they are a tapped node's own."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                if way[0] in self._tapped:
                    self.sent.append(Piece(*way, number, data))
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    def stream(self, sender: str, receiver: str) -> bytes:
        """All bytes that a tapped node sent to a member."""
        return b"".join(piece.data for piece in self._pieces(sender, receiver))

    def frames(self, sender: str, receiver: str) -> Iterator[tuple[Kind, bytes]]:
        """Frames that a tapped node sent to a member."""
        decoders: dict[int, FrameDecoder] = {}
        for piece in self._pieces(sender, receiver):
            decoder = decoders.setdefault(piece.connection, FrameDecoder(SIZE_LIMITS))
            decoder.feed(piece.data)
            while (frame := decoder.next()) is not None:
                yield frame

    def _pieces(self, sender: str, receiver: str) -> Iterator[Piece]:
        way = (sender, receiver)
        return (piece for piece in list(self.sent) if (piece.sender, piece.receiver) == way)
