"""A WebSocket lives no longer than the key that opened it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from node.identity.keyfile import KeyFile
from node.service import Role
from tests.unit.api.live import serving
from tests.unit.api.test_identity import Place

CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})


def test_an_idle_socket_ends_when_its_key_is_revoked(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with serving(place) as url:
        headers = {"authorization": f"Bearer {place.clear[Role.OPERATOR]}"}
        address = url.replace("http://", "ws://") + "/rpc"
        with connect(address, additional_headers=headers, open_timeout=20) as socket:
            socket.send(CALL)
            assert "result" in json.loads(socket.recv(timeout=20))
            KeyFile(tmp_path / "api_keys.json").revoke("operator", 1)
            place.desk.look()
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=20)
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, additional_headers=headers, open_timeout=20)
