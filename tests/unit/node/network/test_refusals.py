"""Whoever breaks a rule is refused by its name, and the rest of the mesh keeps working."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import ssl
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from bulwark.ledger.ids import MemberId
from bulwark.ledger.signing import SigningKey
from node.keys import NodeSecrets
from node.network.errors import PeerRefused, Reason
from node.network.identity import LocalIdentity
from node.network.kinds import SIZE_LIMITS, Kind
from node.network.tls import client_context
from node.pki import certificate_pem, create_ca, issue
from tests.unit.node.network.harness import (
    HOST,
    OTHER_DOMAIN,
    QUICK,
    A,
    B,
    C,
    D,
    Mesh,
    Node,
    RawPeer,
    authority,
    eventually,
    local_of,
    now_ms,
    secrets_of,
)

NONCE = b"n" * 32


@pytest.fixture
async def trio(mesh: Mesh) -> Mesh:
    """Three of the four; the tests play the fourth, bank-d."""
    await mesh.nodes.pop(D).network.stop()
    await mesh.whole()
    return mesh


def with_certificate(member: MemberId, name: MemberId, secrets: NodeSecrets) -> LocalIdentity:
    """bank-d's identity with a certificate of the alliance's CA for other names or keys."""
    certificate = issue(authority(), name, secrets.tls_public_key(), now_ms=now_ms())
    return dataclasses.replace(
        local_of(member),
        tls_key_pem=secrets.tls_key_pem,
        certificate_pem=certificate_pem(certificate),
    )


async def refused_at_tls(trio: Mesh, context: ssl.SSLContext | None, data: bytes = b"") -> None:
    """Connect to bank-a as told; it must refuse with `tls` and write nothing but an alert."""
    node = trio[A]
    before = node.refused(Reason.TLS)
    if context is not None:
        context.check_hostname = False
    try:
        reader, writer = await asyncio.open_connection(HOST, node.network.port, ssl=context)
        writer.write(data)
        received = await reader.read()
        assert context is None or received == b""
        writer.transport.abort()
    except (ssl.SSLError, ConnectionError):
        pass
    await node.refuses(Reason.TLS, before + 1)
    await trio.works()


async def test_certificate_of_another_ca_is_refused(trio: Mesh) -> None:
    other = create_ca("Test Alliance", now_ms=now_ms())
    certificate = issue(other, D, secrets_of(D).tls_public_key(), now_ms=now_ms())
    local = dataclasses.replace(local_of(D), certificate_pem=certificate_pem(certificate))
    await refused_at_tls(trio, client_context(local))


async def test_expired_certificate_is_refused(trio: Mesh) -> None:
    old = now_ms() - 400 * 86_400_000
    certificate = issue(authority(), D, secrets_of(D).tls_public_key(), now_ms=old, days=30)
    local = dataclasses.replace(local_of(D), certificate_pem=certificate_pem(certificate))
    await refused_at_tls(trio, client_context(local))


async def test_client_without_a_certificate_is_refused(trio: Mesh) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=local_of(D).ca_pem.decode())
    await refused_at_tls(trio, context)


async def test_tls_1_2_is_refused(trio: Mesh) -> None:
    context = client_context(local_of(D))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    await refused_at_tls(trio, context)


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", bytes(64), random.Random(1).randbytes(4096)],
    ids=["http", "zeros", "noise"],
)
async def test_plain_tcp_is_refused(trio: Mesh, data: bytes) -> None:
    await refused_at_tls(trio, None, data)


async def test_dialled_server_of_another_ca_gets_nothing(trio: Mesh) -> None:
    other = create_ca("Other", now_ms=now_ms())
    certificate = issue(other, D, secrets_of(D).tls_public_key(), now_ms=now_ms())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    local = dataclasses.replace(local_of(D), certificate_pem=certificate_pem(certificate))
    await dials_impostor(trio, context, local, Reason.TLS)


async def test_dialled_server_with_another_name_gets_nothing(trio: Mesh) -> None:
    local = with_certificate(D, MemberId("bank-x"), secrets_of(D))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await dials_impostor(trio, context, local, Reason.WRONG_NAME)


async def test_dialled_server_with_another_key_gets_nothing(trio: Mesh) -> None:
    local = with_certificate(D, D, NodeSecrets.generate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await dials_impostor(trio, context, local, Reason.WRONG_PIN)


async def dials_impostor(
    trio: Mesh, context: ssl.SSLContext, local: LocalIdentity, reason: Reason
) -> None:
    """Let bank-a dial a server that plays bank-d; it must refuse and send it no byte."""
    context.load_cert_chain(*pair_files(local))
    received: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(collect, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trio[A].dial({**trio.addresses(), D: (HOST, port)})
    await trio[A].refuses(reason)
    trio[A].dial(trio.addresses())
    server.close()
    await server.wait_closed()
    assert b"".join(received) == b""
    await trio.works()


def pair_files(local: LocalIdentity) -> tuple[str, str]:
    folder = Path(tempfile.mkdtemp(prefix="bulwark-test-"))
    (folder / "c").write_bytes(local.certificate_pem)
    (folder / "k").write_bytes(local.tls_key_pem)
    return str(folder / "c"), str(folder / "k")


@pytest.mark.parametrize(
    ("name", "fresh_key", "reason"),
    [
        (D, True, Reason.WRONG_PIN),
        (MemberId("bank-x"), True, Reason.UNKNOWN_MEMBER),
        (MemberId("bank-x"), False, Reason.WRONG_NAME),
        (A, False, Reason.WRONG_NAME),
        (A, True, Reason.WRONG_PIN),
    ],
)
async def test_certificate_that_is_not_a_members_gets_no_byte(
    trio: Mesh, name: MemberId, fresh_key: bool, reason: Reason
) -> None:
    secrets = NodeSecrets.generate() if fresh_key else secrets_of(D)
    peer = await RawPeer.connect(trio[A], client_context(with_certificate(D, name, secrets)))
    assert await peer.frame() is None
    await trio[A].refuses(reason)
    await peer.close()
    await trio.works()


async def hello_is_refused(trio: Mesh, local: LocalIdentity, reason: Reason) -> None:
    """Do a hello as `local` with bank-d's certificate; bank-a must refuse with the reason."""
    peer = await RawPeer.connect(trio[A])
    with pytest.raises(PeerRefused, match=f"refused-by-peer: {reason}"):
        await peer.hello(local, A, NONCE)
    assert await peer.is_closed()
    await trio[A].refuses(reason)
    await peer.close()
    await trio.works()


async def test_other_chain_is_refused_at_both_ends_by_name(trio: Mesh) -> None:
    stranger = await Node.start(D, domain=dataclasses.replace(OTHER_DOMAIN, chain_id=1))
    stranger.dial({A: (HOST, trio[A].network.port)})
    await stranger.refuses(Reason.OTHER_CHAIN)
    await trio[A].refuses(Reason.OTHER_CHAIN)
    await stranger.network.stop()
    await trio.works()


async def test_other_genesis_is_refused_by_name(trio: Mesh) -> None:
    stranger = await Node.start(D, domain=OTHER_DOMAIN)
    stranger.dial({A: (HOST, trio[A].network.port)})
    await stranger.refuses(Reason.OTHER_GENESIS)
    await trio[A].refuses(Reason.OTHER_GENESIS)
    assert stranger.network.connected() == set()
    await stranger.network.stop()
    await trio.works()


async def test_hello_signed_by_another_key_is_refused(trio: Mesh) -> None:
    class Impostor(SigningKey):
        """Signs with a key of its own under bank-d's address."""

        def __init__(self) -> None:
            super().__init__(b"\x07" * 32)
            self.address = local_of(D).vote_key.address

    await hello_is_refused(
        trio, dataclasses.replace(local_of(D), vote_key=Impostor()), Reason.HELLO_SIGNATURE
    )


async def test_hello_with_another_address_is_refused(trio: Mesh) -> None:
    key = SigningKey(b"\x07" * 32)
    await hello_is_refused(
        trio, dataclasses.replace(local_of(D), vote_key=key), Reason.WRONG_ADDRESS
    )


async def test_hello_in_another_members_name_is_refused(trio: Mesh) -> None:
    await hello_is_refused(trio, dataclasses.replace(local_of(D), id=B), Reason.WRONG_MEMBER)


async def test_replayed_hello_is_refused(trio: Mesh) -> None:
    first = await RawPeer.connect(trio[A])
    sent = await first.hello(local_of(D), A, NONCE)
    await eventually(lambda: D in trio[A].network.connected())
    await first.close()
    await eventually(lambda: D not in trio[A].network.connected())
    second = await RawPeer.connect(trio[A])
    for payload in sent:
        await second.send(Kind.HELLO, payload)
    assert await second.is_closed()
    await trio[A].refuses(Reason.HELLO_SIGNATURE)
    assert D not in trio[A].network.connected()
    await second.close()


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (Kind.CONSENSUS, b"vote", Reason.UNEXPECTED_FRAME),
        (Kind.REQUEST, bytes(9), Reason.UNEXPECTED_FRAME),
        (Kind.PING, bytes(8), Reason.UNEXPECTED_FRAME),
        (99, b"", Reason.UNKNOWN_KIND),
        (Kind.HELLO, bytes(1025), Reason.FRAME_TOO_LARGE),
        (Kind.HELLO, b"", Reason.HELLO_MALFORMED),
        (Kind.HELLO, b"\x01", Reason.HELLO_MALFORMED),
        (Kind.HELLO, b"\x02" + bytes(65), Reason.HELLO_MALFORMED),
        (Kind.HELLO, b"\x03", Reason.HELLO_MALFORMED),
        (Kind.HELLO, b"\x04\x00\x00\x00\x02\xff\xff", Reason.HELLO_MALFORMED),
        (Kind.HELLO, b"\x04\x00\x00\x00\x0bother-chain", Reason.REFUSED_BY_PEER),
        (Kind.HELLO, b"\x04\x00\x00\x00\x07surplus", Reason.SURPLUS),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, bytes) else value[:6].hex(),
)
async def test_anything_but_a_good_hello_is_refused_first(
    trio: Mesh, kind: int, payload: bytes, reason: Reason
) -> None:
    peer = await RawPeer.connect(trio[A])
    await peer.send(kind, payload)
    assert await peer.is_closed()
    await trio[A].refuses(reason)
    assert trio[A].received == []
    await peer.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ((2**31).to_bytes(4, "big") + bytes((Kind.CONSENSUS,)), Reason.FRAME_TOO_LARGE),
        (b"\xff\xff\xff\xff" + bytes((Kind.RESPONSE,)), Reason.FRAME_TOO_LARGE),
        (
            (SIZE_LIMITS[Kind.CONSENSUS] + 1).to_bytes(4, "big") + bytes((Kind.CONSENSUS,)),
            Reason.FRAME_TOO_LARGE,
        ),
        (b"\x00\x00\x00\x09" + bytes((Kind.PING,)), Reason.FRAME_TOO_LARGE),
        (b"\x00\x00\x00\x00\x63", Reason.UNKNOWN_KIND),
        (b"\x00\x00\x00\x00" + bytes((Kind.HELLO,)), Reason.UNEXPECTED_FRAME),
        (b"\x00\x00\x00\x08" + bytes((Kind.REQUEST,)) + bytes(8), Reason.MALFORMED),
        (b"\x00\x00\x00\x09" + bytes((Kind.RESPONSE,)) + b"\x09" * 9, Reason.MALFORMED),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, bytes) else value[:6].hex(),
)
async def test_member_that_sends_a_bad_frame_is_cut_off(
    trio: Mesh, data: bytes, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "node.network")
    peer = await RawPeer.connect(trio[A])
    await peer.hello(local_of(D), A, NONCE)
    await peer.send_raw(data)
    assert await peer.is_closed()
    await trio[A].refuses(reason)
    await eventually(lambda: ("down", D) in trio[A].events)
    lines = [record for record in caplog.records if getattr(record, "reason", "") == reason]
    assert len(lines) == 1
    assert getattr(lines[0], "member", None) == D
    assert str(getattr(lines[0], "remote", "")).startswith(HOST)
    await peer.close()
    await trio.works()


async def test_peer_that_says_nothing_after_tls_is_dropped_at_the_deadline() -> None:
    node = await Node.start(A, replace(QUICK, handshake_ms=300))
    peer = await RawPeer.connect(node)
    assert await peer.is_closed()
    await node.refuses(Reason.HANDSHAKE_TIMEOUT)
    assert node.network.half_open == 0
    await peer.close()
    await node.network.stop()


async def test_slow_loris_holds_a_bounded_number_of_places_until_the_deadline() -> None:
    node = await Node.start(
        A, replace(QUICK, handshake_ms=600, half_open=8, half_open_per_source=5)
    )
    writers = []
    for _ in range(7):
        _, writer = await asyncio.open_connection(HOST, node.network.port)
        writer.write(b"\x16\x03\x01")
        writers.append(writer)
    await node.refuses(Reason.TOO_MANY_HANDSHAKES, 2)
    assert node.network.half_open <= 5
    await node.refuses(Reason.HANDSHAKE_TIMEOUT, 5)
    await eventually(lambda: node.network.half_open == 0)
    peer = await RawPeer.connect(node)
    await peer.hello(local_of(D), A, NONCE)
    await eventually(lambda: node.network.connected() == {D})
    for writer in writers:
        writer.transport.abort()
    await peer.close()
    await node.network.stop()


async def test_source_that_dials_too_often_is_refused_before_tls() -> None:
    node = await Node.start(A, replace(QUICK, handshake_burst=3, handshakes_per_second=0.001))
    for _ in range(3):
        peer = await RawPeer.connect(node)
        await peer.close()
    _, writer = await asyncio.open_connection(HOST, node.network.port)
    await node.refuses(Reason.RATE_LIMITED)
    writer.transport.abort()
    await node.network.stop()


async def test_members_refusal_tells_its_reason_to_a_members_certificate(trio: Mesh) -> None:
    peer = await RawPeer.connect(trio[C])
    opening = await peer.frame()
    assert opening is not None
    await peer.send(Kind.HELLO, b"\x01" + opening[1][1:5] + bytes(8) + opening[1][13:])
    answer = await peer.frame()
    assert answer is not None and answer[1][5:] == b"other-chain"
    assert await peer.is_closed()
    await peer.close()
