"""API keys: who may ask what, from a file that holds only hashes.

Rules: a key is 32 random bytes in URL-safe base64, so one SHA-256 is enough at rest; all hashes are
compared in constant time; a wrong key counts against the client's address (an IPv6 client by its
/64) and past a limit is answered 429 for a while. A right key is always let in, so nobody can lock
a member out by guessing from behind the same address. A request without a key is no guess.
It does not read HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from node.service import Role

KEY_BYTES: Final = 32
MAX_KEYS: Final = 256
MAX_FILE_BYTES: Final = 256 * 1024
MAX_ADDRESSES: Final = 10_000
"""Client addresses whose wrong attempts are remembered; the oldest goes first."""

_KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")

RandomBytes = Callable[[int], bytes]
"""Port: n bytes from the system's source of randomness."""


class ApiKeysInvalid(Exception):
    """The file of hashed API keys can not be used."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"API keys, {where}: {detail}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is kept: its name, what it may do, its hash."""

    id: str
    role: Role
    sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the id and role of the key that was shown."""

    key_id: str
    role: Role


class ApiKeys:
    """The keys that a node accepts."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple((key.sha256, Principal(key.id, key.role)) for key in keys)
        ids = [principal.key_id for _, principal in self._keys]
        if len(set(ids)) != len(ids):
            raise ApiKeysInvalid("keys", "two keys have one id")
        if len({digest for digest, _ in self._keys}) != len(ids):
            raise ApiKeysInvalid("keys", "two entries have one hash")

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """Keys of the JSON file {"keys": [{"id", "role", "sha256"}]}. Raises ApiKeysInvalid."""
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ApiKeysInvalid(str(path), error.strerror or "can not be read") from error
        if len(raw) > MAX_FILE_BYTES:
            raise ApiKeysInvalid(str(path), f"more than {MAX_FILE_BYTES} bytes")
        return cls.from_json(raw, str(path))

    @classmethod
    def from_json(cls, raw: bytes, where: str = "document") -> ApiKeys:
        """Keys of the document's bytes; `where` is for errors. Raises ApiKeysInvalid."""
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ApiKeysInvalid(where, "not JSON") from error
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            raise ApiKeysInvalid(where, f'wants {{"keys": [...]}} with at most {MAX_KEYS} entries')
        return cls(_entry(entry, f"{where}, entry {at}") for at, entry in enumerate(entries))

    def identify(self, key: bytes) -> Principal | None:
        """Whose key this is; every hash is compared, whichever fits."""
        digest = hashlib.sha256(key).digest()
        found: Principal | None = None
        for known, principal in self._keys:
            if hmac.compare_digest(known, digest):
                found = principal
        return found

    def __repr__(self) -> str:
        return f"ApiKeys({len(self._keys)} keys)"


def _entry(entry: object, where: str) -> ApiKey:
    if not isinstance(entry, dict) or set(entry) != {"id", "role", "sha256"}:
        raise ApiKeysInvalid(where, "wants exactly id, role and sha256")
    name, role, digest = entry["id"], entry["role"], entry["sha256"]
    if not isinstance(name, str) or _KEY_ID.match(name) is None:
        raise ApiKeysInvalid(where, "id wants 1 to 63 of a-z, 0-9, '.', '_', '-'")
    if not isinstance(role, str) or role not in {known.value for known in Role}:
        allowed = ", ".join(known.value for known in Role)
        raise ApiKeysInvalid(where, f"role wants one of {allowed}")
    if not isinstance(digest, str) or _SHA256.match(digest) is None:
        raise ApiKeysInvalid(where, "sha256 wants 64 lower-case hexadecimal digits")
    return ApiKey(name, Role(role), bytes.fromhex(digest))


def generate_api_keys(
    random_bytes: RandomBytes,
) -> tuple[dict[str, str], dict[str, list[dict[str, str]]]]:
    """One new key a role: ({role: clear key} for the user, the hashed document for the node)."""
    clear: dict[str, str] = {}
    hashed: list[dict[str, str]] = []
    for role in Role:
        key = base64.urlsafe_b64encode(random_bytes(KEY_BYTES)).rstrip(b"=").decode("ascii")
        clear[role.value] = key
        digest = hashlib.sha256(key.encode("ascii")).hexdigest()
        hashed.append({"id": role.value, "role": role.value, "sha256": digest})
    return clear, {"keys": hashed}


class AttemptLimiter:
    """Counts wrong keys by client address within a fixed window."""

    def __init__(self, most: int, window_ms: int) -> None:
        self._most = most
        self._window_ms = window_ms
        self._attempts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def count(self, address: str, now_ms: int) -> int | None:
        """Note a wrong key; ms until the window ends when the address is over, else None."""
        group = address_group(address)
        start, seen = self._attempts.pop(group, (now_ms, 0))
        if now_ms - start >= self._window_ms:
            start, seen = now_ms, 0
        self._attempts[group] = (start, seen + 1)
        if len(self._attempts) > MAX_ADDRESSES:
            self._attempts.popitem(last=False)
        return start + self._window_ms - now_ms if seen >= self._most else None


def address_group(address: str) -> str:
    """An IPv4 address as it is, an IPv6 address by its /64: what one client commands."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
