"""A member that breaks the rules of the guarded path: the real node, asked from within.

The node runs in a thread of the test's process with its own keystore and database, so it is a full
member of the mesh; what it says to evaluators, however, the test makes up. Its own process must
not run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.privacy.group import Element, multiply_base, random_scalar
from bulwark.privacy.memberkeys import RingSecret, decode_ring_secret
from bulwark.privacy.query import (
    NONCE_BYTES,
    EvaluationAnswer,
    EvaluationRequest,
    GuardedRequest,
    Refused,
    Scope,
)
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import MemberRing, Statement
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.sealing import SealingKey
from node.app import Node
from node.assembly import open_home
from node.guarded.envelope import Envelopes, pad_question
from node.guarded.ports import LiveKey
from node.guarded.rings import RingView
from node.requests import PeerUnavailable, Topic
from node.storage.level import LevelStore
from tests.nets.checks import until

T = TypeVar("T")
READY_S = 60.0
ASK_MS = 20_000


class Rogue:
    """A running node whose questions are made by hand."""

    def __init__(self, home: Path) -> None:
        self._home = open_home(home)
        self._store = LevelStore(home / self._home.config.storage.path)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._running: asyncio.Future[int] | None = None
        self.domain = self._home.genesis.domain()
        self.ring_secret = decode_ring_secret(self._home.secrets.ring_key)
        self._envelopes = Envelopes(self.domain)
        self._reply_key = SealingKey.new(os.urandom)

    def __enter__(self) -> Rogue:
        self._thread.start()
        self._node = self.run(self._made())
        self._running = asyncio.run_coroutine_threadsafe(self._node.run(), self._loop)  # type: ignore[assignment]
        others = len(self._home.genesis.members) - 1
        until(lambda: self._node._rings.is_ready, "the rogue has a ring", READY_S)
        connected = self._node._mesh.connected
        until(lambda: len(connected()) == others, "the rogue is connected", READY_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._node.stop)
        running = self._running
        assert running is not None
        with contextlib.suppress(asyncio.CancelledError):
            running.result(30)  # type: ignore[call-arg]
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()
        self._store.close()

    async def _made(self) -> Node:
        return Node(self._home, self._store)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the node's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(READY_S)

    @property
    def view(self) -> RingView:
        """The ring that the members' questions are about now."""
        view = self._node._rings.now
        assert view is not None
        return view

    @property
    def key(self) -> LiveKey:
        """The tag key in force, with the rogue's own share."""
        key = self._node._keys.tag_key()
        assert key is not None
        return key

    @property
    def node(self) -> Node:
        """The node itself, for what it does honestly."""
        return self._node

    @property
    def now_ms(self) -> int:
        """The rogue's clock."""
        return self._node._clock.wall_ms()

    def request(self, slot: int, /, **changes: Any) -> EvaluationRequest:
        """A request that every evaluator accepts if the slot is free, but for the changes."""
        view, key = self.view, self.key
        assert view.opener is not None
        given = EvaluationRequest(
            key_id=key.key_id,
            share_epoch=key.share_epoch,
            scope=Scope.SMALL,
            epoch=view.epoch,
            slot=slot,
            ring_height=self._node._rings.height_to_name(self._node._chain.applied),
            opener_epoch=view.opener.epoch,
            nonce=os.urandom(NONCE_BYTES),
            expires_ms=self.now_ms + 45_000,
            reply_key=self._reply_key.public,
            blinded=elements(1),
        )
        return replace(given, **changes)

    def statement(
        self,
        request: EvaluationRequest,
        *,
        ring: MemberRing | None = None,
        opener: Element | None = None,
        message: bytes | None = None,
    ) -> Statement:
        """What a proof of the request shows; what is given takes the place of what is true."""
        view, used = self.view, ring or self.view.ring
        assert used is not None and view.opener is not None
        return RingStatement(
            chain_id=self.domain.chain_id,
            genesis_hash=self.domain.genesis_hash,
            ring_height=request.ring_height,
            ring=used,
            opener=opener or view.opener.key,
            opener_epoch=request.opener_epoch,
            epoch=request.epoch,
            scope=request.scope,
            slot=request.slot,
            message=message or request.digest(),
        )

    def prove(
        self,
        request: EvaluationRequest,
        *,
        ring: MemberRing | None = None,
        secret: RingSecret | None = None,
        opener: Element | None = None,
        message: bytes | None = None,
    ) -> GuardedRequest:
        """The request with a ring proof of this or another secret."""
        who = secret or self.ring_secret
        statement = self.statement(request, ring=ring, opener=opener, message=message)
        position = statement.ring.position(who.public)
        assert position is not None, "nobody can prove without a place in the ring"
        proof = prove(statement, who.secret, position, os.urandom)
        return GuardedRequest(request, proof.encode())

    def padded(self, question: GuardedRequest) -> bytes:
        """A question at the length of its scope."""
        ring = self.view.ring
        assert ring is not None
        return pad_question(question, len(ring))

    def sealed(self, padded: bytes, evaluator: str) -> bytes:
        """A padded question for an evaluator."""
        key = self.view.sealing_keys[MemberId(evaluator)]
        return self._envelopes.seal_question(padded, MemberId(evaluator), key)

    def send(self, sealed: bytes, evaluator: str) -> bytes | None:
        """What an evaluator answers to a sealed question sent directly; None if it does not."""
        mesh = self._node._mesh
        try:
            return self.run(mesh.ask(MemberId(evaluator), Topic.GUARDED, sealed, ASK_MS))
        except PeerUnavailable:
            return None

    def unsealed(
        self, answer: bytes | None, question: GuardedRequest
    ) -> EvaluationAnswer | Refused:
        """What a sealed answer says."""
        assert answer is not None, "no answer at all"
        return self._envelopes.unseal_answer(answer, question.request, self._reply_key)

    def ask(self, question: GuardedRequest, evaluator: str) -> EvaluationAnswer | Refused:
        """What an evaluator answers to a question sent directly to it."""
        sealed = self.sealed(self.padded(question), evaluator)
        return self.unsealed(self.send(sealed, evaluator), question)

    def answers(
        self, question: GuardedRequest, evaluators: Sequence[str]
    ) -> Mapping[str, EvaluationAnswer | Refused]:
        """What each of them answers."""
        return {name: self.ask(question, name) for name in evaluators}


def elements(count: int) -> tuple[bytes, ...]:
    """Group elements that blind nothing."""
    return tuple(multiply_base(random_scalar(os.urandom)).encoding for _ in range(count))
