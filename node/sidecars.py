"""Sidecars between nodes: brings one that is missing, serves those that are here.

Rules: a sidecar is only ever accepted under the root it hashes to; every connected member is asked,
one after another; nobody having it is a LookupError, not a guess.
"""

from __future__ import annotations

from typing import Protocol

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Digest, MemberId
from bulwark.ledger.record import Record
from bulwark.ledger.sidecar import Sidecar
from node.logs import Log
from node.mempool import Mempool
from node.requests import (
    Mesh,
    PeerUnavailable,
    Topic,
    decode_found,
    decode_root,
    encode_found,
    encode_root,
)

TIMEOUT_MS = 2_000

log = Log("sidecars")


class Kept(Protocol):
    """Where executed and voted sidecars are."""

    def sidecar(self, root: Digest) -> Sidecar | None:
        """A kept sidecar."""
        ...


class Sidecars:
    """Fetching and serving."""

    def __init__(self, kept: Kept, mempool: Mempool, mesh: Mesh) -> None:
        self._kept = kept
        self._mempool = mempool
        self._mesh = mesh

    def _local(self, root: Digest) -> Sidecar | None:
        return self._mempool.sidecar(root) or self._kept.sidecar(root)

    async def fetch(self, root: Digest) -> Sidecar:
        """The sidecar from here or from a connected member; raises LookupError.

        One with bare leaves only if nobody has them in full.
        """
        local = self._local(root)
        if local is not None:
            return local
        erased: Sidecar | None = None
        for member in self._mesh.connected():
            try:
                answer = await self._mesh.ask(member, Topic.SIDECAR, encode_root(root), TIMEOUT_MS)
                data = decode_found(answer)
                sidecar = None if data is None else Sidecar.decode(data)
            except (PeerUnavailable, LedgerError) as error:
                log.warning("sidecar not served", peer=member, reason=str(error))
                continue
            if sidecar is None or sidecar.root != root:
                continue
            if all(isinstance(entry, Record) for entry in sidecar.entries):
                return sidecar
            erased = erased or sidecar
        if erased is not None:
            return erased
        raise LookupError(f"no connected member serves the sidecar 0x{root.hex()}")

    async def serve(self, member: MemberId, body: bytes) -> bytes:
        """Answer a peer's request; raises DecodeError."""
        sidecar = self._local(decode_root(body))
        return encode_found(None if sidecar is None else sidecar.encode())
