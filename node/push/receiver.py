"""Receivers: where events may be posted to, checked when it is set and again at every try.

Rules: https to public addresses; loopback and private ones, http too, only where the operator
allows it; link-local, multicast, unspecified and reserved addresses never (a cloud's metadata is
there), nor addresses that wrap an IPv4 one; ports are bounded. A name is looked up at every try,
all its addresses must be allowed, and the connection goes to the very address that was checked, so
that a name that changes between check and use reaches nothing else. Redirects are not followed. A
receiver that is set in the node's own file is the operator's word and is not restricted.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from node.service import ServiceError

MAX_URL: Final = 2_000
_WRAPPING: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
"""Ranges of addresses that stand for another one."""
_LOCAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                 "fc00::/7")
)  # fmt: skip
_PORTS: Final = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?\Z")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadReceiver(ServiceError):
    """A URL that events are not posted to; the detail says what is allowed."""

    status = 422
    code = "invalid"


class Policy(Struct, frozen=True):
    """What an operator allows."""

    ports: tuple[range, ...]
    allow_private: bool = False
    is_trusted: bool = False
    """The URL is the operator's own word: only its form is checked."""


class Target(Struct, frozen=True):
    """Where one try connects to."""

    address: str
    host: str
    """For the Host header and the certificate's name."""
    port: int
    scheme: str
    path: str

    @property
    def url(self) -> str:
        """URL with the address in place of the name."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{shown}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """Name, and the port where it is not the scheme's own."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return shown if self.port == usual else f"{shown}:{self.port}"


def ports_of(texts: Sequence[str]) -> tuple[range, ...]:
    """Ranges from `443` and `1024-65535`. Raises ValueError."""
    found = []
    for text in texts:
        low, _, high = text.partition("-")
        is_range = _PORTS.match(text) is not None
        first, last = (int(low), int(high or low)) if is_range else (0, 0)
        if not 1 <= first <= last <= 65_535:
            raise ValueError(f"{text}: a port from 1 to 65535, or a range of them")
        found.append(range(first, last + 1))
    return tuple(found)


def checked_url(url: str, policy: Policy) -> SplitResult:
    """The parts of a URL whose form is allowed; no name is looked up. Raises BadReceiver."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL:
        raise BadReceiver(f"url: up to {MAX_URL} printable ASCII characters without a space")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadReceiver("url: not a URL") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise BadReceiver("url: https://NAME[:PORT]/PATH")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadReceiver("url: without user, password and fragment")
    if policy.is_trusted:
        return parts
    if parts.scheme == "http" and not policy.allow_private:
        raise BadReceiver("url: https; http only to private addresses where the operator allows it")
    if not any(_port(parts, port) in allowed for allowed in policy.ports):
        shown = ", ".join(f"{r.start}-{r.stop - 1}" for r in policy.ports)
        raise BadReceiver(f"url: port {_port(parts, port)}; allowed here: {shown}")
    literal = _literal(parts.hostname)
    if literal is not None:
        _check_address(literal, parts.scheme, policy)
    return parts


def _port(parts: SplitResult, port: int | None) -> int:
    return port if port is not None else 443 if parts.scheme == "https" else 80


async def resolve(url: str, policy: Policy) -> Target:
    """Where to connect now. Raises BadReceiver, OSError."""
    parts = checked_url(url, policy)
    host, port = str(parts.hostname), _port(parts, parts.port)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise OSError("the name has no address")
    if not policy.is_trusted:
        for address in addresses:
            _check_address(ipaddress.ip_address(address), parts.scheme, policy)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(addresses[0], host, port, parts.scheme, path)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_address(address: Address, scheme: str, policy: Policy) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    # One fixed text: who may set a URL must not learn which addresses a name has in here.
    is_local = any(address in network for network in _LOCAL if network.version == address.version)
    if is_local:
        if not policy.allow_private:
            raise BadReceiver("url: leads to an address that receivers may not have")
        return
    wraps = any(address in network for network in _WRAPPING if network.version == address.version)
    if wraps or not address.is_global or address.is_multicast:
        raise BadReceiver("url: leads to an address that receivers may not have")
    if scheme != "https":
        raise BadReceiver("url: https; http only to private addresses where the operator allows it")
