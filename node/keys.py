"""A node's secret keys and the encrypted file that keeps them.

Rules: all secrets of a node live in one file (scrypt, then AES-256-GCM whose associated data is the
file's own header), readable by its owner only; a file that others can read is refused, and an
existing one is never overwritten unless asked. Writing is atomic: after a power cut there is the
old file or the new one. The layer does not know what the keys are used for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.sparekeys import KeyKind, SpareKey, read_since, read_spares, write_since, write_spares

ENVIRONMENT_NAME: Final = "BULWARK_KEYSTORE_PASSPHRASE"
FORMAT: Final = "bulwark-keystore"
VERSION: Final = 3
"""3 has keys to come and former ones beside those in use; 2 has none, and is read as well."""
_READABLE: Final = (2, VERSION)
MAX_KEYSTORE_BYTES: Final = 64 * 1024
"""A keystore is about 2 KB, with every key being rotated 6 KB; more is not read."""
MAX_PASSPHRASE_BYTES: Final = 1024
_SCRYPT_N: Final = 2**15
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 1
_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RISTRETTO_ORDER: Final = 2**252 + 27742317777372353535851937790883648493

RandomBytes = Callable[[int], bytes]
"""Gives that many random bytes: `os.urandom`, or a seeded source in tests."""


class KeystoreError(Exception):
    """The node's keys can not be read or written."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"keystore {path}: {detail}")


class KeystoreMissing(KeystoreError):
    """There is no keystore at this path."""


class KeystoreExposed(KeystoreError):
    """The file is open to other users of the machine, so its content counts as known to them."""


class KeystoreDamaged(KeystoreError):
    """The passphrase is wrong or the file was changed."""


class KeystoreUnknown(KeystoreError):
    """The file is of a format or version that this program does not read."""


class KeystoreExists(KeystoreError):
    """There is a keystore already, and overwriting was not asked for."""


class PassphraseMissing(Exception):
    """Neither the environment nor a file gives the keystore's passphrase."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"keystore passphrase: {detail}")


@dataclass(frozen=True, slots=True, repr=False)
class NodeSecrets:
    """Every secret of one node; its repr shows none of them."""

    vote_key: bytes
    """32-byte secp256k1 key of votes and of the signed hello."""
    account_key: bytes
    """32-byte secp256k1 key of the member's transactions."""
    tls_key_pem: bytes
    """EC P-256 key of the node's certificate, PKCS#8 PEM."""
    vault_key: bytes
    """32 bytes: encrypts consent receipts at rest."""
    index_key: bytes
    """32 bytes: keys the node's private look-up indexes."""
    ring_key: bytes
    """32-byte little-endian ristretto255 scalar: proves membership without saying whose."""
    sealing_key: bytes
    """32-byte X25519 key: opens what is sealed to this member."""
    regulator_key: bytes | None = None
    """32-byte scalar: a regulator's part of the opener; None on every other node."""
    spares: tuple[SpareKey, ...] = ()
    """Keys to come and former ones (docs/keys.md); empty while nothing is rotated."""
    since_ms: Mapping[KeyKind, int] = field(default_factory=dict)
    """When each key came into use, ms since 1970, as far as a rotation noted it."""

    def __post_init__(self) -> None:
        for name in ("vote_key", "account_key", "vault_key", "index_key", "sealing_key"):
            if len(getattr(self, name)) != 32:
                raise ValueError(f"{name}: {len(getattr(self, name))} bytes given, 32 needed")
        for name in ("vote_key", "account_key"):
            if not 0 < int.from_bytes(getattr(self, name), "big") < _SECP256K1_ORDER:
                raise ValueError(f"{name} is outside [1, group order)")
        for name in ("ring_key", "regulator_key"):
            scalar = getattr(self, name)
            if scalar is not None:
                _check_scalar(name, scalar)
                if not any(scalar):
                    raise ValueError(f"{name} is zero")
        _load_tls_key(self.tls_key_pem)
        for spare in self.spares:
            if spare.kind is KeyKind.TLS:
                _load_tls_key(spare.secret)

    def __repr__(self) -> str:
        return "NodeSecrets(keys hidden)"

    @classmethod
    def generate(
        cls,
        random_bytes: RandomBytes = os.urandom,
        *,
        is_regulator: bool = False,
    ) -> NodeSecrets:
        """Fresh keys; shares of the members' keys come from ceremonies and are kept elsewhere."""
        return cls(
            vote_key=_scalar(random_bytes, _SECP256K1_ORDER).to_bytes(32, "big"),
            account_key=_scalar(random_bytes, _SECP256K1_ORDER).to_bytes(32, "big"),
            tls_key_pem=generate_tls_key(random_bytes),
            vault_key=random_bytes(32),
            index_key=random_bytes(32),
            ring_key=_scalar(random_bytes, _RISTRETTO_ORDER).to_bytes(32, "little"),
            sealing_key=random_bytes(32),
            regulator_key=(
                _scalar(random_bytes, _RISTRETTO_ORDER).to_bytes(32, "little")
                if is_regulator
                else None
            ),
        )

    def tls_public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half of the TLS key, for `pki.issue`."""
        return _load_tls_key(self.tls_key_pem).public_key()

    def save(
        self,
        path: Path,
        passphrase: bytes,
        *,
        overwrite: bool = False,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        """Write the encrypted file (0600), atomically; the folder must exist.

        Raises KeystoreExists, or KeystoreError when the file system refuses.
        """
        header: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            "kdf": {
                "name": "scrypt",
                "n": _SCRYPT_N,
                "r": _SCRYPT_R,
                "p": _SCRYPT_P,
                "salt": random_bytes(32).hex(),
            },
            "cipher": {"name": "AES-256-GCM", "nonce": random_bytes(12).hex()},
        }
        sealed = _cipher(header, passphrase).encrypt(
            _nonce(header), self._plaintext(), _canonical(header)
        )
        document = {**header, "ciphertext": base64.b64encode(sealed).decode("ascii")}
        data = json.dumps(document, indent=1).encode("ascii") + b"\n"
        write_private(path, data, overwrite=overwrite)

    @classmethod
    def load(cls, path: Path, passphrase: bytes) -> NodeSecrets:
        """Read and open the file. Raises a KeystoreError that says which of its rules failed."""
        header, sealed = _parse(path, read_private(path, MAX_KEYSTORE_BYTES))
        try:
            plain = _cipher(header, passphrase).decrypt(_nonce(header), sealed, _canonical(header))
        except InvalidTag as error:
            raise KeystoreDamaged(path, "the passphrase is wrong or the file damaged") from error
        try:
            return cls._from_plaintext(plain)
        except (ValueError, KeyError, TypeError) as error:
            # The cause is dropped: a JSON error quotes the text that it could not read.
            raise KeystoreDamaged(path, f"bad content ({type(error).__name__})") from None

    def _plaintext(self) -> bytes:
        document = {
            "vote_key": self.vote_key.hex(),
            "account_key": self.account_key.hex(),
            "tls_key_pem": self.tls_key_pem.decode("ascii"),
            "vault_key": self.vault_key.hex(),
            "index_key": self.index_key.hex(),
            "ring_key": self.ring_key.hex(),
            "sealing_key": self.sealing_key.hex(),
            "regulator_key": None if self.regulator_key is None else self.regulator_key.hex(),
            "spares": write_spares(self.spares),
            "since_ms": write_since(self.since_ms),
        }
        return json.dumps(document).encode("ascii")

    @classmethod
    def _from_plaintext(cls, plain: bytes) -> NodeSecrets:
        document = json.loads(plain)
        regulator = document["regulator_key"]
        return cls(
            vote_key=bytes.fromhex(document["vote_key"]),
            account_key=bytes.fromhex(document["account_key"]),
            tls_key_pem=document["tls_key_pem"].encode("ascii"),
            vault_key=bytes.fromhex(document["vault_key"]),
            index_key=bytes.fromhex(document["index_key"]),
            ring_key=bytes.fromhex(document["ring_key"]),
            sealing_key=bytes.fromhex(document["sealing_key"]),
            regulator_key=None if regulator is None else bytes.fromhex(regulator),
            spares=read_spares(document.get("spares", [])),
            since_ms=read_since(document.get("since_ms", {})),
        )


def generate_tls_key(random_bytes: RandomBytes = os.urandom) -> bytes:
    """A fresh EC P-256 key as PKCS#8 PEM."""
    key = ec.derive_private_key(_scalar(random_bytes, _P256_ORDER), ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def passphrase_from(environment: Mapping[str, str], file: Path | None = None) -> bytes:
    """The keystore's passphrase: from the environment if it has one, else from `file` (0600).

    Raises PassphraseMissing, or a KeystoreError about the file.
    """
    given = os.fsencode(environment.get(ENVIRONMENT_NAME, ""))
    source = ENVIRONMENT_NAME
    if not given and file is not None:
        given = read_private(file, MAX_PASSPHRASE_BYTES).rstrip(b"\r\n")
        source = str(file)
    if not given:
        raise PassphraseMissing(f"{source} is empty; set {ENVIRONMENT_NAME} or name a file")
    return given


def write_private(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write a 0600 file so that after a crash there is all of it or none of it.

    Raises KeystoreExists, KeystoreError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike rename, fails when the name is taken
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as error:
        raise KeystoreExists(path, "there is a file already") from error
    except OSError as error:
        raise KeystoreError(path, f"can not write: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_private(path: Path, most: int) -> bytes:
    """Content of a file that only its owner may read, at most `most` bytes.

    Raises KeystoreMissing, KeystoreExposed, KeystoreUnknown (too long), KeystoreError.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise KeystoreExposed(path, f"mode is {mode:04o}, 0600 needed (chmod 600)")
            data = stream.read(most + 1)
    except FileNotFoundError as error:
        raise KeystoreMissing(path, "no such file") from error
    except OSError as error:
        raise KeystoreError(path, f"can not read: {error.strerror}") from error
    if len(data) > most:
        raise KeystoreUnknown(path, f"over {most} bytes long")
    return data


def _check_scalar(name: str, scalar: bytes) -> None:
    if len(scalar) != 32 or int.from_bytes(scalar, "little") >= _RISTRETTO_ORDER:
        raise ValueError(f"{name} is not a canonical 32-byte scalar")


def _scalar(random_bytes: RandomBytes, order: int) -> int:
    """Uniform in [1, order) up to a bias of 2**-128."""
    return int.from_bytes(random_bytes(48), "big") % (order - 1) + 1


def _load_tls_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise ValueError("tls_key_pem is not an unencrypted PEM key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("tls_key_pem is not an EC P-256 key")
    return key


def _parse(path: Path, data: bytes) -> tuple[dict[str, object], bytes]:
    """Split a keystore into its header and ciphertext; checks every header field."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise KeystoreDamaged(path, "not JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise KeystoreUnknown(path, f"not a {FORMAT} file")
    if document.get("version") not in _READABLE:
        raise KeystoreUnknown(
            path, f"version {document.get('version')!r:.20}, this program reads 2 and {VERSION}"
        )
    header = {name: document.get(name) for name in ("format", "version", "kdf", "cipher")}
    try:
        kdf, cipher = document["kdf"], document["cipher"]
        # Only the parameters that save() writes: a file can not ask for gigabytes of scrypt.
        fixed = (kdf["name"], kdf["n"], kdf["r"], kdf["p"], cipher["name"])
        lengths = (len(bytes.fromhex(kdf["salt"])), len(bytes.fromhex(cipher["nonce"])))
        sealed = base64.b64decode(document["ciphertext"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise KeystoreDamaged(path, f"header field {error}") from error
    if fixed != ("scrypt", _SCRYPT_N, _SCRYPT_R, _SCRYPT_P, "AES-256-GCM") or lengths != (32, 12):
        raise KeystoreUnknown(path, "key derivation or cipher is not the one of this version")
    return header, sealed


def _cipher(header: dict[str, object], passphrase: bytes) -> AESGCM:
    kdf = cast("dict[str, str]", header["kdf"])
    key = hashlib.scrypt(
        passphrase,
        salt=bytes.fromhex(kdf["salt"]),
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        maxmem=256 * _SCRYPT_N * _SCRYPT_R,
        dklen=32,
    )
    return AESGCM(key)


def _nonce(header: dict[str, object]) -> bytes:
    return bytes.fromhex(cast("dict[str, str]", header["cipher"])["nonce"])


def _canonical(header: dict[str, object]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
