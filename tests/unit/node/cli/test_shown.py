"""`authority peers` and `forget`: what other members' nodes show is asked over real sockets."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.assembly import network_identity, open_home
from node.cli import shown
from node.network.tls import server_context
from tests.unit.node.cli.conftest import Run

HOST = "127.0.0.1"
HOME = "hilltel"


@pytest.fixture
def homes(alliance: Path, tmp_path: Path) -> Path:
    """Copies of all four homes."""
    for name in (HOME, *peers_of(alliance / HOME)):
        shutil.copytree(alliance / name, tmp_path / "homes" / name)
    return tmp_path / "homes"


@pytest.fixture
def coming(bulwark: Run, tmp_path: Path, homes: Path) -> Path:
    """A new authority that hilltel trusts and whose certificate it has."""
    out = tmp_path / "authority-2"
    words = ("authority", "new", "--alliance", "Second", "--out", out, "--unattended")
    assert bulwark(*words).exit_code == 0
    move(bulwark, out, homes, HOME)
    return out


def peers_of(home: Path) -> list[str]:
    config = tomllib.loads((home / "node.toml").read_text())
    return [peer["member"] for peer in config["network"]["peers"]]


def move(bulwark: Run, authority: Path, homes: Path, name: str) -> None:
    """A member trusts the authority and gets its certificate."""
    home, file = homes / name, authority / f"{name}.pem"
    assert bulwark("authority", "trust", authority / "ca.pem", "--home", home).exit_code == 0
    words = ("member", "certificate", "--authority", authority, "--id", name)
    file.write_text(bulwark(*words, home / "tls" / "node.pem").stdout)
    install = ("key", "rotate", "tls", "--home", home, "--certificate", file, "--offline")
    assert bulwark(*install).exit_code == 0


def accept(server: socket.socket, context: ssl.SSLContext | None) -> None:
    """Accept until the socket is closed; who shows no certificate is refused, as in the mesh."""
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        with contextlib.suppress(OSError), plain:
            if context is None:
                plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                continue
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(1)


@contextlib.contextmanager
def listening(homes: Path, name: str, context: ssl.SSLContext | None) -> Iterator[None]:
    """A node's listener, which hilltel's configuration names as this member's."""
    server = socket.create_server((HOST, 0))
    thread = threading.Thread(target=accept, args=(server, context))
    thread.start()
    point_at(homes / HOME, name, server.getsockname()[1])
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def point_at(home: Path, name: str, port: int) -> None:
    place = home / "node.toml"
    text = place.read_text()
    before, mark, after = text.partition(f'member = "{name}"\nhost = ')
    assert mark
    _, line, rest = after.partition("port = ")
    place.write_text(f'{before}{mark}"{HOST}"\n{line}{port}\n{rest.partition(chr(10))[2]}')


@contextlib.contextmanager
def all_listening(homes: Path, **instead: ssl.SSLContext | None) -> Iterator[None]:
    """All peers listen with their own certificates, or with what is given."""
    with contextlib.ExitStack() as stack:
        for name in peers_of(homes / HOME):
            context = instead[name] if name in instead else of(homes, name)
            stack.enter_context(listening(homes, name, context))
        yield


def of(homes: Path, name: str) -> ssl.SSLContext:
    return server_context(network_identity(open_home(homes / name)))


def asked(bulwark: Run, homes: Path) -> dict[str, dict[str, Any]]:
    told = bulwark("authority", "peers", "--home", homes / HOME, "--json")
    assert told.exit_code == 0, told.output
    return {row["member"]: row for row in json.loads(told.stdout)["peers"]}


def test_who_still_shows_a_certificate_of_the_former_authority_keeps_it_from_being_forgotten(
    bulwark: Run, homes: Path, coming: Path
) -> None:
    first, second, third, *others = peers_of(homes / HOME)
    move(bulwark, coming, homes, first)
    forget = ("authority", "forget", "--home", homes / HOME)
    place = homes / HOME / "tls" / "ca.pem"
    before = place.read_bytes()
    with all_listening(homes):
        rows = asked(bulwark, homes)
        assert rows[second]["authority"] == rows[third]["authority"] != rows[first]["authority"]
        assert {row["note"] for row in rows.values()} == {""}
        early = bulwark(*forget)
        assert (
            early.exit_code == 2
            and f"{', '.join((second, third, *others))}: still shows" in early.stderr
        )
        assert place.read_bytes() == before
    for name in (second, third, *others):
        move(bulwark, coming, homes, name)
    with all_listening(homes):
        assert len({row["authority"] for row in asked(bulwark, homes).values()}) == 1
        done = bulwark(*forget, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["did_not_answer"] == ""
    assert place.read_bytes() == (coming / "ca.pem").read_bytes()


def test_after_a_theft_the_authority_is_forgotten_whoever_needs_it(
    bulwark: Run, homes: Path, coming: Path
) -> None:
    with all_listening(homes):
        forget = ("authority", "forget", "--home", homes / HOME, "--cut-off")
        assert bulwark(*forget).exit_code == 0
        rows = asked(bulwark, homes)
    assert {row["note"] for row in rows.values()} == {"no authority that is trusted here issued it"}
    assert all(row["certificate"] and row["authority"] is None for row in rows.values())


@pytest.mark.usefixtures("coming")
def test_a_node_that_is_away_speaks_no_tls_or_has_another_name_is_told_as_such(
    bulwark: Run, homes: Path
) -> None:
    first, second, third, *_ = peers_of(homes / HOME)
    with all_listening(homes, **{second: None, third: of(homes, first)}):
        with socket.create_server((HOST, 0)) as unused:
            point_at(homes / HOME, first, unused.getsockname()[1])
        rows = asked(bulwark, homes)
        text = bulwark("authority", "peers", "--home", homes / HOME).stdout
        told = bulwark("authority", "forget", "--home", homes / HOME)
    assert rows[first]["note"] == "no answer (Connection refused)"
    assert rows[second]["note"].startswith("no answer (") and rows[second]["certificate"] is None
    assert rows[third]["note"] == f"it is in the name of {first}"
    assert all(row["note"] in text for row in rows.values())
    assert told.exit_code == 2, "whoever it is, it was let in by the authority that would go"


@pytest.mark.usefixtures("coming")
def test_a_node_that_takes_the_connection_and_says_nothing_holds_nobody_up_for_long(
    bulwark: Run, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "TIMEOUT_S", 0.2)
    with contextlib.ExitStack() as stack:
        for name in peers_of(homes / HOME):
            silent = stack.enter_context(socket.create_server((HOST, 0)))
            point_at(homes / HOME, name, silent.getsockname()[1])
        rows = asked(bulwark, homes)
        forgotten = bulwark("authority", "forget", "--home", homes / HOME, "--json")
    assert {row["note"] for row in rows.values()} == {"no answer (timed out)"}
    assert json.loads(forgotten.stdout)["did_not_answer"].split() == peers_of(homes / HOME)
