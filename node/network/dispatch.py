"""Who gets what arrives: handlers by frame kind, responders by topic, listeners of events.

Rules: one handler a kind and one responder a topic; a defect in any of them is logged and counted
and touches neither the connection nor the other listeners. A handler may raise PeerRefused to have
the sender's connection closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bulwark.ledger.ids import MemberId
from node.network.counters import Counters, log
from node.network.errors import PeerRefused
from node.network.kinds import APPLICATION_KINDS, Kind
from node.network.requests import Responder

FrameHandler = Callable[[MemberId, bytes], None]
"""Takes a payload of its kind from a member; runs on the loop and must not block."""
MemberCallback = Callable[[MemberId], None]

MAX_TOPIC: Final = 255


class Dispatch:
    """The registered handlers of one network."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._handlers: dict[Kind, FrameHandler] = {}
        self.responders: dict[int, Responder] = {}
        self.up: list[MemberCallback] = []
        self.down: list[MemberCallback] = []
        self.duplicate: list[MemberCallback] = []

    def on_frame(self, kind: Kind, handler: FrameHandler) -> None:
        """Register; raises ValueError for a kind of the mesh itself or a second handler."""
        if kind not in APPLICATION_KINDS or kind in self._handlers:
            raise ValueError(f"{kind.name} has a handler already or is the mesh's own")
        self._handlers[kind] = handler

    def on_request(self, topic: int, responder: Responder) -> None:
        """Register; raises ValueError outside 0..255 or for a second responder."""
        if not 0 <= topic <= MAX_TOPIC or topic in self.responders:
            raise ValueError(f"request topic {topic} is outside 0..{MAX_TOPIC} or taken")
        self.responders[topic] = responder

    def frame(self, member: MemberId, kind: Kind, payload: bytes) -> None:
        """Hand a frame to its handler, if there is one."""
        handler = self._handlers.get(kind)
        if handler is None:
            return
        try:
            handler(member, payload)
        except PeerRefused:
            raise
        except Exception as error:  # a handler's defect must not take the connection down
            self._failed("frame handler failed", member, error)

    def tell(self, callbacks: list[MemberCallback], member: MemberId) -> None:
        """Call every listener of an event."""
        for callback in callbacks:
            try:
                callback(member)
            except Exception as error:  # one listener's defect must not hide it from the others
                self._failed("callback failed", member, error)

    def _failed(self, what: str, member: MemberId, error: Exception) -> None:
        self._counters.handler_errors += 1
        fields = {"member": member, "error": type(error).__name__}
        log.error(what, exc_info=error, extra=fields)
