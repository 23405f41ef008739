"""IP addresses: RFC 5952 text, with IPv4-mapped IPv6 addresses read as IPv4.

Rules: one address, no port, prefix or zone; leading zeros are refused because programs disagree
about octal; addresses that many networks use at once (private, loopback, link-local, shared CGNAT,
multicast) are refused, since a match would mean nothing. Documentation ranges pass: they harm
nobody and demonstrations need them.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from bulwark.indicators.normalise.outcome import refuse
from bulwark.indicators.normalise.text import clean, refang_dots
from bulwark.indicators.vocabulary import Kind

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4: Final = re.compile(rf"({_OCTET})\.({_OCTET})\.{_OCTET}\.{_OCTET}")
_V4_EDGE: Final = frozenset({"0", "10", "100", "127", "169", "172", "192"})
"""First octets in which some networks are local; addresses there take the exact check."""

_V4_LOCAL: Final = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)
_V6_LOCAL: Final = tuple(
    IPv6Network(net) for net in ("::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")
)


def normalise_ip(given: str, _region: str | None) -> str:
    """``::FFFF:1[.]2.3.4`` -> ``1.2.3.4``; rules ip.*."""
    match = _V4.fullmatch(given)
    if match is not None and match[1] not in _V4_EDGE and int(match[1]) < 224:
        return given
    return by_parser(clean(Kind.IP, given))


def by_parser(text: str) -> str:
    text = refang_dots(text).replace("[:]", ":")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        if ":" not in text:
            return _v4(IPv4Address(text))
        if "%" in text:
            refuse(Kind.IP, "ip.syntax")
        address = IPv6Address(text)
    except AddressValueError:
        refuse(Kind.IP, "ip.syntax")
    if address.ipv4_mapped is not None:
        return _v4(address.ipv4_mapped)
    if any(address in network for network in _V6_LOCAL):
        refuse(Kind.IP, "ip.not-global")
    return str(address)


def _v4(address: IPv4Address) -> str:
    if any(address in network for network in _V4_LOCAL):
        refuse(Kind.IP, "ip.not-global")
    return str(address)
