"""Client certificates: which user one is, and TLS contexts that are made of files or refused."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from node.identity.certificates import make_tls
from node.identity.principal import IdentityInvalid, Principal, Via, Why
from node.identity.users import Users, spki_pin
from node.sections import HttpConfig
from node.server import PEER_CERTIFICATE, HttpServer
from node.service import Role
from tests.process.authority import Authority

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


def users(path: Path, text: str, revoked: Any = ()) -> Users:
    file = path / "users.toml"
    file.write_text(text, "utf-8")
    return Users.load(file, revoked)


def rule(user: str, role: str, **by: str) -> str:
    lines = [f'{name} = "{value}"' for name, value in {"user": user, "role": role, **by}.items()]
    return "[[certificate]]\n" + "\n".join(lines) + "\n"


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def test_a_pin_goes_before_a_name_and_a_name_before_the_subject(
    tmp_path: Path, authority: Authority
) -> None:
    certificate = authority.issue("desk", client=True, uri="spiffe://bank/desk")
    by_subject = rule("by-subject", "auditor", subject="CN=desk")
    by_name = rule("by-name", "analyst", san="uri:spiffe://bank/desk")
    by_pin = rule("by-pin", "operator", spki_sha256=spki_pin(certificate).upper())
    for text, name in (
        (by_subject, "by-subject"),
        (by_subject + by_name, "by-name"),
        (by_subject + by_name + by_pin, "by-pin"),
    ):
        found = users(tmp_path, text).admit(der(certificate), NOW_MS)
        assert isinstance(found, Principal) and found.key_id == f"cert:{name}"
        assert found.via is Via.CERTIFICATE and found.expires_ms is not None


def test_who_has_no_rule_is_out_of_time_or_revoked_is_nobody(
    tmp_path: Path, authority: Authority
) -> None:
    certificate = authority.issue("desk", client=True)
    text = rule("desk", "analyst", subject="CN=desk")
    known = users(tmp_path, text)
    assert users(tmp_path, "").admit(der(certificate), NOW_MS) is Why.NO_USER
    assert known.admit(der(certificate), NOW_MS + 86_400_000) is Why.CERTIFICATE_EXPIRED
    assert known.admit(der(certificate), NOW_MS - 86_400_000) is Why.CERTIFICATE_EXPIRED
    gone = [(certificate.issuer.public_bytes(), certificate.serial_number)]
    assert users(tmp_path, text, gone).admit(der(certificate), NOW_MS) is Why.CERTIFICATE_REVOKED
    assert known.admit(b"no certificate", NOW_MS) is Why.NO_USER
    desk = Principal("cert:desk", Role.ANALYST, Via.CERTIFICATE)
    assert known.has(desk) and not users(tmp_path, "").has(desk)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[certificate]", "not TOML"),
        ("certificate = 5", "tables"),
        ("[other]\nx = 1", "tables"),
        (rule("desk", "analyst"), "exactly one of"),
        (rule("desk", "analyst", san="dns:a", subject="CN=a"), "exactly one of"),
        (rule("desk", "root", san="dns:a"), "role"),
        (rule("Two Words", "analyst", san="dns:a"), "user"),
        (rule("desk", "analyst", spki_sha256="00"), "64 hexadecimal"),
        (rule("desk", "analyst", san="dns:*.example"), "whole name"),
        (rule("desk", "analyst", san="example.org"), "whole name"),
        (rule("desk", "analyst", subject=""), "RFC 4514"),
        (rule("a", "admin", san="dns:A.example") + rule("b", "admin", san="dns:a.example"), "same"),
        ("[[certificate]]\nuser = 5\nrole = 'admin'\nsan = 'dns:a'", "texts"),
    ],
)
def test_a_users_file_that_is_not_of_its_form_says_where(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(IdentityInvalid, match=what):
        users(tmp_path, text)


def test_files_that_make_no_tls_are_named(tmp_path: Path, authority: Authority) -> None:
    authority.issue("server")
    authority.issue("other")
    good = {"certificate": Path("server.crt"), "private_key": Path("server.key")}
    assert make_tls(tmp_path, HttpConfig()) is None
    made = make_tls(tmp_path, HttpConfig(**good))
    assert made is not None and made.context.verify_mode is ssl.CERT_NONE
    (tmp_path / "junk.pem").write_text("junk", "utf-8")
    asking = {**good, "client_authority": Path("ca.pem")}
    for wrong, what in (
        ({**good, "private_key": Path("other.key")}, "server.crt"),
        ({**good, "private_key": Path("none.key")}, "none.key"),
        ({**good, "certificate": Path("junk.pem")}, "junk.pem"),
        ({**good, "client_authority": Path("junk.pem")}, "junk.pem"),
        ({**asking, "client_revocations": Path("junk.pem")}, "junk.pem"),
        ({**asking, "client_revocations": Path("none.crl")}, "none.crl"),
    ):
        with pytest.raises(IdentityInvalid, match=what):
            make_tls(tmp_path, HttpConfig(**wrong))  # type: ignore[arg-type]
    revoked = authority.issue("gone", client=True)
    authority.revoke(revoked)
    asking["client_revocations"] = Path("revoked.crl")
    full = make_tls(tmp_path, HttpConfig(**asking, client_certificates="required"))  # type: ignore[arg-type]
    assert full is not None and full.context.verify_mode is ssl.CERT_REQUIRED
    assert full.revoked == {(revoked.issuer.public_bytes(), revoked.serial_number)}
    assert full.print != made.print


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_authority": "ca.pem"},
        {"certificate": "a", "users": "users.toml"},
        {"certificate": "a", "client_revocations": "a.crl"},
        {"certificate": "a", "client_certificates": "required"},
    ],
)
def test_settings_that_check_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs"):
        HttpConfig(**wrong)


async def test_a_required_certificate_is_handed_on_and_the_listener_changes_without_a_pause(
    tmp_path: Path, authority: Authority
) -> None:
    authority.issue("server")
    mine = authority.issue("desk", client=True)
    seen: list[bytes | None] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        seen.append(scope["state"].get(PEER_CERTIFICATE))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = HttpConfig(
        port=0,
        certificate=Path("server.crt"),
        private_key=Path("server.key"),
        client_authority=Path("ca.pem"),
        client_certificates="required",
    )
    server = HttpServer(application, tmp_path, config)

    async def ask(*, certificate: bool) -> bytes:
        context = ssl.create_default_context(cafile=str(authority.path))
        if certificate:
            context.load_cert_chain(tmp_path / "desk.crt", tmp_path / "desk.key")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return await reader.readline()
        except (ssl.SSLError, ConnectionError):  # TLS 1.3 refuses after the client's handshake
            return b""
        finally:
            writer.close()

    async with asyncio.timeout(30):
        await server.start()
        try:
            assert b"204" in await ask(certificate=True)
            assert await ask(certificate=False) == b""
            authority.issue("server")
            fresh = make_tls(
                tmp_path, config.model_copy(update={"client_certificates": "optional"})
            )
            assert fresh is not None
            await server.relisten(fresh.context)
            assert b"204" in await ask(certificate=False)
            assert b"204" in await ask(certificate=True)
        finally:
            await server.stop()
    assert seen == [der(mine), None, der(mine)]
