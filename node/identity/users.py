"""The users file: which client certificate is which user, and in which role.

Layout (TOML): tables `[[certificate]]` with user, role and exactly one of `spki_sha256` (pin of the
public key: SHA-256 of its SubjectPublicKeyInfo, hex), `san` (`dns:`, `uri:` or `email:` and the
whole name) or `subject` (RFC 4514 text). Rules: a pin goes before a name; names are compared whole,
without wildcards; no two rules may be the same. That a certificate is of the right authority was
checked by TLS. Parsing is pure; the clock is handed in.
"""

from __future__ import annotations

import re
import tomllib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct
from msgspec.structs import replace

from node.identity.principal import IdentityInvalid, Principal, Via, Why
from node.service import Role

MAX_FILE_BYTES: Final = 256 * 1024
MAX_RULES: Final = 1_024
MAX_CACHED: Final = 1_024
MAX_CERTIFICATE_BYTES: Final = 64 * 1024
_USER: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}\Z")
_PIN: Final = re.compile(r"[0-9a-f]{64}\Z")
_SAN: Final = re.compile(r"(dns|uri|email):[!-~]{1,250}\Z")
_BY: Final = ("spki_sha256", "san", "subject")


class _Known(Struct, frozen=True):
    """What a certificate came to, and when it is valid."""

    principal: Principal | None
    serial: int
    issuer: bytes
    from_ms: int
    until_ms: int


class Users:
    """Certificates to users."""

    def __init__(
        self, rules: Mapping[tuple[str, str], Principal], revoked: Iterable[tuple[bytes, int]] = ()
    ) -> None:
        """`rules`: (kind, value) to who it is; `revoked`: issuer (DER) and serial number."""
        self.rules = dict(rules)
        self._revoked = frozenset(revoked)
        self._seen: OrderedDict[bytes, _Known] = OrderedDict()

    @classmethod
    def load(cls, path: Path | None, revoked: Iterable[tuple[bytes, int]] = ()) -> Users:
        """Users of a file, none without one. Raises IdentityInvalid."""
        if path is None:
            return cls({}, revoked)
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise IdentityInvalid(str(path), error.strerror or "can not be read") from error
        if len(raw) > MAX_FILE_BYTES:
            raise IdentityInvalid(str(path), f"more than {MAX_FILE_BYTES} bytes")
        try:
            document = tomllib.loads(raw.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise IdentityInvalid(str(path), f"not TOML: {error}") from error
        return cls(_rules(document, str(path)), revoked)

    def __len__(self) -> int:
        return len(self.rules)

    def admit(self, der: bytes, now_ms: int) -> Principal | Why:
        """Who shows this certificate, or why nobody does at this time."""
        known = self._seen.get(der)
        if known is None:
            known = self._seen[der] = self._look(der)
            if len(self._seen) > MAX_CACHED:
                self._seen.popitem(last=False)
        if not known.from_ms <= now_ms < known.until_ms:
            return Why.CERTIFICATE_EXPIRED
        if (known.issuer, known.serial) in self._revoked:
            return Why.CERTIFICATE_REVOKED
        if known.principal is None:
            return Why.NO_USER
        return replace(known.principal, expires_ms=known.until_ms)

    def has(self, who: Principal) -> bool:
        """Whether some rule still names this user in this role."""
        return any(
            rule.key_id == who.key_id and rule.role is who.role for rule in self.rules.values()
        )

    def _look(self, der: bytes) -> _Known:
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = list(names_of(certificate))
        except (ValueError, x509.DuplicateExtension):  # one that TLS took and we can not read
            return _Known(None, 0, b"", 0, 1 << 62)
        found = next((self.rules[name] for name in names if name in self.rules), None)
        return _Known(
            found,
            certificate.serial_number,
            certificate.issuer.public_bytes(),
            int(certificate.not_valid_before_utc.timestamp() * 1000),
            int(certificate.not_valid_after_utc.timestamp() * 1000),
        )


def names_of(certificate: x509.Certificate) -> Iterable[tuple[str, str]]:
    """What rules may name a certificate by, the pin first. Raises ValueError."""
    yield "spki_sha256", spki_pin(certificate)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        for name in found:
            if isinstance(name, x509.DNSName):
                yield "san", f"dns:{name.value.lower()}"
            elif isinstance(name, x509.UniformResourceIdentifier):
                yield "san", f"uri:{name.value}"
            elif isinstance(name, x509.RFC822Name):
                yield "san", f"email:{name.value.lower()}"
    yield "subject", certificate.subject.rfc4514_string()


def spki_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex: stays when a certificate is renewed by its key."""
    key = certificate.public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _rules(document: Mapping[str, object], where: str) -> dict[tuple[str, str], Principal]:
    tables = document.get("certificate", [])
    if document.keys() - {"certificate"} or not isinstance(tables, list):
        raise IdentityInvalid(where, "wants tables [[certificate]] and nothing else")
    if len(tables) > MAX_RULES:
        raise IdentityInvalid(where, f"more than {MAX_RULES} rules")
    rules: dict[tuple[str, str], Principal] = {}
    for at, table in enumerate(tables):
        name, principal = _rule(table, f"{where}, certificate {at}")
        if name in rules:
            raise IdentityInvalid(f"{where}, certificate {at}", "an earlier rule is the same")
        rules[name] = principal
    return rules


def _rule(table: object, where: str) -> tuple[tuple[str, str], Principal]:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise IdentityInvalid(where, "wants texts only")
    by = [name for name in _BY if name in table]
    if len(by) != 1 or table.keys() != {"user", "role", by[0]}:
        raise IdentityInvalid(where, f"wants user, role and exactly one of {', '.join(_BY)}")
    if _USER.match(table["user"]) is None:
        raise IdentityInvalid(where, "user wants 1 to 63 of a-z, 0-9, '.', '_', '@', '-'")
    if table["role"] not in {role.value for role in Role}:
        allowed = ", ".join(role.value for role in Role)
        raise IdentityInvalid(where, f"role wants one of {allowed}")
    value = table[by[0]]
    if by[0] == "spki_sha256":
        value = value.lower().replace(":", "")
        if _PIN.match(value) is None:
            raise IdentityInvalid(where, "spki_sha256 wants 64 hexadecimal digits")
    elif by[0] == "san":
        if _SAN.match(value) is None or "*" in value:
            raise IdentityInvalid(where, "san wants dns:, uri: or email: and a whole name")
        if not value.startswith("uri:"):
            value = value.lower()
    elif not 1 <= len(value) <= 500:
        raise IdentityInvalid(where, "subject wants RFC 4514 text, as CN=desk,O=North Bank")
    who = Principal(f"cert:{table['user']}", Role(table["role"]), Via.CERTIFICATE)
    return (by[0], value), who
