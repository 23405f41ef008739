"""Strangers and misfits at the port for peers: refused by name, and the others do not notice."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import psutil
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bulwark.ledger.ids import Height, MemberId
from node.assembly import member_table, network_identity, open_home
from node.keys import generate_tls_key
from node.network.frames import FrameDecoder, encode_frame
from node.network.hello import INSTANCE_BYTES, NONCE_BYTES, Greeter, Handshake
from node.network.identity import MemberTable
from node.network.kinds import SIZE_LIMITS, Kind
from node.network.tls import client_context
from node.pki import CertificateAuthority, certificate_pem, issue
from tests.process.conftest import MakeAlliance
from tests.process.support import Alliance, until

pytestmark = pytest.mark.process

TWO_GIB = (2**31 - 1).to_bytes(4, "big")
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Its own: refused handshakes count against the address of this machine."""
    made = Alliance.create(tmp_path_factory.mktemp("peers") / "alliance")
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def target(alliance: Alliance) -> str:
    return alliance.validators[0]


@pytest.fixture(autouse=True)
def goes_on(alliance: Alliance, target: str) -> Iterator[None]:
    """Afterwards the same process still orders reports."""
    node = alliance.node(target)
    assert node.pid is not None
    before = psutil.Process(node.pid).memory_info().rss
    yield
    assert alliance.node(target).pid == node.pid, alliance.tail(target)
    value = f"after{os.urandom(6).hex()}@peers-go-on.net"
    report = alliance.report(target, kind="email", value=value, wait="finalized")
    assert report["stage"] == "finalized"
    assert psutil.Process(node.pid).memory_info().rss < before + 64 * 1024 * 1024


def connect(alliance: Alliance, name: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", alliance.node(name).p2p_port), PATIENCE_S)


def closed(connection: socket.socket) -> bytes:
    """What the node says until it closes; fails when it does not within the socket's timeout."""
    said = b""
    try:
        while data := connection.recv(4096):
            said += data
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        connection.close()
    return said


def refused(alliance: Alliance, name: str, reason: str, count: int = 1) -> None:
    """Wait for log lines of that refusal."""
    until(
        lambda: alliance.log(name).count(f'"reason": "{reason}"') >= count,
        f"{name} logs a refusal {reason!r}: {alliance.tail(name)}",
        PATIENCE_S,
    )


@pytest.mark.parametrize(
    "first",
    [TWO_GIB + b"\x04", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096)],
    ids=["2 GiB frame", "HTTP", "noise"],
)
def test_a_peer_without_tls_is_refused(alliance: Alliance, target: str, first: bytes) -> None:
    connection = connect(alliance, target)
    connection.sendall(first)
    assert b"HTTP" not in closed(connection)
    refused(alliance, target, "tls")


def test_a_peer_that_says_nothing_is_let_go(alliance: Alliance, target: str) -> None:
    assert closed(connect(alliance, target)) == b""
    refused(alliance, target, "handshake-timeout")


def unchecked(context: ssl.SSLContext) -> ssl.SSLContext:
    """Does not look whom it speaks to, so that only the node can refuse."""
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def turned_away(alliance: Alliance, target: str, context: ssl.SSLContext) -> None:
    """The node ends TLS without a word to this client; with TLS 1.3 that hears of it late."""
    before = alliance.log(target).count('"reason": "tls"')
    plain = connect(alliance, target)
    try:
        connection: socket.socket = context.wrap_socket(plain)
        connection.sendall(encode_frame(Kind.HELLO, b"\x01"))
    except (ssl.SSLError, ConnectionError):
        connection = plain
    assert closed(connection) == b""
    refused(alliance, target, "tls", before + 1)


def test_a_peer_without_a_certificate_is_refused(alliance: Alliance, target: str) -> None:
    turned_away(alliance, target, unchecked(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))


def test_a_peer_of_another_authority_is_refused(
    alliance: Alliance, target: str, make_alliance: MakeAlliance
) -> None:
    """A node of another alliance that is pointed here, under the same member name."""
    other = make_alliance(1, 1)
    identity = network_identity(open_home(other.node("regulator").home))
    turned_away(alliance, target, unchecked(client_context(identity)))


def test_a_certificate_of_no_member_is_refused(alliance: Alliance, target: str) -> None:
    """Signed by the alliance's own authority, but with a key that the ledger does not name."""
    folder = alliance.devnet.home / "authority"
    authority = CertificateAuthority.load(folder, (folder / "passphrase").read_bytes().strip())
    key = load_pem_private_key(key_pem := generate_tls_key(os.urandom), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)
    now_ms = time.time_ns() // 1_000_000
    certificate = issue(authority, MemberId("regulator"), key.public_key(), now_ms=now_ms)
    regulator = network_identity(open_home(alliance.node("regulator").home))
    stranger = replace(regulator, tls_key_pem=key_pem, certificate_pem=certificate_pem(certificate))
    connection = client_context(stranger).wrap_socket(
        connect(alliance, target), server_hostname=target
    )
    assert closed(connection) == b""
    refused(alliance, target, "wrong-pin")


def member_connection(alliance: Alliance, target: str) -> tuple[ssl.SSLSocket, Greeter]:
    """TLS as the regulator, whose own node must not run."""
    home = open_home(alliance.node("regulator").home)
    identity = network_identity(home)
    connection = client_context(identity).wrap_socket(
        connect(alliance, target), server_hostname=target
    )
    members = MemberTable(member_table(home.genesis))
    return connection, Greeter(identity, members, identity.pin(), os.urandom(INSTANCE_BYTES))


@pytest.fixture
def without_regulator(alliance: Alliance) -> Iterator[None]:
    alliance.devnet.kill("regulator")
    yield
    alliance.devnet.start_node("regulator")


@pytest.mark.usefixtures("without_regulator")
@pytest.mark.parametrize("after_hello", [False, True], ids=["before hello", "after hello"])
def test_a_frame_of_2_gib_is_refused_before_it_is_read(
    alliance: Alliance, target: str, after_hello: bool
) -> None:
    connection, greeter = member_connection(alliance, target)
    if after_hello:
        greet(connection, greeter, target)
    before = alliance.log(target).count('"reason": "frame-too-large"')
    kind = Kind.CONSENSUS if after_hello else Kind.HELLO
    connection.sendall(TWO_GIB + bytes([kind]) + bytes(64))
    closed(connection)
    refused(alliance, target, "frame-too-large", before + 1)


def greet(connection: ssl.SSLSocket, greeter: Greeter, target: str) -> None:
    """The whole hello, after which the connection counts."""
    certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    hello = Handshake(
        greeter,
        certificate,
        nonce=os.urandom(NONCE_BYTES),
        height=Height(0),
        dialled=greeter.members.ids()[0],
    )
    assert greeter.members.ids()[0] == target
    decoder = FrameDecoder(SIZE_LIMITS)
    connection.sendall(encode_frame(Kind.HELLO, hello.opening()))
    while not hello.ready:
        frame = decoder.next()
        if frame is None:
            data = connection.recv(4096)
            assert data, "closed during the hello"
            decoder.feed(data)
            continue
        answer = hello.receive(frame[1])
        if answer is not None:
            connection.sendall(encode_frame(Kind.HELLO, answer))


@pytest.mark.usefixtures("without_regulator")
@pytest.mark.parametrize("kind", [Kind.CONSENSUS, Kind.TRANSACTION, Kind.ANNOUNCE, Kind.REQUEST])
def test_noise_from_a_member_is_dropped(alliance: Alliance, target: str, kind: Kind) -> None:
    """A member's node that went mad costs a log line, not the alliance."""
    connection, greeter = member_connection(alliance, target)
    greet(connection, greeter, target)
    for size in (0, 1, 8, 200, SIZE_LIMITS[kind]):
        connection.sendall(encode_frame(kind, os.urandom(size)))
    connection.close()


@pytest.fixture
def other_genesis(alliance: Alliance) -> Iterator[None]:
    """The regulator's node with the right keys, an altered genesis document and no data."""
    home = alliance.node("regulator").home
    path, data, kept = home / "genesis.json", home / "data", home / "data.kept"
    right = path.read_bytes()
    alliance.devnet.kill("regulator")
    data.rename(kept)
    document = json.loads(right)
    document["created_ms"] += 1
    path.write_bytes(rfc8785.dumps(document))
    alliance.devnet.start_node("regulator", wait=False)
    try:
        yield
    finally:
        alliance.devnet.kill("regulator")
        path.write_bytes(right)
        data.rename(home / "data.of-other-genesis")
        kept.rename(data)
    alliance.devnet.start_node("regulator")
    alliance.until_final(alliance.height(alliance.validators[0]), ["regulator"])


def serves(alliance: Alliance, name: str) -> bool:
    try:
        return alliance.client(name, "operator").get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("other_genesis")
def test_a_peer_of_another_genesis_is_refused_by_name(alliance: Alliance, target: str) -> None:
    until(lambda: serves(alliance, "regulator"), "the regulator's node stays up")
    refused(alliance, target, "other-genesis")
    refused(alliance, "regulator", "other-genesis")
    ready = alliance.client("regulator", "operator").get("/readyz")
    assert ready.status_code == 503 and not ready.json()["checks"]["quorum_connected"]
    answer = alliance.screen("regulator", kind="email", value="anybody@some-where.net")
    assert answer["complete"] is False and answer["incomplete_reason"]
    assert serves(alliance, "regulator")
