"""Accounts as the EVM reads and writes them: a write set over one state root, with undo.

Rules: every change is written down with what it replaced, so a revert walks the notes backwards
and a commit costs nothing; nothing touches the store, the root and its new nodes are computed
once at the end of a block. `original` values of SSTORE (EIP-2200) are those at the start of the
transaction. The method names are py-evm's, whose state object this is plugged into.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from bulwark.ledger import rlpcodec
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Digest
from bulwark.ledger.trie import EMPTY_TRIE_ROOT
from node.execution.database import StateSource
from node.execution.patricia import lookup, update
from node.storage.errors import StoreDamaged

EMPTY_CODE_HASH: Final = keccak256(b"")
_MISSING: Final = object()


class Account(NamedTuple):
    """One account as the state trie holds it."""

    nonce: int = 0
    balance: int = 0
    storage_root: Digest = EMPTY_TRIE_ROOT
    code_hash: Digest = EMPTY_CODE_HASH

    def encode(self) -> bytes:
        """RLP of nonce, balance, storage root, code hash."""
        return rlpcodec.encode_list(
            [
                rlpcodec.encode_uint(self.nonce),
                rlpcodec.encode_uint(self.balance),
                b"\xa0" + self.storage_root,
                b"\xa0" + self.code_hash,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Account:
        """Inverse of encode(). Raises StoreDamaged."""
        items = rlpcodec.decode_list(data)[0]
        fields = [item for item in items if isinstance(item, bytes)]
        if len(fields) != 4 or len(items) != 4:
            raise StoreDamaged("state trie", "an account does not have four fields")
        nonce, balance, storage_root, code_hash = fields
        return cls(
            int.from_bytes(nonce, "big"),
            int.from_bytes(balance, "big"),
            Digest(storage_root),
            Digest(code_hash),
        )


def read_account(source: StateSource, root: bytes, address: bytes) -> Account | None:
    """An account under a state root, None when it does not exist."""
    data = lookup(source, root, keccak256(address))
    return None if data is None else Account.decode(data)


def read_slot(source: StateSource, storage_root: bytes, slot: int) -> int:
    """A storage slot under a storage root."""
    data = lookup(source, storage_root, keccak256(slot.to_bytes(32, "big")))
    if data is None:
        return 0
    value = rlpcodec.decode(data)
    if not isinstance(value, bytes):
        raise StoreDamaged("state trie", "a storage slot holds a list")
    return int.from_bytes(value, "big")


class Accounts:
    """The `account_db_class` of the alliance's state."""

    def __init__(self, source: StateSource, state_root: bytes = EMPTY_TRIE_ROOT) -> None:
        self._source = source
        self._root = Digest(state_root)
        self._accounts: dict[bytes, Account | None] = {}
        self._read: dict[bytes, Account | None] = {}
        self._slots: dict[bytes, dict[int, int]] = {}
        self._wiped: dict[bytes, bool] = {}
        self._read_slots: dict[tuple[bytes, int], int] = {}
        self._original: dict[tuple[bytes, int], int] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._warm: dict[Any, bool] = {}
        self._codes: dict[bytes, bytes] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self.new_nodes: dict[bytes, bytes] = {}
        """Trie nodes and codes that the changes made, by hash; filled by make_state_root."""
        self.new_codes: set[bytes] = set()
        """Which of them are codes."""

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def _account(self, address: bytes) -> Account | None:
        if address in self._accounts:
            return self._accounts[address]
        if address not in self._read:
            self._read[address] = read_account(self._source, self._root, address)
        return self._read[address]

    def _known(self, address: bytes) -> Account:
        return self._account(address) or Account()

    # Storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """Value of a slot; the one before the transaction unless `from_journal`."""
        if not from_journal:
            original = self._original.get((address, slot))
            if original is not None:
                return original
        table = self._slots.get(address)
        if table is not None and slot in table:
            return table[slot]
        if address in self._wiped:
            return 0
        value = self._read_slots.get((address, slot))
        if value is None:
            value = read_slot(self._source, self._known(address).storage_root, slot)
            self._read_slots[address, slot] = value
        return value

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Set a slot; zero deletes it."""
        self._original.setdefault((address, slot), self.get_storage(address, slot))
        self._set(self._slots.setdefault(address, {}), slot, value)
        if self._accounts.get(address) is None:
            self.touch_account(address)

    def delete_storage(self, address: bytes) -> None:
        """Make every slot of an account zero."""
        self._set(self._slots, address, {})
        self._set(self._wiped, address, True)
        account = self._account(address)
        if account is not None:
            self._set(self._accounts, address, account)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        """Whether the transaction touched the slot before (EIP-2929)."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        """Note that the transaction touched the slot."""
        if (address, slot) not in self._warm:
            self._set(self._warm, (address, slot), True)

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        """A transient slot (EIP-1153), empty when it is not set."""
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        """Set a transient slot."""
        self._set(self._transient, (address, slot), value)

    # Balance, nonce, code

    def get_balance(self, address: bytes) -> int:
        """Balance in wei."""
        return self._known(address).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        """Set a balance; the account exists from then on."""
        self._set(self._accounts, address, self._known(address)._replace(balance=balance))

    def get_nonce(self, address: bytes) -> int:
        """Number of transactions, or of creations of a contract."""
        return self._known(address).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Set a nonce."""
        self._set(self._accounts, address, self._known(address)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        """Add one to a nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        """Code of a contract, empty for none."""
        code_hash = self.get_code_hash(address)
        if code_hash == EMPTY_CODE_HASH:
            return b""
        code = self._codes.get(code_hash)
        return self._source.code(code_hash) if code is None else code

    def set_code(self, address: bytes, code: bytes) -> None:
        """Set the code of a contract."""
        code_hash = keccak256(code)
        self._codes[code_hash] = code
        self._set(self._accounts, address, self._known(address)._replace(code_hash=code_hash))

    def get_code_hash(self, address: bytes) -> Digest:
        """keccak256 of the code."""
        return self._known(address).code_hash

    def delete_code(self, address: bytes) -> None:
        """Take the code away."""
        known = self._known(address)
        self._set(self._accounts, address, known._replace(code_hash=EMPTY_CODE_HASH))

    # Whole accounts

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        """Whether a contract can not be created here any more."""
        account = self._known(address)
        return account.nonce != 0 or account.code_hash != EMPTY_CODE_HASH

    def delete_account(self, address: bytes) -> None:
        """Remove an account with its storage."""
        self.delete_storage(address)
        self._set(self._accounts, address, None)

    def account_exists(self, address: bytes) -> bool:
        """Whether the account is in the state, be it empty."""
        return self._account(address) is not None

    def touch_account(self, address: bytes) -> None:
        """Make the account exist."""
        self._set(self._accounts, address, self._known(address))

    def account_is_empty(self, address: bytes) -> bool:
        """No code, no nonce, no balance (EIP-161)."""
        return not self.account_has_code_or_nonce(address) and not self.get_balance(address)

    def is_address_warm(self, address: bytes) -> bool:
        """Whether the transaction touched the account before (EIP-2929)."""
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        """Note that the transaction touched the account."""
        if address not in self._warm:
            self._set(self._warm, address, True)

    # Undo

    def record(self) -> int:
        """A point to which `discard` can go back."""
        return len(self._undo)

    def discard(self, point: int) -> None:
        """Undo every change since that point."""
        while len(self._undo) > point:
            table, key, before = self._undo.pop()
            if before is _MISSING:
                table.pop(key, None)
            else:
                table[key] = before

    def commit(self, point: int) -> None:
        """Nothing to do: changes are in place."""

    def lock_changes(self) -> None:
        """Begin a transaction: what is there now is its original state."""
        self._undo.clear()
        self._original.clear()
        self._transient.clear()
        self._warm.clear()

    # Root

    @property
    def state_root(self) -> Digest:
        """Root that was computed last."""
        return self._root

    def make_state_root(self) -> Digest:
        """Root over all changes; their nodes and codes are in `new_nodes` afterwards."""
        changes: dict[bytes, bytes] = {}
        for address, account in self._accounts.items():
            if account is None:
                changes[keccak256(address)] = b""
                continue
            account = self._with_storage(address, account)
            if account.code_hash in self._codes:
                self.new_nodes[account.code_hash] = self._codes[account.code_hash]
                self.new_codes.add(account.code_hash)
            changes[keccak256(address)] = account.encode()
        self._root, nodes = update(self._source, self._root, changes)
        self.new_nodes.update(nodes)
        return self._root

    def _with_storage(self, address: bytes, account: Account) -> Account:
        """The account with the storage root of its slot table."""
        start = EMPTY_TRIE_ROOT if address in self._wiped else account.storage_root
        changes: dict[bytes, bytes] = {
            keccak256(slot.to_bytes(32, "big")): rlpcodec.encode_uint(value) if value else b""
            for slot, value in self._slots.get(address, {}).items()
        }
        root, nodes = update(self._source, start, changes)
        self.new_nodes.update(nodes)
        return account._replace(storage_root=root)
