"""Which authority's certificates get through TLS while an alliance changes from one to another."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import pytest

from bulwark.ledger.ids import MemberId
from node.network.identity import LocalIdentity
from node.network.tls import client_context, server_context
from node.pki import CertificateAuthority, certificate_pem, create_ca, issue
from tests.unit.node.network.harness import HOST, IDS, authority, local_of, now_ms, secrets_of

A, B = IDS[:2]
NEW = create_ca("Test Alliance", now_ms=now_ms())
"""Of the same name as the old one, as after a change of the key alone."""


def member(
    name: MemberId, by: CertificateAuthority, *trusted: CertificateAuthority
) -> LocalIdentity:
    """A member with a certificate of one authority that trusts these."""
    key = secrets_of(name).tls_public_key()
    return replace(
        local_of(name),
        certificate_pem=certificate_pem(issue(by, name, key, now_ms=now_ms())),
        ca_pem=b"".join(certificate_pem(each.certificate) for each in trusted),
    )


async def meets(dialling: LocalIdentity, listening: LocalIdentity) -> bool:
    """Whether a byte comes through from one member to the other and back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0, ssl=server_context(listening))
    async with server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        try:
            reader, writer = await asyncio.open_connection(
                HOST, port, ssl=client_context(dialling), server_hostname=listening.id
            )
            writer.write(b"x")
            answer = await reader.read(1)
            writer.transport.abort()
        except (ssl.SSLError, ConnectionError):
            return False
        return answer == b"x"


OLD_ONLY = (authority(),)
BOTH = (authority(), NEW)
NEW_ONLY = (NEW,)


@pytest.mark.parametrize(
    ("one", "other", "is_met"),
    [
        (member(A, authority(), *OLD_ONLY), member(B, authority(), *BOTH), True),
        (member(A, authority(), *BOTH), member(B, NEW, *BOTH), True),
        (member(A, NEW, *BOTH), member(B, NEW, *NEW_ONLY), True),
        (member(A, authority(), *OLD_ONLY), member(B, NEW, *BOTH), False),
        (member(A, authority(), *BOTH), member(B, NEW, *NEW_ONLY), False),
    ],
    ids=["one-trusts-both", "one-has-moved", "one-has-forgotten", "too-early", "too-late"],
)
async def test_members_meet_at_each_step_of_a_change_and_not_when_one_is_skipped(
    one: LocalIdentity, other: LocalIdentity, is_met: bool
) -> None:
    assert await meets(one, other) is is_met
    assert await meets(other, one) is is_met
