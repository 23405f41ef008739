"""Finding free ports and seeing taken ones before anything starts.

Rules: ports are looked for below the range that the kernel hands to outgoing connections, as one of
those could take a chosen port before the node does. A check can not reserve: the node's own bind
has the last word.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import Final

from node.devnet.errors import DevnetError, PortTaken
from node.devnet.layout import HOST

_LOWEST: Final = 18_000
_HIGHEST: Final = 32_000
_STEP: Final = 100
_STRIDE: Final = 37
"""Has no factor in common with the number of steps, so that neighbouring pids start apart."""
PortOwner = tuple[str, int, int]
"""A node's name, its port for peers, its port for HTTP."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        return True


def contiguous(base: int, count: int) -> list[int]:
    """`count` ports from `base`; raises DevnetError when they do not fit below 65536."""
    if not 1 <= base <= 65_536 - count:
        raise DevnetError(f"--base-port {base}: {count} ports from it have to lie in 1..65535")
    return list(range(base, base + count))


def free_ports(count: int) -> list[int]:
    """`count` contiguous free ports; processes that ask at once start at different places."""
    steps = (_HIGHEST - _LOWEST) // _STEP
    first = os.getpid() * _STRIDE % steps
    for step in range(steps):
        ports = contiguous(_LOWEST + (first + step) % steps * _STEP, count)
        if all(is_free(port) for port in ports):
            return ports
    raise DevnetError(f"no {count} free ports in a row in {_LOWEST}..{_HIGHEST}")


def check_free(owners: Iterable[PortOwner]) -> None:
    """Raise PortTaken for the first port of these nodes that is in use."""
    for name, p2p_port, http_port in owners:
        for port, what in ((p2p_port, "peers"), (http_port, "http")):
            if not is_free(port):
                raise PortTaken(HOST, port, f"{what} of {name}")
