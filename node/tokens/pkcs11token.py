"""Keys inside a PKCS#11 token: a session that comes back, and signers for the keys in it.

Rules: one thread talks to the token, so that calls keep their order and a session is never shared;
who waits for a signature waits for a bounded time. A session that was lost is opened again once a
call; what fails then is an error that names token and key. The PIN and secrets are in no message.
Only secp256k1 keys are taken, and each signature is checked against its key before it is used.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import Any, Final, TypeVar

from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import keccak256
from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.signing import address_of_point, recoverable
from node.keys import KeystoreError, read_private
from node.sections import Pkcs11Config

PIN_ENVIRONMENT_NAME: Final = "BULWARK_PKCS11_PIN"
MAX_PIN_BYTES: Final = 256
SECP256K1: Final = bytes.fromhex("06052b8104000a")
"""DER of the curve's object identifier, 1.3.132.0.10."""
T = TypeVar("T")


class TokenError(Exception):
    """The token or a key in it can not be used."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        self.detail = detail
        super().__init__(f"keystore.pkcs11: {where}: {detail}")


class TokenSlow(TokenError):
    """The token did not answer in time."""


def pin_from(environment: Mapping[str, str], file: Path | None) -> str:
    """The user PIN: from the environment, else from a file (0600). Raises TokenError."""
    given = environment.get(PIN_ENVIRONMENT_NAME, "")
    if not given and file is not None:
        try:
            given = read_private(file, MAX_PIN_BYTES).decode("utf-8").rstrip("\r\n")
        except KeystoreError as error:
            raise TokenError("pin_file", f"{file}: {error.detail}") from error
        except UnicodeDecodeError:
            raise TokenError("pin_file", f"{file}: is no text") from None
    if not given:
        raise TokenError("PIN", f"set {PIN_ENVIRONMENT_NAME} or keystore.pkcs11.pin_file")
    return given


class Token:
    """One logged-in session of a token."""

    def __init__(self, settings: Pkcs11Config, home: Path, environment: Mapping[str, str]) -> None:
        """Log in. Raises TokenError."""
        file = settings.pin_file
        self._pin = pin_from(environment, None if file is None else home / file)
        self._settings = settings
        self._session: Any = None
        self._keys: dict[str, Any] = {}
        self._thread = ThreadPoolExecutor(1, "bulwark-token")
        self.slowest_ms = 0.0
        """Longest time that a call took, ms, since start."""
        self.reopened = 0
        """Sessions opened after one was lost."""
        self.lost: Callable[[str], None] = lambda reason: None
        """Told, in one line, when the token did not do what a running node asked of it."""
        try:
            self.call("open", self._opened)
        except TokenError:
            self.close()
            raise

    def call(self, what: str, work: Callable[[], T]) -> T:
        """Do `work` in the token's thread and wait for it. Raises TokenError, TokenSlow."""
        started = time.monotonic()
        waiting = self._thread.submit(self._with_session, what, work)
        try:
            return waiting.result(self._settings.timeout_ms / 1000)
        except TooLate:
            waiting.cancel()
            error = TokenSlow(what, f"no answer in {self._settings.timeout_ms} ms")
            self.lost(str(error))
            raise error from None
        except TokenError as error:
            self.lost(str(error))
            raise
        finally:
            self.slowest_ms = max(self.slowest_ms, (time.monotonic() - started) * 1000)

    def signing_key(self, label: str) -> Any:
        """The private key with this label; called in the token's thread. Raises TokenError."""
        if label not in self._keys:
            self._keys[label] = self._find(label, private=True)
        return self._keys[label]

    def point_of(self, label: str) -> bytes:
        """The public key with this label (SEC 1); called in the token's thread."""
        from pkcs11 import Attribute

        key = self._find(label, private=False)
        if bytes(key[Attribute.EC_PARAMS]) != SECP256K1:
            raise TokenError(f"key {label}", "is not on secp256k1")
        point = bytes(key[Attribute.EC_POINT])
        # DER octet string of a point of 65 or 33 bytes; some tokens leave the frame out.
        framed = len(point) in (67, 35) and point[0] == 0x04 and point[1] == len(point) - 2
        return point[2:] if framed else point

    def _find(self, label: str, *, private: bool) -> Any:
        from pkcs11 import KeyType, MultipleObjectsReturned, NoSuchKey, ObjectClass

        sort = ObjectClass.PRIVATE_KEY if private else ObjectClass.PUBLIC_KEY
        name = "private" if private else "public"
        try:
            return self._session.get_key(object_class=sort, key_type=KeyType.EC, label=label)
        except NoSuchKey:
            raise TokenError(f"key {label}", f"the token has no {name} EC key of it") from None
        except MultipleObjectsReturned:
            raise TokenError(f"key {label}", f"the token has several {name} keys of it") from None

    def _with_session(self, what: str, work: Callable[[], T]) -> T:
        from pkcs11 import PKCS11Error

        try:
            if self._session is None:
                self._opened()
            return work()
        except PKCS11Error:
            self._forget()
        try:  # the session was lost, or the token restarted: once more on a fresh one
            self._opened()
            self.reopened += 1
            return work()
        except PKCS11Error as error:
            self._forget()
            raise TokenError(what, f"the token refuses ({type(error).__name__})") from None

    def _opened(self) -> None:
        """Open a session unless there is one. Raises TokenError, PKCS11Error."""
        if self._session is not None:
            return
        import pkcs11

        where, settings = f"token {self._settings.token_label}", self._settings
        try:
            library = pkcs11.lib(str(settings.module))
        except (RuntimeError, pkcs11.PKCS11Error) as error:
            detail = f"can not be loaded ({type(error).__name__})"
            raise TokenError(f"module {settings.module}", detail) from None
        try:
            token = library.get_token(token_label=settings.token_label)
            try:
                self._session = token.open(user_pin=self._pin)
            except pkcs11.UserAlreadyLoggedIn:  # logging in counts for the whole process
                self._session = token.open()
        except pkcs11.NoSuchToken:
            raise TokenError(where, "there is none with this label") from None
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise TokenError(where, "the PIN is wrong; it is not tried again") from None
        except pkcs11.PinLocked:
            raise TokenError(where, "the PIN is locked after too many wrong ones") from None

    def _forget(self) -> None:
        """Close what is left of a session, so that the next one can log in."""
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            # It may be gone already; what is wrong then shows when the next one is opened.
            with contextlib.suppress(Exception):
                session.close()

    def close(self) -> None:
        """Log out and end the thread."""
        leaving = self._thread.submit(self._forget)
        with contextlib.suppress(TooLate):
            leaving.result(self._settings.timeout_ms / 1000)
        self._thread.shutdown(wait=False)


class TokenSigner:
    """A secp256k1 key inside a token, as a Signer."""

    __slots__ = ("_label", "_token", "address")

    def __init__(self, token: Token, label: str) -> None:
        """Find the key and sign once with it, so that a wrong pair shows now. Raises TokenError."""
        self._token, self._label = token, label
        try:
            point = token.call(f"key {label}", lambda: token.point_of(label))
            self.address: Address = address_of_point(point)
        except SignatureInvalid as error:
            raise TokenError(f"key {label}", str(error)) from None
        self.sign(keccak256(b"bulwark/pkcs11/check"))

    def sign(self, digest: Digest) -> bytes:
        """65-byte low-s signature of the token's key. Raises TokenError, TokenSlow."""
        from pkcs11 import Mechanism

        def work() -> bytes:
            key = self._token.signing_key(self._label)
            return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

        raw = self._token.call(f"key {self._label}", work)
        try:
            return recoverable(digest, raw, self.address)
        except SignatureInvalid:
            detail = "the private key is not of the public key with this label"
            raise TokenError(f"key {self._label}", detail) from None

    def __repr__(self) -> str:
        return f"TokenSigner(address=0x{self.address.hex()})"
