"""Sidecars come from whoever serves the right one; wrong and silent answers are passed over."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import DecodeError
from bulwark.ledger.ids import Digest, MemberId
from bulwark.ledger.sidecar import Sidecar
from node.requests import PeerUnavailable, Topic, decode_found, encode_found, encode_root
from node.sidecars import Sidecars
from tests.unit.node.execution.alliance import make_sidecar

WANTED, OTHER = make_sidecar(2, "wanted"), make_sidecar(2, "other")


class Place:
    def __init__(self, *kept: Sidecar) -> None:
        self.kept = {kept.root: kept for kept in kept}

    def sidecar(self, root: Digest) -> Sidecar | None:
        return self.kept.get(root)


class Peers:
    def __init__(self, *answers: bytes | None) -> None:
        self.answers = {MemberId(f"m{i}"): answer for i, answer in enumerate(answers)}

    def connected(self) -> list[MemberId]:
        return sorted(self.answers)

    async def ask(self, member: MemberId, topic: Topic, body: bytes, timeout_ms: int) -> bytes:
        answer = self.answers[member]
        if answer is None:
            raise PeerUnavailable(member, "silent")
        return answer


def sidecars(peers: Peers, *kept: Sidecar) -> Sidecars:
    return Sidecars(Place(), Place(*kept), peers)  # type: ignore[arg-type]


async def test_a_peer_is_asked_only_for_what_is_not_here() -> None:
    assert await sidecars(Peers(), WANTED).fetch(WANTED.root) == WANTED


async def test_wrong_silent_and_odd_answers_are_passed_over() -> None:
    answers = (None, b"?", encode_found(None), encode_found(OTHER.encode()))
    peers = Peers(*answers, encode_found(WANTED.encode()))
    assert await sidecars(peers).fetch(WANTED.root) == WANTED
    with pytest.raises(LookupError):
        await sidecars(Peers(*answers)).fetch(WANTED.root)


async def test_what_is_here_is_served_and_a_malformed_question_refused() -> None:
    server = sidecars(Peers(), WANTED)
    answer = await server.serve(MemberId("m"), encode_root(WANTED.root))
    assert decode_found(answer) == WANTED.encode()
    assert decode_found(await server.serve(MemberId("m"), encode_root(OTHER.root))) is None
    with pytest.raises(DecodeError):
        await server.serve(MemberId("m"), b"short")
