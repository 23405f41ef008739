"""JSON-RPC over a WebSocket: calls, batches, and what subscriptions tell between the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import api.rpc
from node.service import Role
from tests.fuzz.asgi import websocket
from tests.fuzz.structure import change_json
from tests.fuzz.target import Finding
from tests.fuzz.targets.rpc import Rpc, calls, judge, lives, methods


class Socket(Rpc):
    """The same over a WebSocket: one message a line; a line that begins with a zero is binary."""

    name: ClassVar = "socket"
    about: ClassVar = "JSON-RPC over WebSocket, with subscriptions"

    def __init__(self) -> None:
        super().__init__()
        # A turn between any two steps, so that messages come in every place.
        setattr(api.rpc, "POLL_S", 0.0)  # noqa: B010 - a constant elsewhere

    def seeds(self) -> list[bytes]:
        every = [json.dumps(one).encode() for one in calls()]
        heads = [b"\n".join(every[at : at + 4]) for at in range(0, len(every), 4)]
        forms = methods()
        subscribed = [
            {"jsonrpc": "2.0", "id": name, "method": name, "params": params}
            for name in ("eth_subscribe", "eth_sendRawTransaction", "eth_unsubscribe")
            for params in forms[name]
        ]
        followed = [b"\n".join(json.dumps(one).encode() for one in subscribed)]
        followed.append(json.dumps([*subscribed, *lives(1)[1]]).encode())
        followed += [b"\n".join(json.dumps(one).encode() for one in life) for life in lives(1)]
        return [*heads, *followed, b"\0" + every[0], b"\0\xff\n{"]

    def reshape(self, data: bytes, rng: Random) -> bytes | None:
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        changed = change_json(lines[at], rng, self._names)
        if changed is None:
            return None
        lines[at] = changed.replace(b"\n", b" ")
        return b"\n".join(lines)

    def run(self, data: bytes) -> str:
        backend = self._backend
        backend.fresh()
        said: list[str | bytes] = []
        for line in data.split(b"\n")[:40]:
            said.append(line[1:] if line[:1] == b"\0" else line.decode("utf-8", "replace"))
        headers = backend.headers(Role.OPERATOR)
        heard = backend.loop.run_until_complete(websocket(backend.app, "/rpc", headers, said))
        if backend.gathered.lines:
            raise Finding(f"failed: {backend.gathered.lines[0]}")
        if heard[0]["type"] != "websocket.accept" or heard[-1]["type"] != "websocket.close":
            raise Finding(f"began {heard[0]['type']}, ended {heard[-1]['type']}")
        words: set[str] = set()
        subscribing = {json.dumps(one["id"]) for one in subscriptions(data)}
        early: set[str] = set()
        answered: set[str] = set()
        for text in (m["text"] for m in heard if m["type"] == "websocket.send"):
            document = json.loads(text)
            if isinstance(document, dict) and "method" in document:
                early.add(judge_told(document))
                words.add("told")
                continue
            words.add(judge(text.encode(), []))
            answers = document if isinstance(document, list) else [document]
            # One made by a call without an id is never answered, and that is not late.
            made = {str(a.get("result")) for a in answers if json.dumps(a["id"]) in subscribing}
            if (early & made) - answered:
                raise Finding(f"told before its id was answered: {early & made}")
            answered |= made
        return " ".join(sorted(words)[:2])


def subscriptions(data: bytes) -> Iterator[dict[str, Any]]:
    """Calls of eth_subscribe that want an answer."""
    for line in data.split(b"\n"):
        try:
            document = json.loads(line.removeprefix(b"\0"))
        except (ValueError, RecursionError):
            continue
        for one in document if isinstance(document, list) else [document]:
            if isinstance(one, dict) and one.get("method") == "eth_subscribe" and "id" in one:
                yield one


def judge_told(document: dict[str, Any]) -> str:
    """Check a subscription's message; the id of the subscription."""
    told = document.get("params")
    if document.get("method") != "eth_subscription" or not isinstance(told, dict):
        raise Finding(f"no subscription's message: {str(document)[:200]}")
    if told.keys() != {"subscription", "result"}:
        raise Finding(f"no subscription's message: {str(document)[:200]}")
    return str(told["subscription"])
