"""The home folder of one node: everything `bulwark node run` needs, and nothing of other members.

Rules: folders are 0700 and files with secrets or keys 0600; `node.toml` holds what is particular to
this node (paths stay relative, so a home can be moved), all else keeps its documented default; the
clear API keys are written once, for the operator to hand out and remove. It makes no keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from genesis.alliance import MemberPlan
from node.keys import NodeSecrets, RandomBytes, write_private

NODE_FILE: Final = "node.toml"
GENESIS_FILE: Final = "genesis.json"
KEYSTORE_FILE: Final = "keys/keystore.json"
UNATTENDED_FILE: Final = "keys/passphrase"
CERTIFICATE_FILE: Final = "tls/node.pem"
CA_FILE: Final = "tls/ca.pem"
API_KEYS_FILE: Final = "api_keys.json"
CLEAR_API_KEYS_FILE: Final = "api_keys.clear.json"
_FOLDERS: Final = ("keys", "tls", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeContent:
    """What one member's home is filled with."""

    plan: MemberPlan
    secrets: NodeSecrets
    passphrase: bytes = field(repr=False)
    unattended: bool
    """Keep the passphrase beside the keystore, so that the node starts without being told."""
    genesis: bytes
    certificate: bytes | None
    """PEM, as the next; None for a member whose certificate is still to come."""
    authority: bytes
    clear_api_keys: dict[str, str] = field(repr=False)
    """Role to key."""
    hashed_api_keys: dict[str, list[dict[str, str]]] = field(repr=False)


def make_folder(path: Path) -> Path:
    """Create a folder that only its owner enters; raises OSError."""
    path.mkdir(mode=0o700)
    return path


def write_home(
    home: Path, content: HomeContent, members: Iterable[MemberPlan], random_bytes: RandomBytes
) -> None:
    """Create and fill `home`, which must not exist; `members` are whom its node may meet.

    Raises OSError, KeystoreError.
    """
    make_folder(home)
    for name in _FOLDERS:
        make_folder(home / name)
    content.secrets.save(home / KEYSTORE_FILE, content.passphrase, random_bytes=random_bytes)
    if content.unattended:
        write_private(home / UNATTENDED_FILE, content.passphrase + b"\n")
    if content.certificate is not None:
        (home / CERTIFICATE_FILE).write_bytes(content.certificate)
    (home / CA_FILE).write_bytes(content.authority)
    (home / GENESIS_FILE).write_bytes(content.genesis)
    write_private(home / API_KEYS_FILE, _json(content.hashed_api_keys))
    write_private(home / CLEAR_API_KEYS_FILE, _json(content.clear_api_keys))
    text = node_toml(content.plan, members, unattended=content.unattended)
    (home / NODE_FILE).write_text(text, "utf-8")


def node_toml(plan: MemberPlan, members: Iterable[MemberPlan], *, unattended: bool) -> str:
    """Text of a node's configuration; peers are all other members, in ledger order."""
    lines = [
        f"# Node of {plan.id}. Every other setting and its default: bulwark config explain",
        f"member = {_quoted(plan.id)}",
        "",
        "[network]",
        f"listen_host = {_quoted(plan.listen_host)}",
        f"listen_port = {plan.p2p_port}",
        "",
        "[http]",
        f"host = {_quoted(plan.http_host)}",
        f"port = {plan.http_port}",
    ]
    if unattended:
        lines += ["", "[keystore]", f"passphrase_file = {_quoted(UNATTENDED_FILE)}"]
    for peer in members:
        if peer.id != plan.id:
            lines += [
                "",
                "[[network.peers]]",
                f"member = {_quoted(peer.id)}",
                f"host = {_quoted(peer.host)}",
                f"port = {peer.p2p_port}",
            ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string; ids, hosts and our own paths hold nothing that JSON spells otherwise."""
    return json.dumps(text)


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode("ascii") + b"\n"
