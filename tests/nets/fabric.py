"""Where nodes live and how they reach each other: on loopback, or each in a network namespace.

Rules: a fabric hands out addresses, wraps the command of a node and obeys rules for links; what it
made goes with `close`, and names carry the run's id, the pid of its owner, so that `clean` finds
what a killed run left. Namespaces need root, `ip` and /dev/net/tun.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from node.devnet.layout import HOST
from node.devnet.ports import free_ports
from tests.nets.rules import Rules, Wire

Address = tuple[str, int]
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
_P2P_PORT: Final = 7000
_HTTP_PORT: Final = 8000
_PREFIX: Final = "bwn"


class Fabric(Protocol):
    """One backend; nodes are named by position from 0."""

    def listen(self, at: int) -> Address:
        """Where a node accepts peers."""
        ...

    def http(self, at: int) -> Address:
        """Where a node serves REST, for itself and for the checks."""
        ...

    def dial(self, source: int, target: int) -> Address:
        """Where one node finds another."""
        ...

    def wrap(self, at: int, command: Sequence[str]) -> tuple[str, ...]:
        """The command that runs a node in its place."""
        ...

    def apply(self, rules: Rules) -> None:
        """Set rules for ordered pairs; returns when they hold."""
        ...

    def close(self) -> None:
        """Take everything away again."""
        ...


class Loopback:
    """Plain processes on 127.0.0.1, with relays between them if links are emulated."""

    def __init__(self, count: int, *, wire: bool) -> None:
        pairs = [(a, b) for a in range(count) for b in range(count) if a != b] if wire else []
        ports = free_ports(2 * count + len(pairs))
        self._p2p, self._http = ports[:count], ports[count : 2 * count]
        self._relays = dict(zip(pairs, ports[2 * count :], strict=True))
        words = [f"{a}:{b}:{port}:{self._p2p[b]}" for (a, b), port in self._relays.items()]
        self._wire = Wire("tests.nets.tcp_wire", words) if wire else None

    def listen(self, at: int) -> Address:
        return HOST, self._p2p[at]

    def http(self, at: int) -> Address:
        return HOST, self._http[at]

    def dial(self, source: int, target: int) -> Address:
        return HOST, self._relays.get((source, target), self._p2p[target])

    def wrap(self, at: int, command: Sequence[str]) -> tuple[str, ...]:
        return tuple(command)

    def apply(self, rules: Rules) -> None:
        if self._wire is None:
            raise RuntimeError("this net was made without emulated links")
        self._wire.tell(rules)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()


class Namespaces:
    """Each node in a namespace with one device and its own address; the host has one, too."""

    def __init__(self, count: int, run_id: int | None = None) -> None:
        run = os.getpid() if run_id is None else run_id
        taken = namespaces()
        letter = next(c for c in "abcdefghijklmnopqrstuvwxyz" if f"{_PREFIX}{run}{c}0" not in taken)
        self._stem = f"{_PREFIX}{run}{letter}"
        net = (run * 26 + ord(letter)) % (1 << 14)
        self._net = f"10.{64 + (net >> 8)}.{net & 0xFF}"
        self._made: list[str] = []
        self._files: list[int] = []
        self._wire: Wire | None = None
        try:
            self._build(count)
        except BaseException:
            self.close()
            raise

    def _build(self, count: int) -> None:
        words = []
        for position in range(count + 1):
            device = f"{self._stem}h" if position == 0 else f"{self._stem}{position - 1}"
            descriptor = _open_tun(device)
            self._files.append(descriptor)
            place: tuple[str, ...] = ()
            if position:
                _ip("netns", "add", device)
                self._made.append(device)
                _ip("link", "set", device, "netns", device)
                place = ("-n", device)
                _ip(*place, "link", "set", "lo", "up")
            address = self._address(position - 1)
            _ip(*place, "addr", "add", f"{address}/24", "dev", device)
            _ip(*place, "link", "set", device, "up", "txqueuelen", "2000")
            words.append(f"{address}:{descriptor}")
        self._wire = Wire("tests.nets.ip_wire", words, self._files)

    def _address(self, at: int) -> str:
        return f"{self._net}.{at + 2}"

    def listen(self, at: int) -> Address:
        return self._address(at), _P2P_PORT

    def http(self, at: int) -> Address:
        return self._address(at), _HTTP_PORT

    def dial(self, source: int, target: int) -> Address:
        return self.listen(target)

    def wrap(self, at: int, command: Sequence[str]) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self._made[at], *command)

    def apply(self, rules: Rules) -> None:
        if self._wire is not None:
            self._wire.tell({(a + 1, b + 1): rule for (a, b), rule in rules.items()})

    def close(self) -> None:
        """The devices go with their descriptors, the namespaces by name."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        while self._files:
            os.close(self._files.pop())
        while self._made:
            _ip("netns", "del", self._made.pop(), check=False)


def why_no_namespaces() -> str:
    """Why there can be no namespaces here, empty if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "no `ip` command (Debian package iproute2)"
    return "" if Path("/dev/net/tun").exists() else "no /dev/net/tun in this kernel"


def namespaces() -> set[str]:
    """Names of all network namespaces."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, timeout=20)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}


def clean() -> list[str]:
    """Remove the namespaces of runs whose owner is gone; their names."""
    removed = []
    for name in sorted(namespaces()):
        owner = re.fullmatch(rf"{_PREFIX}(\d+)[a-z]\d+", name)
        if owner is not None and not Path(f"/proc/{owner[1]}").exists():
            _ip("netns", "del", name, check=False)
            removed.append(name)
    return removed


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    request = struct.pack("16sH22x", name.encode(), _IFF_TUN_NO_PI)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _ip(*words: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
