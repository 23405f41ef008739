"""The identity desk: who comes in, keys at run time, and what of both the access log gets.

Rules: what is in force is one state that a reload replaces whole; whatever fails before leaves the
old one. Keys changed in the file, by whoever, are noticed within POLL_S and stand in the access log
as changes of `local`, those that were made while the node was stopped too. Log-ins that were
refused are counted and written once a minute at most, each way in by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

from bulwark.ledger.accesslog import AccessKind
from node.clock import Clock
from node.config import NodeConfig
from node.identity.apikey import ApiKey, ApiKeys, ApiKeysInvalid
from node.identity.keyfile import KeyFile, Wish
from node.identity.keyuse import KeyMemory
from node.identity.limits import RateLimiter
from node.identity.port import KeyView, KeyWish, LogIn, NewKey, ProviderView, Reloaded
from node.identity.principal import Principal, RateLimit, TokenRefused, Via, Why
from node.identity.refusals import Refusals
from node.identity.state import State, changed_rules, make_state
from node.keys import KeystoreError
from node.logs import Log
from node.service import Caller, Conflict, NotFound, Role, Unavailable
from node.storage.errors import StorageError

POLL_S: Final = 0.5
WRITE_EVERY: Final = 60
"""Polls between two writes of when keys were last used."""
LOCAL: Final = Caller("local", Role.ADMIN)
"""Who changes a file on this machine: somebody with the node's own rights."""
T = TypeVar("T")

log = Log("identity")


class AdminLog(Protocol):
    """Port: the access log of this member."""

    def administering(
        self,
        who: str,
        role: str,
        action: str,
        subject: str = "",
        *,
        kind: AccessKind = AccessKind.ADMINISTRATION,
        count: int = 1,
    ) -> None:
        """Note something that is done to this node. Raises StoreWriteFailed."""
        ...


class IdentityDesk:
    """See the module; implements Identities and ApiKeyService."""

    def __init__(
        self, home: Path, config: NodeConfig, access: AdminLog, memory: KeyMemory, clock: Clock
    ) -> None:
        """Raises ApiKeysInvalid, IdentityInvalid."""
        self._home = home
        self._access = access
        self._clock = clock
        self._memory = memory
        self._refusals = Refusals(self._note_refused)
        self._limiter = RateLimiter(self._now_s)
        self._stamp = (0, 0, 0)
        self._broken: str | None = None
        self._is_told = False
        self._reload: Callable[[Caller], Awaitable[Reloaded]] | None = None
        self._editing = asyncio.Lock()
        self.state = self.prepare(config)
        self._enter(self.state)

    def _now_s(self) -> float:
        return self._clock.now_ms() / 1000

    # What is in force

    def prepare(self, config: NodeConfig) -> State:
        """The state of a configuration and the files it names, not in force yet.

        Raises ApiKeysInvalid, IdentityInvalid.
        """
        before = getattr(self, "state", None)
        return make_state(self._home, config, self._clock, before)

    def apply(self, state: State, by: Caller) -> list[str]:
        """Put a prepared state in force; what of its files changed, in words.

        Raises StoreWriteFailed.
        """
        before = self.state
        self._enter(state)
        told = [f"API keys: {text}" for text in self._tell_keys(by)]
        for text in changed_rules(before.users, state.users):
            self._access.administering(by.key_id, by.role, "users.changed", text)
            told.append(f"users: {text}")
        if before.config.oidc.roles != state.config.oidc.roles:
            text = ", ".join(f"{rule.value} is {rule.role}" for rule in state.config.oidc.roles)
            self._access.administering(by.key_id, by.role, "oidc.roles.changed", text)
        return told

    def _enter(self, state: State) -> None:
        self.state = state
        self._file = KeyFile(self._home / state.config.http.api_keys)
        self._stamp = self._file.stamp()
        limits = state.config.limits
        self._limiter.configure(limits.by_role(), RateLimit(limits.open_per_second))

    def reload_with(self, reload: Callable[[Caller], Awaitable[Reloaded]]) -> None:
        """Tell it how everything is reloaded."""
        self._reload = reload

    async def run(self) -> None:
        """Notice changes of the file, write what is due; until cancelled.

        First the access log is told what changed while the node was stopped. A store that fails
        ends the node by its own watch.
        """
        with contextlib.suppress(StorageError):
            self._tell_keys(LOCAL)
            polls = 0
            try:
                while True:
                    await asyncio.sleep(POLL_S)
                    polls += 1
                    self.look()
                    self._refusals.tell_due(self._now_s())
                    if polls % WRITE_EVERY == 0:
                        self._memory.write()
                        if self.state.provider is not None:
                            await self.state.provider.refresh()
            finally:
                self._memory.write()

    def look(self) -> None:
        """Take over the key file if it changed; a broken one changes nothing."""
        stamp = self._file.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            keys = ApiKeys.load(self._file.path)
        except ApiKeysInvalid as error:
            if self._broken != error.detail:
                log.error("key file can not be used, the keys before hold", reason=error.detail)
            self._broken = error.detail
            return
        self._broken = None
        self._take(keys, LOCAL)

    def _take(self, keys: ApiKeys, by: Caller) -> None:
        if not self._is_told:
            self._tell_keys(LOCAL)  # what was there before this change
        now = self.state
        self.state = State(
            now.config, keys, now.users, now.tls, now.secret,
            now.provider, now.tokens, now.log_in, now.stamp,
        )  # fmt: skip
        self._tell_keys(by)

    def _tell_keys(self, by: Caller) -> list[str]:
        told = []
        self._is_told = True
        for action, name in self._memory.changes(self.state.keys):
            self._access.administering(by.key_id, by.role, action, name)
            log.info(action, key=name, by=by.key_id)
            told.append(f"{name} {action.rpartition('.')[2]}")
        return told

    # Identities

    @property
    def limiter(self) -> RateLimiter:
        """See Identities."""
        return self._limiter

    @property
    def log_in(self) -> LogIn | None:
        """See Identities."""
        return self.state.log_in

    def key(self, key: bytes, client: str) -> Principal | Why:
        """See Identities."""
        now_ms = self._clock.wall_ms()
        found = self.state.keys.admit(key, client, now_ms)
        if isinstance(found, Principal):
            self._memory.used(found.key_id, now_ms)
        return found

    def certificate(self, der: bytes) -> Principal | Why:
        """See Identities."""
        return self.state.users.admit(der, self._clock.wall_ms())

    async def token(self, given: bytes) -> Principal:
        """See Identities."""
        if self.state.tokens is None:
            raise TokenRefused(Why.UNKNOWN.value)
        return await self.state.tokens.admit(given)

    def is_current(self, who: Principal) -> bool:
        """See Identities."""
        now_ms = self._clock.wall_ms()
        if who.expires_ms is not None and now_ms >= who.expires_ms:
            return False
        if who.via is Via.CERTIFICATE:
            return self.state.users.has(who)
        if who.via is Via.TOKEN:
            return who.stamp == self.state.stamp
        key = self.state.keys.get(who.key_id)
        return key is not None and key.role is who.role and _is_live(key, now_ms)

    def own_limit(self, who: Principal) -> RateLimit | None:
        """See Identities."""
        if who.via is not Via.KEY:
            return None
        key = self.state.keys.get(who.key_id)
        return None if key is None else key.limit

    def logged_in(self, who: Principal, how: str) -> None:
        """See Identities."""
        self._access.administering(who.key_id, who.role, how, kind=AccessKind.LOG_IN)

    def refused(self, how: str, client: str) -> None:
        """See Identities."""
        self._refusals.add(how, client, self._now_s())

    def administered(self, who: Principal, action: str, subject: str) -> None:
        """See Identities."""
        self._access.administering(who.key_id, who.role, action, subject)

    def _note_refused(self, how: str, client: str, count: int) -> None:
        kind = AccessKind.REFUSED_LOG_IN
        self._access.administering("", "", how, client, kind=kind, count=count)

    # ApiKeyService

    def provider_view(self) -> ProviderView:
        """See ApiKeyService."""
        oidc = self.state.config.oidc
        return ProviderView(
            oidc.issuer,
            oidc.audience,
            oidc.role_claim,
            tuple((rule.value, Role(rule.role)) for rule in oidc.roles),
            self.state.log_in is not None,
            len(self.state.users),
        )

    def key_views(self) -> Sequence[KeyView]:
        """See ApiKeyService."""
        return [self._view(key) for key in self.state.keys.entries]

    def key_view(self, key_id: str) -> KeyView:
        """See ApiKeyService."""
        key = self.state.keys.get(key_id)
        if key is None:
            raise NotFound(f"there is no key {key_id!r}")
        return self._view(key)

    async def create(self, wish: KeyWish, by: Caller) -> NewKey:
        """See ApiKeyService."""
        asked = Wish(
            wish.role, wish.id, wish.label, wish.expires_ms, tuple(wish.networks), wish.limit
        )
        now_ms = self._clock.wall_ms()
        async with self._editing:
            keys, key, clear = await _edited(lambda: self._file.create(asked, now_ms))
            self._edited(keys, by)
        return NewKey(self._view(key), clear)

    async def rotate(
        self, key_id: str, overlap_ms: int, expires_ms: int | None, by: Caller
    ) -> NewKey:
        """See ApiKeyService."""
        now_ms = self._clock.wall_ms()
        async with self._editing:
            keys, key, clear = await _edited(
                lambda: self._file.rotate(key_id, overlap_ms, now_ms, expires_ms)
            )
            self._edited(keys, by)
        return NewKey(self._view(key), clear)

    async def revoke(self, key_id: str, by: Caller) -> KeyView:
        """See ApiKeyService."""
        now_ms = self._clock.wall_ms()
        known = self.state.keys.get(key_id)
        is_other = (
            key.role is Role.ADMIN and key.id != key_id and _is_live(key, now_ms)
            for key in self.state.keys.entries
        )
        if known is not None and known.role is Role.ADMIN and not any(is_other):
            raise Conflict("the last key of an administrator goes by `bulwark api-key revoke` only")
        async with self._editing:
            keys, key = await _edited(lambda: self._file.revoke(key_id, now_ms))
            self._edited(keys, by)
        return self._view(key)

    async def reload(self, by: Caller) -> Reloaded:
        """See ApiKeyService."""
        if self._reload is None:
            raise Unavailable("this node is not ready to reload")
        return await self._reload(by)

    def _edited(self, keys: ApiKeys, by: Caller) -> None:
        """Take over what was just written, unless the file went on meanwhile."""
        self._take(keys, by)
        self.look()

    def _view(self, key: ApiKey) -> KeyView:
        return KeyView(key, self._memory.last_used(key.id))


async def _edited(work: Callable[[], T]) -> T:
    """Change the file in a thread: it waits for the disk, and for who else changes it."""
    try:
        return await asyncio.to_thread(work)
    except (ApiKeysInvalid, KeystoreError, OSError) as error:
        log.error("key file was not changed", reason=str(error))
        raise Unavailable(
            "the file of API keys can not be changed now; see the node's log"
        ) from error


def _is_live(key: ApiKey, now_ms: int) -> bool:
    return key.revoked_ms is None and (key.expires_ms is None or now_ms < key.expires_ms)
