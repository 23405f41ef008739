"""API keys as they are kept: hashes with roles and bounds, and the table that finds one.

Rules: a key is 32 random bytes in URL-safe base64, so one SHA-256 is enough at rest. A key is found
by a keyed hash of its digest, under a secret that each process draws anew: the time it takes says
nothing about a digest and does not grow with the number of keys. A rotated key's old hash holds
until the end of the overlap. A revoked key stays in the file, so that its id names nobody else.
Files of the first form (id, role, sha256) load as before. It reads no file and no clock.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from node.identity.principal import Principal, RateLimit, Why
from node.service import Role

KEY_BYTES: Final = 32
MAX_KEYS: Final = 256
"""Keys that are not revoked."""
MAX_ENTRIES: Final = 1_024
"""Entries of a file, revoked ones included."""
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_NETWORKS: Final = 16
MAX_LABEL_CHARS: Final = 100
KEY_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_NEEDED: Final = frozenset(("id", "role", "sha256"))
_ALLOWED: Final = _NEEDED | {
    "label", "created", "expires", "revoked", "networks", "limit", "previous",
}  # fmt: skip
_LIMITS: Final = ("per_second", "burst", "rows_per_second", "row_burst")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
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
    """One key as it is kept: its name, what it may do, its hash; times are ms since 1970."""

    id: str
    role: Role
    sha256: bytes = field(repr=False)
    label: str = ""
    created_ms: int | None = None
    expires_ms: int | None = None
    revoked_ms: int | None = None
    networks: tuple[Network, ...] = ()
    """Where it may be used from; empty: from everywhere."""
    limit: RateLimit | None = None
    """Its own bounds; None: those of its role."""
    previous: bytes | None = field(default=None, repr=False)
    """Hash of the key before the last rotation."""
    previous_until_ms: int = 0
    """When that one ends to be taken."""

    @property
    def principal(self) -> Principal:
        """Who shows it."""
        return Principal(self.id, self.role, expires_ms=self.expires_ms)

    def refusal(self, digest: bytes, client: str, now_ms: int) -> Why | None:
        """Why it is not taken now with this digest from this address; None if it is."""
        if self.revoked_ms is not None:
            return Why.REVOKED
        if self.expires_ms is not None and now_ms >= self.expires_ms:
            return Why.EXPIRED
        if digest == self.previous and now_ms >= self.previous_until_ms:
            return Why.EXPIRED
        if self.networks and not self.is_from_here(client):
            return Why.NETWORK
        return None

    def is_from_here(self, client: str) -> bool:
        """Whether an address is in one of its networks."""
        try:
            address = ipaddress.ip_address(client.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)

    def document(self) -> dict[str, object]:
        """Its entry in the file."""
        shown: dict[str, object] = {
            "id": self.id,
            "role": self.role.value,
            "sha256": self.sha256.hex(),
        }
        if self.label:
            shown["label"] = self.label
        for name, value in (
            ("created", self.created_ms),
            ("expires", self.expires_ms),
            ("revoked", self.revoked_ms),
        ):
            if value is not None:
                shown[name] = instant(value)
        if self.networks:
            shown["networks"] = [str(network) for network in self.networks]
        if self.limit is not None:
            shown["limit"] = limit_document(self.limit)
        if self.previous is not None:
            until = instant(self.previous_until_ms)
            shown["previous"] = {"sha256": self.previous.hex(), "until": until}
        return shown


class ApiKeys:
    """The keys that a node accepts, found without comparing them one by one."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        """Raises ApiKeysInvalid for two keys with one id or one hash, and for too many."""
        self.entries: tuple[ApiKey, ...] = tuple(keys)
        self._secret = secrets.token_bytes(KEY_BYTES)
        self._by_id = {key.id: key for key in self.entries}
        self._by_hash: dict[bytes, tuple[ApiKey, Principal]] = {}
        if len(self._by_id) != len(self.entries):
            raise ApiKeysInvalid("keys", "two keys have one id")
        if sum(key.revoked_ms is None for key in self.entries) > MAX_KEYS:
            raise ApiKeysInvalid("keys", f"more than {MAX_KEYS} keys that are not revoked")
        for key in self.entries:
            for digest in (key.sha256, key.previous):
                if digest is None:
                    continue
                blinded = self._blinded(digest)
                if blinded in self._by_hash:
                    raise ApiKeysInvalid("keys", "two entries have one hash")
                self._by_hash[blinded] = (key, key.principal)

    @classmethod
    def load(cls, path: Path) -> ApiKeys:
        """Keys of the JSON file {"keys": [{"id", "role", "sha256"}]}. Raises ApiKeysInvalid."""
        return cls.from_json(read_key_file(path), str(path))

    @classmethod
    def from_json(cls, raw: bytes, where: str = "document") -> ApiKeys:
        """Keys of the document's bytes; `where` is for errors. Raises ApiKeysInvalid."""
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ApiKeysInvalid(where, "not JSON") from error
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
            raise ApiKeysInvalid(where, f'wants {{"keys": [...]}} with at most {MAX_ENTRIES}')
        return cls(parse_entry(entry, f"{where}, entry {at}") for at, entry in enumerate(entries))

    def to_json(self) -> bytes:
        """The document's bytes."""
        entries = [key.document() for key in self.entries]
        return orjson.dumps({"keys": entries}, option=orjson.OPT_INDENT_2) + b"\n"

    def admit(self, key: bytes, client: str, now_ms: int) -> Principal | Why:
        """Whose key this is, or why it is not taken from this address at this time."""
        digest = hashlib.sha256(key).digest()
        found = self._by_hash.get(self._blinded(digest))
        if found is None:
            return Why.UNKNOWN
        entry, principal = found
        return entry.refusal(digest, client, now_ms) or principal

    def identify(self, key: bytes) -> Principal | None:
        """Whose key this is, wherever and whenever it is shown; None for unknown and revoked."""
        found = self._by_hash.get(self._blinded(hashlib.sha256(key).digest()))
        return None if found is None or found[0].revoked_ms is not None else found[1]

    def get(self, key_id: str) -> ApiKey | None:
        """The entry with an id."""
        return self._by_id.get(key_id)

    def with_entry(self, key: ApiKey) -> ApiKeys:
        """The same keys with one added or in the place of the one with its id."""
        if key.id in self._by_id:
            return ApiKeys(key if each.id == key.id else each for each in self.entries)
        return ApiKeys((*self.entries, key))

    def _blinded(self, digest: bytes) -> bytes:
        return hashlib.sha256(self._secret + digest).digest()

    def __repr__(self) -> str:
        return f"ApiKeys({len(self.entries)} keys)"


def read_key_file(path: Path) -> bytes:
    """The bytes of a key file. Raises ApiKeysInvalid."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ApiKeysInvalid(str(path), error.strerror or "can not be read") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ApiKeysInvalid(str(path), f"more than {MAX_FILE_BYTES} bytes")
    return raw


def parse_entry(entry: object, where: str) -> ApiKey:
    """One entry of the file. Raises ApiKeysInvalid."""
    if not isinstance(entry, dict) or not _NEEDED <= entry.keys() <= _ALLOWED:
        allowed = ", ".join(sorted(_ALLOWED - _NEEDED))
        raise ApiKeysInvalid(where, f"wants id, role and sha256; may have {allowed}")
    name, role = entry["id"], entry["role"]
    if not isinstance(name, str) or KEY_ID.match(name) is None:
        raise ApiKeysInvalid(where, "id wants 1 to 63 of a-z, 0-9, '.', '_', '-'")
    if not isinstance(role, str) or role not in {known.value for known in Role}:
        allowed = ", ".join(known.value for known in Role)
        raise ApiKeysInvalid(where, f"role wants one of {allowed}")
    key = ApiKey(name, Role(role), _digest(entry["sha256"], where))
    previous = entry.get("previous")
    if previous is not None:
        if not isinstance(previous, dict) or previous.keys() != {"sha256", "until"}:
            raise ApiKeysInvalid(where, "previous wants exactly sha256 and until")
        until = parse_instant(previous["until"], "previous.until", where)
        digest = _digest(previous["sha256"], where)
        key = replace(key, previous=digest, previous_until_ms=until)
    created, expires, revoked = (
        None if entry.get(name) is None else parse_instant(entry[name], name, where)
        for name in ("created", "expires", "revoked")
    )
    return replace(
        key,
        label=parse_label(entry.get("label", ""), where),
        networks=parse_networks(entry.get("networks", []), where),
        limit=None if entry.get("limit") is None else parse_limit(entry["limit"], where),
        created_ms=created,
        expires_ms=expires,
        revoked_ms=revoked,
    )


def parse_label(given: object, where: str) -> str:
    """What a person wrote beside a key: one printable line. Raises ApiKeysInvalid."""
    is_line = isinstance(given, str) and len(given) <= MAX_LABEL_CHARS and given.isprintable()
    if not is_line:
        detail = f"label wants one line of at most {MAX_LABEL_CHARS} printable characters"
        raise ApiKeysInvalid(where, detail)
    return str(given)


def parse_networks(given: object, where: str) -> tuple[Network, ...]:
    """Networks in CIDR notation, or single addresses. Raises ApiKeysInvalid."""
    if not isinstance(given, list | tuple) or len(given) > MAX_NETWORKS:
        raise ApiKeysInvalid(where, f"networks wants a list of at most {MAX_NETWORKS}")
    try:
        return tuple(ipaddress.ip_network(str(each)) for each in given)
    except ValueError as error:
        detail = "networks wants CIDR notation without host bits, as 10.1.0.0/16 or 2001:db8::/32"
        raise ApiKeysInvalid(where, detail) from error


def parse_limit(given: object, where: str) -> RateLimit:
    """Bounds of a key: positive numbers by their names. Raises ApiKeysInvalid."""
    if not isinstance(given, Mapping) or not given.keys() <= set(_LIMITS):
        raise ApiKeysInvalid(where, f"limit wants some of {', '.join(_LIMITS)}")
    for name, value in given.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_count = name not in ("burst", "row_burst") or isinstance(value, int)
        if not is_number or not is_count or not 0 < value <= 1e9:
            raise ApiKeysInvalid(where, f"limit.{name} wants a number over 0, at most 10^9")
    numbers: dict[str, Any] = dict(given)
    return RateLimit(**numbers)


def limit_document(limit: RateLimit) -> dict[str, object]:
    """Bounds by their names, without those that are open."""
    found = {name: getattr(limit, name) for name in _LIMITS}
    return {name: value for name, value in found.items() if value is not None}


def instant(ms: int) -> str:
    """A moment as RFC 3339 text in UTC, whole seconds."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(given: object, name: str, where: str) -> int:
    """A moment in RFC 3339 with its zone as ms since 1970. Raises ApiKeysInvalid."""
    detail = f"{name} wants a time with its zone, as 2027-01-31T12:00:00Z"
    if not isinstance(given, str) or len(given) > 40:
        raise ApiKeysInvalid(where, detail)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise ApiKeysInvalid(where, detail) from error
    if moment.tzinfo is None:
        raise ApiKeysInvalid(where, detail)
    return int(moment.timestamp() * 1000)


def new_key(random_bytes: RandomBytes) -> tuple[str, bytes]:
    """A fresh clear key and its SHA-256."""
    clear = base64.urlsafe_b64encode(random_bytes(KEY_BYTES)).rstrip(b"=").decode("ascii")
    return clear, hashlib.sha256(clear.encode("ascii")).digest()


def generate_api_keys(
    random_bytes: RandomBytes,
) -> tuple[dict[str, str], dict[str, list[dict[str, str]]]]:
    """One new key a role: ({role: clear key} for the user, the hashed document for the node)."""
    clear: dict[str, str] = {}
    hashed: list[dict[str, str]] = []
    for role in Role:
        key, digest = new_key(random_bytes)
        clear[role.value] = key
        hashed.append({"id": role.value, "role": role.value, "sha256": digest.hex()})
    return clear, {"keys": hashed}


def _digest(given: object, where: str) -> bytes:
    if not isinstance(given, str) or _SHA256.match(given) is None:
        raise ApiKeysInvalid(where, "sha256 wants 64 lower-case hexadecimal digits")
    return bytes.fromhex(given)
