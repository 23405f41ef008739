"""`bulwark key status`: every key of a node, since when, whether the ledger knows it, what is next.

Rules: public texts only. Without an answer of the node (--offline, or a node that does not run)
what the ledger knows is left open and said so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives import hashes

from node.cli.faults import BadSetup, Failed, faults
from node.cli.homes import open_config
from node.cli.key_facts import LedgerKeys, ledger_keys, public_text
from node.cli.options import emit_json, emit_rows, home_option, json_option
from node.config import NodeConfig
from node.keys import KeystoreError, NodeSecrets, PassphraseMissing
from node.pki import CertificateUnusable, days_left, load_certificates
from node.rotation.keyfile import next_passphrase_file, open_keystore
from node.rotation.rekeynote import read_note
from node.rotation.secretsmoves import former_keys, in_use, key_to_come
from node.sparekeys import LINES, KeyKind


@click.command(name="status")
@home_option
@click.option("--offline", is_flag=True, help="Do not ask the node what the ledger knows.")
@json_option
def status(home: Path, offline: bool, as_json: bool) -> None:
    """Print every key: in use, to come, former ones, and the step that comes next.

    \b
    Example:
      bulwark key status --home alliance/northbank
    """
    config = open_config(home)
    with faults(setup=(KeystoreError, PassphraseMissing)):
        opened = open_keystore(home, config.keystore, os.environ)
    known, why = None, "not asked"
    if not offline:
        try:
            known = ledger_keys(home, config.member)
        except (Failed, BadSetup) as error:
            why = error.message
    note = read_note((home / config.keystore.path).parent)
    rows = [row for kind in KeyKind for row in _rows(opened.secrets, kind, known, note)]
    facts = {
        "member": config.member,
        "ledger": "asked" if known is not None else why,
        "keys": rows,
        "stored": {name: note[name] for name in _STORED if name in note},
        "certificates": _certificates(home, config),
        "passphrase": (
            "being changed: run bulwark key rotate passphrase"
            if opened.file is not None and next_passphrase_file(opened.file).exists()
            else ("environment" if opened.file is None else "file")
        ),
    }
    if as_json:
        emit_json(facts)
        return
    emit_rows(
        [("KEY", "STATE", "SINCE", "LEDGER", "FINGERPRINT", "NEXT")]
        + [tuple(str(row[name]) for name in _COLUMNS) for row in rows]
    )
    for found in _certificates(home, config):
        click.echo(f"certificate {found['file']}: {found['days_left']} days left")
    if known is None:
        click.echo(f"what the ledger knows is open: {why}")


_STORED = ("vault", "index", "moved", "moves", "unreadable", "is_done", "at_ms")
_COLUMNS = ("key", "state", "since", "on_ledger", "public", "next")


def _rows(
    secrets: NodeSecrets, kind: KeyKind, known: LedgerKeys | None, note: Mapping[str, Any]
) -> list[dict[str, str]]:
    coming = key_to_come(secrets, kind)
    found = [("in use", in_use(secrets, kind), secrets.since_ms.get(kind))]
    if coming is not None:
        found.append(("to come", coming.secret, coming.since_ms))
    found += [("former", spare.secret, spare.since_ms) for spare in former_keys(secrets, kind)]
    rows = []
    for state, secret, since_ms in found:
        public = public_text(kind, secret)
        on_ledger = _on_ledger(kind, public, known)
        rows.append(
            {
                "key": kind.value,
                "state": state,
                "since": _day(since_ms),
                "on_ledger": on_ledger,
                "public": public,
                "next": (
                    _stored_next(kind, state, public, note)
                    if kind in LINES
                    else _next(kind, state, on_ledger)
                ),
            }
        )
    return rows


def _on_ledger(kind: KeyKind, public: str, known: LedgerKeys | None) -> str:
    if kind in LINES:
        return "not needed"
    if known is None or kind not in known.known:
        return "open"
    return "yes" if known.names(kind, public) else "no"


def _stored_next(kind: KeyKind, state: str, public: str, note: Mapping[str, Any]) -> str:
    """How far what is stored is with following a vault or index key."""
    if state == "former":
        return "kept for ever: names follow it"
    if note.get(kind.value) != public:
        return "restart the node: what is stored follows at its start"
    if not note.get("is_done"):
        return f"what is stored follows: {note.get('moved')} of {note.get('moves')} moves are done"
    return "nothing"


def _next(kind: KeyKind, state: str, on_ledger: str) -> str:
    again = f"bulwark key rotate {kind}"
    if state == "to come":
        return f"{again} says which vote is missing" if on_ledger == "no" else again
    if state == "former":
        return "keep: the ledger names it" if on_ledger == "yes" else f"{again} --drop-former"
    return "the key to come takes over" if on_ledger == "no" else "nothing"


def _certificates(home: Path, config: NodeConfig) -> list[dict[str, object]]:
    """The node's own, those of the authorities that it trusts, and that of its HTTPS."""
    paths = [config.network.certificate, config.network.authority]
    if config.http.certificate is not None:
        paths.append(config.http.certificate)
    return [found for path in paths for found in _of_file(home, path)]


def _of_file(home: Path, path: Path) -> list[dict[str, object]]:
    try:
        with faults(setup=(CertificateUnusable,)):
            certificates = load_certificates((home / path).read_bytes())
    except OSError as error:
        raise BadSetup(f"{home / path}: {error.strerror}") from error
    now_ms = time.time_ns() // 1_000_000
    return [
        {
            "file": str(path),
            "days_left": int(days_left(each, now_ms)),
            "fingerprint": each.fingerprint(hashes.SHA256()).hex(),
        }
        for each in certificates
    ]


def _day(at_ms: int | None) -> str:
    if at_ms is None:
        return "the start"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
