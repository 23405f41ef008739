"""Sessions: who is logged in to the console, kept in memory only.

Rules: a session's id is 32 random bytes that only its browser holds; the node keeps their SHA-256.
A session ends when nobody used it for a while, at the end of its life, at log-out, with the node's
process, or when its key opens one too many. Its form token is another random value, compared in
constant time. ADR-0027 says why sessions are not on disk. It does not read HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

from api.auth import Principal, RandomBytes
from api.console.tray import Tray

ID_BYTES = 32
MAX_ID_CHARS = 64
MAX_TOKEN_CHARS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lives and how many there are."""

    idle_ms: int = 15 * 60_000
    """A session that nobody used for this long is over."""
    life_ms: int = 8 * 3_600_000
    """A session of this age is over, used or not."""
    most: int = 256
    """Sessions of the node; past it the one that was not used for longest ends."""
    most_of_key: int = 8
    """Sessions of one API key, so that one holder can not end those of the others."""


@dataclass(slots=True)
class Session:
    """One browser that showed a valid key."""

    principal: Principal
    token: str = field(repr=False)
    """What every form of this session has to send back."""
    began_ms: int
    used_ms: int
    tray: Tray = field(repr=False)
    """Results of its forms."""

    def has_token(self, given: str) -> bool:
        """Whether a form came from a page of this session; constant time."""
        return hmac.compare_digest(self.token.encode(), given.encode("utf-8", "replace"))


class Sessions:
    """All sessions of this process; times are monotonic milliseconds."""

    def __init__(self, random_bytes: RandomBytes, limits: Limits) -> None:
        self._random = random_bytes
        self._limits = limits
        self._open: OrderedDict[bytes, Session] = OrderedDict()
        """By the hash of their ids, the one used last at the end."""

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, principal: Principal, now_ms: int) -> str:
        """A new session; the id for its browser."""
        self._sweep(now_ms)
        own = [each for each, it in self._open.items() if it.principal.key_id == principal.key_id]
        if len(own) >= self._limits.most_of_key:
            del self._open[own[0]]
        elif len(self._open) >= self._limits.most:
            self._open.popitem(last=False)
        identity = random_text(self._random)
        token = random_text(self._random)
        self._open[_hash(identity)] = Session(principal, token, now_ms, now_ms, Tray(self._random))
        return identity

    def find(self, identity: str, now_ms: int, *, by_hand: bool = True) -> Session | None:
        """The session with this id; None when there is none or it is over.

        What a person does (`by_hand`) counts as use of it; what a page reads by itself does not.
        """
        if not 0 < len(identity) <= MAX_ID_CHARS:
            return None
        key = _hash(identity)
        session = self._open.get(key)
        if session is None:
            return None
        if self._is_over(session, now_ms):
            del self._open[key]
            return None
        if by_hand:
            session.used_ms = now_ms
            self._open.move_to_end(key)
        return session

    def end(self, identity: str) -> None:
        """Log out; nothing happens if there is no such session."""
        self._open.pop(_hash(identity), None)

    def _is_over(self, session: Session, now_ms: int) -> bool:
        idle, age = now_ms - session.used_ms, now_ms - session.began_ms
        return idle >= self._limits.idle_ms or age >= self._limits.life_ms

    def _sweep(self, now_ms: int) -> None:
        over = [key for key, session in self._open.items() if self._is_over(session, now_ms)]
        for key in over:
            del self._open[key]


class LoginForms:
    """Tokens of log-in forms, for browsers that have no session yet.

    A form holds the keyed hash of a random cookie that went out with it, so a page elsewhere can
    not log a browser in under somebody's key. Nothing is kept: the key is this process's own.
    """

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random = random_bytes

    @cached_property
    def _key(self) -> bytes:
        return self._random(ID_BYTES)

    def cookie(self) -> str:
        """A value for the cookie."""
        return random_text(self._random)

    def token(self, cookie: str) -> str:
        """What the form beside this cookie holds."""
        return hmac.new(self._key, cookie.encode("utf-8", "replace"), "sha256").hexdigest()

    def belongs(self, cookie: str, token: str) -> bool:
        """Whether a form came with this cookie; constant time."""
        if not 0 < len(cookie) <= MAX_TOKEN_CHARS:
            return False
        return hmac.compare_digest(self.token(cookie).encode(), token.encode("utf-8", "replace"))


def random_text(random_bytes: RandomBytes) -> str:
    """32 random bytes as URL-safe text."""
    return base64.urlsafe_b64encode(random_bytes(ID_BYTES)).rstrip(b"=").decode("ascii")


def _hash(identity: str) -> bytes:
    return hashlib.sha256(identity.encode("utf-8", "replace")).digest()
