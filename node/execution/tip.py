"""What ingress and mempool ask about the last block all the time: nonces and roles, remembered.

Rules: an answer is kept for as long as its block is the last one, so it is never stale: the tip's
height is read from the store each time; the memory is bounded. Used by one thread.
"""

from __future__ import annotations

from typing import Final

from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest
from contracts.bindings import MEMBER_REGISTRY, roles_slot
from node.execution.accounts import read_account, read_slot
from node.execution.database import Getter, StateSource
from node.storage import schema
from node.storage.blocks import read_tip

MAX_REMEMBERED: Final = 10_000
"""Accounts remembered at once; strangers that knock between two blocks fill no more than that."""


def read_roles(source: StateSource, state_root: Digest, address: Address) -> int:
    """Role bits of an account in the member registry: two trie look-ups, no EVM."""
    registry = read_account(source, state_root, MEMBER_REGISTRY)
    if registry is None:
        return 0
    return read_slot(source, registry.storage_root, roles_slot(address))


class TipState:
    """Reads on the state of the last block."""

    def __init__(self, store: Getter, source: StateSource) -> None:
        self._store = store
        self._source = source
        self._applied: bytes | None = None
        self._header: Header | None = None
        self._nonces: dict[Address, int] = {}
        self._roles: dict[Address, int] = {}

    @property
    def header(self) -> Header:
        """Header of the last block."""
        applied = self._store.get(schema.META_APPLIED)
        if self._header is None or applied != self._applied:
            self._header = read_tip(self._store)
            self._applied = applied
            self._nonces.clear()
            self._roles.clear()
        return self._header

    def nonce(self, address: Address) -> int:
        """Next nonce of an account."""
        root = self.header.state_root
        nonce = self._nonces.get(address)
        if nonce is None:
            account = read_account(self._source, root, address)
            nonce = 0 if account is None else account.nonce
            _remember(self._nonces, address, nonce)
        return nonce

    def roles(self, address: Address) -> int:
        """Role bits of an account in the member registry."""
        root = self.header.state_root
        roles = self._roles.get(address)
        if roles is None:
            roles = read_roles(self._source, root, address)
            _remember(self._roles, address, roles)
        return roles


def _remember(table: dict[Address, int], address: Address, value: int) -> None:
    if len(table) >= MAX_REMEMBERED:
        table.clear()
    table[address] = value
