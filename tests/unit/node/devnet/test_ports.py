"""Ports that are handed out are free, in a row, and inside the range of ports."""

from __future__ import annotations

import socket

import pytest

from node.devnet.errors import DevnetError
from node.devnet.ports import contiguous, free_ports, is_free


def test_free_ports_are_in_a_row_and_free() -> None:
    ports = free_ports(10)
    assert ports == list(range(ports[0], ports[0] + 10))
    assert all(is_free(port) for port in ports)


def test_a_block_with_a_taken_port_is_passed_over() -> None:
    first = free_ports(4)
    with socket.create_server(("127.0.0.1", first[2])):
        assert not is_free(first[2])
        assert not set(free_ports(4)) & set(first)


@pytest.mark.parametrize("base", [0, -1, 65_527])
def test_a_base_whose_ports_do_not_exist_is_refused(base: int) -> None:
    with pytest.raises(DevnetError, match=r"lie in 1\.\.65535"):
        contiguous(base, 10)


def test_the_last_ports_can_be_used() -> None:
    assert contiguous(65_526, 10)[-1] == 65_535
