"""What lies on the disks of an alliance: shares as their owners keep them, and traces of old ones.

Rules: a home is read with its own passphrase, as a thief of disk and passphrase would; a trace is
any spelling of an old share, or a piece of the file that it was encrypted in, in any file of a
home, the database and the logs included. It changes nothing.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bulwark.privacy.threshold import EvaluatorShare
from genesis.home import KEYSTORE_FILE, UNATTENDED_FILE
from node.ceremony.shares import FILE_NAME, ShareStore
from node.keys import KeystoreMissing, NodeSecrets, read_private

_PIECE: Final = 48
"""Bytes of the old encrypted file that are looked for: nonce and the first secrets."""
_HEAD: Final = 17
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """The shares of one home at one moment."""

    shares: Mapping[bytes, EvaluatorShare]
    """By session."""
    sealed: bytes
    """The encrypted file."""


def read_vault(home: Path, sessions: Mapping[str, bytes]) -> Vault:
    """The shares of these sessions that a home keeps; the secrets' own keystore is opened."""
    passphrase = read_private(home / UNATTENDED_FILE, 1024).rstrip(b"\r\n")
    secrets = NodeSecrets.load(home / KEYSTORE_FILE, passphrase)
    path = (home / KEYSTORE_FILE).parent / FILE_NAME
    store = ShareStore(path, secrets.vault_key, os.urandom)
    found = {session: store.share(session) for session in sessions.values()}
    try:
        sealed = read_private(path, 1 << 24)
    except KeystoreMissing:
        sealed = b""
    return Vault({s: share for s, share in found.items() if share is not None}, sealed)


def needles(vault: Vault) -> dict[str, bytes]:
    """What must not be found once the shares of a vault are old, by what it is."""
    found = {}
    for session, share in vault.shares.items():
        secret = share.secret_share.encoding
        name = session.hex()[:8]
        found[f"share {name}"] = secret
        found[f"share {name} backwards"] = secret[::-1]
        found[f"share {name} in hexadecimal"] = secret.hex().encode()
        found[f"share {name} in base64"] = base64.b64encode(secret)[:40]
    if vault.sealed:
        found["the old file"] = vault.sealed[_HEAD : _HEAD + _PIECE]
    return found


def traces(home: Path, wanted: Mapping[str, bytes]) -> Iterator[str]:
    """Which needle is in which file of a home."""
    overlap = max(map(len, wanted.values()), default=1) - 1
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                before = b""
                while chunk := stream.read(_CHUNK):
                    data = before + chunk
                    for what, needle in wanted.items():
                        if needle in data:
                            yield f"{what} in {path.relative_to(home)}"
                    before = data[-overlap:]
        except FileNotFoundError:
            # The database compacted it away meanwhile.
            continue
