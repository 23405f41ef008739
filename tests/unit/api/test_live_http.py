"""HTTP and WebSocket over a real socket: large uploads, slow news, strangers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.settings import ApiSettings
from node.service import Role
from tests.unit.api.fake_chain import CONTRACT, TOPIC, signed
from tests.unit.api.live import serving
from tests.unit.api.world import PHONE, World, ndjson, problem_of

ROW = {"kind": "domain", "value": "evil.example", "fraud_type": "phishing"}


@pytest.fixture(scope="module")
def live() -> Iterator[tuple[World, str]]:
    world = World(ApiSettings(max_sockets=2))
    with serving(world) as url:
        yield world, url


def socket_of(live: tuple[World, str], role: Role | None = Role.AUDITOR) -> ClientConnection:
    world, url = live
    address = url.replace("http", "ws") + "/rpc"
    return connect(address, additional_headers=world.headers(role), open_timeout=10)


def patient_socket(live: tuple[World, str]) -> ClientConnection:
    """A socket, once the server noticed that earlier ones are closed."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket_of(live)
        except InvalidStatus:
            if time.monotonic() > deadline:
                raise


def call(socket: ClientConnection, method: str, *params: object) -> dict[str, object]:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    socket.send(json.dumps(request))
    return json.loads(socket.recv(timeout=10))


def test_100_001_rows_are_refused_whole_and_the_connection_lives(
    live: tuple[World, str],
) -> None:
    world, url = live
    headers = {**world.headers(Role.REPORTER), "content-type": "application/x-ndjson"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        answer = client.post("/v1/indicators/batches", content=ndjson([ROW]) * 100_001)
        problem_of(answer, 413, "too-large")
        assert world.node.seen == []
        assert client.get("/healthz").status_code == 200
        answer = client.post("/v1/indicators/batches", content=ndjson([ROW]) * 1000)
        assert (answer.json()["taken"], answer.json()["duplicates"]) == (1, 999)


def test_an_announced_body_over_the_bound_is_refused_before_it_is_read(
    live: tuple[World, str],
) -> None:
    world, url = live
    headers = {**world.headers(Role.REPORTER), "content-type": "application/json"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        body = json.dumps(PHONE | {"case_ref": "x" * 3_000_000})
        problem_of(client.post("/v1/indicators", content=body), 413, "too-large")
        assert client.post("/v1/indicators", json=PHONE).status_code == 201


def test_a_socket_takes_the_same_calls_and_tells_of_new_heads_and_logs(
    live: tuple[World, str],
) -> None:
    world, _ = live
    with patient_socket(live) as socket:
        assert call(socket, "eth_chainId")["result"] == "0x66a44"
        assert call(socket, "eth_nothing")["error"]["code"] == -32601
        heads = call(socket, "eth_subscribe", "newHeads")["result"]
        logs = call(socket, "eth_subscribe", "logs", {"topics": ["0x" + TOPIC.hex()]})["result"]
        body = world.chain.add([signed(5, to=bytes(CONTRACT))])
        news = [json.loads(socket.recv(timeout=10)) for _ in range(2)]
        assert [item["params"]["subscription"] for item in news] == [heads, logs]
        assert news[0]["params"]["result"]["hash"] == "0x" + body.hash.hex()
        assert news[1]["params"]["result"]["topics"][0] == "0x" + TOPIC.hex()
        assert call(socket, "eth_unsubscribe", heads)["result"] is True
        assert call(socket, "eth_unsubscribe", heads)["result"] is False
        assert call(socket, "eth_subscribe", "gossip")["error"]["code"] == -32602


def test_a_socket_without_a_key_is_not_opened(live: tuple[World, str]) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        socket_of(live, None)


def test_sockets_and_subscriptions_are_bounded(live: tuple[World, str]) -> None:
    with patient_socket(live) as first, patient_socket(live):
        with pytest.raises(InvalidStatus, match="403"):
            socket_of(live)
        answers = [call(first, "eth_subscribe", "newHeads") for _ in range(17)]
        assert answers[16]["error"]["code"] == -32005
    with patient_socket(live) as again:
        assert call(again, "eth_blockNumber")["result"]


def test_a_message_over_the_bound_closes_the_socket(live: tuple[World, str]) -> None:
    with patient_socket(live) as socket:
        socket.send("{")
        assert json.loads(socket.recv(timeout=10))["error"]["code"] == -32700
        socket.send(" " * 2_100_000)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=10)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
