"""Who held which role when: what the ledger says of every account, block by block.

Rules: genesis and the events of the member registry alone decide, so that every node says the same
of the same block, whether it executed or synced it. A role counts in a block if it was held before
or after it: the contract checks in between. It reads what is new once a block, when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bulwark.ledger.genesis import Genesis
from bulwark.ledger.ids import Address, Height
from bulwark.ledger.receipt import Log
from contracts.member_events import (
    EVENT_NAMES,
    KeysChanged,
    MemberAdded,
    MemberRemoved,
    RolesChanged,
    decode_member_event,
)
from contracts.members import MEMBER_REGISTRY, Role, member_id_bytes
from node.chain.logs import find_logs
from node.chain.store import ChainStore
from node.storage.port import KeyValueStore

_WATCHED: Final = ("MemberAdded", "MemberRemoved", "KeysChanged", "RolesChanged")
_TOPICS: Final = tuple(topic for topic, name in EVENT_NAMES.items() if name in _WATCHED)
_PORTION: Final = 10_000
"""Events of one query."""


class RoleBook:
    """Roles by account and height."""

    def __init__(self, genesis: Genesis, store: KeyValueStore, chain: ChainStore) -> None:
        self._store = store
        self._chain = chain
        self._read_to = Height(0)
        self._lines: dict[bytes, list[tuple[int, int]]] = {}
        """Account to (height, roles from then on), oldest first."""
        self._accounts: dict[bytes, bytes] = {}
        """Member id to account."""
        for member in genesis.members:
            roles = sum(Role[role.upper()] for role in member.roles)
            self._set(member.account, 0, roles)
            self._accounts[member_id_bytes(member.id)] = member.account

    def held(self, account: Address, height: Height) -> int:
        """Role bits that an account held in the block at a height. Raises StoreDamaged."""
        if self._chain.applied > self._read_to:
            self._read()
        line = self._lines.get(account, ())
        before = after = 0
        for since, roles in line:
            if since > height:
                break
            if since < height or height == 0:
                before = roles
            after = roles
        return before | after

    def is_regulator(self, account: Address, height: Height) -> bool:
        """Whether an account held the role regulator in a block."""
        return bool(self.held(account, height) & Role.REGULATOR)

    def is_reporter(self, account: Address, height: Height) -> bool:
        """Whether an account held the role reporter in a block."""
        return bool(self.held(account, height) & Role.REPORTER)

    def _read(self) -> None:
        last = self._chain.applied
        found = find_logs(
            self._store,
            self._chain,
            Height(self._read_to + 1),
            last,
            [Address(MEMBER_REGISTRY)],
            [_TOPICS],
            _PORTION,
        )
        for place in found:
            self._take(place.height, (place.log,))
        self._read_to = last

    def _take(self, height: int, logs: Iterable[Log]) -> None:
        for log in logs:
            event = decode_member_event(log.address, log.topics, log.data)
            if isinstance(event, MemberAdded):
                self._accounts[event.member.id] = event.member.account
                self._set(event.member.account, height, event.member.roles)
            elif isinstance(event, RolesChanged):
                self._set(event.account, height, event.roles)
            elif isinstance(event, MemberRemoved):
                self._accounts.pop(event.id, None)
                self._set(event.account, height, 0)
            elif isinstance(event, KeysChanged):
                self._move(event.id, event.account, height)

    def _move(self, member: bytes, account: bytes, height: int) -> None:
        before = self._accounts.get(member)
        if before is None or before == account:
            return
        self._set(account, height, self._lines[before][-1][1])
        self._set(before, height, 0)
        self._accounts[member] = account

    def _set(self, account: bytes, height: int, roles: int) -> None:
        self._lines.setdefault(account, []).append((height, int(roles)))
