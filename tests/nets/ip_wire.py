"""A wire of IP packets between network namespaces: each node's device ends here as a descriptor.

Rules: delay, loss and cuts act on single packets, in each direction of each pair for itself, so the
kernels' TCP sees what it would see on a real line; packets of one direction keep their order. It
does what a bridge with `tc netem` would, on kernels without that module too. Position 0 is the
host, which asks the nodes' REST and is never hindered.
Run as `python -m tests.nets.ip_wire address:descriptor ...`.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys

from tests.nets.rules import FREE, Rules, follow_rules

_MTU = 1 << 16
_BURST = 64


class Switch:
    """All devices and what is between them."""

    def __init__(self, ports: dict[bytes, tuple[int, int]], rules: Rules) -> None:
        """`ports`: IPv4 address -> (position, descriptor)."""
        self._ports = ports
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self.passed = self.dropped = 0

    def read(self, descriptor: int) -> None:
        """Take what a node sent, a burst at a time."""
        for _ in range(_BURST):
            try:
                packet = os.read(descriptor, _MTU)
            except BlockingIOError:
                return
            if packet[0] >> 4 == 4:
                self._route(packet)

    def _route(self, packet: bytes) -> None:
        source, target = self._ports.get(packet[12:16]), self._ports.get(packet[16:20])
        if source is None or target is None:
            return
        rule = self._rules.get((source[0], target[0]), FREE)
        if rule.cut or (rule.loss and random.random() < rule.loss):
            self.dropped += 1
            return
        self.passed += 1
        if rule.latency_s:
            self._loop.call_later(rule.latency_s, self._write, target[1], packet)
        else:
            self._write(target[1], packet)

    def _write(self, descriptor: int, packet: bytes) -> None:
        try:
            os.write(descriptor, packet)
        except OSError:
            self.dropped += 1  # a full queue, or a device that is being taken away


async def run(words: list[str]) -> None:
    """Switch packets until the owner is gone."""
    ports = {}
    for position, word in enumerate(words):
        address, descriptor = word.split(":")
        ports[socket.inet_aton(address)] = (position, int(descriptor))
    rules: Rules = {}
    switch = Switch(ports, rules)
    loop = asyncio.get_running_loop()
    for _, number in ports.values():
        os.set_blocking(number, False)
        loop.add_reader(number, switch.read, number)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await follow_rules(rules)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1:]))
