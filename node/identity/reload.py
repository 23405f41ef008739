"""Reload: settings and files read anew while the node runs, all of them or none.

Rules: everything is read and checked first; what is broken changes nothing and is named. Settings
of AT_RUN_TIME are taken over, and all files that identity reads (keys, users, certificates,
revocations, the provider's settings); a changed setting that is not among them is named as one that
wants a restart, until it has had one. The access log gets an entry for each reload that was tried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

from node.config import ConfigError, NodeConfig, load_config
from node.identity.apikey import ApiKeysInvalid
from node.identity.desk import LOCAL, AdminLog, IdentityDesk
from node.identity.port import Reloaded, ReloadRefused
from node.identity.principal import IdentityInvalid
from node.logs import LEVELS, Log
from node.service import Caller

AT_RUN_TIME: Final = (
    "log.level", "limits.", "oidc.", "http.api_keys", "http.certificate", "http.private_key",
    "http.client_authority", "http.client_certificates", "http.client_revocations", "http.users",
)  # fmt: skip
"""Settings, and beginnings of their names, that need no restart."""

log = Log("reload")
Relisten = Callable[[SSLContext | None], Awaitable[None]]
Rekey = Callable[[], Awaitable[list[str]]]
"""Takes over the node's own keys and certificate; says what changed. Raises ReloadRefused."""


class Reloader:
    """Reloads one node."""

    def __init__(
        self,
        home: Path,
        config: NodeConfig,
        desk: IdentityDesk,
        access: AdminLog,
        relisten: Relisten,
        rekey: Rekey | None = None,
    ) -> None:
        """`config` is what the node started with."""
        self._home = home
        self._started = settings_of(config)
        self._live = self._started
        self._desk = desk
        self._access = access
        self._relisten = relisten
        self._rekey = rekey
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def reload(self, by: Caller) -> Reloaded:
        """Read everything anew. Raises ReloadRefused, StoreWriteFailed."""
        async with self._lock:
            try:
                return await self._reloaded(by)
            except ReloadRefused as error:
                self._access.administering(by.key_id, by.role, "config.reload.refused")
                log.error("reload refused, nothing was changed", reason=error.detail)
                raise

    def signalled(self) -> None:
        """SIGHUP: reload soon, and say in the log what it came to."""
        task = asyncio.get_running_loop().create_task(self._signalled())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _signalled(self) -> None:
        try:
            await self.reload(LOCAL)
        except ReloadRefused:
            return  # it is in the log

    async def _reloaded(self, by: Caller) -> Reloaded:
        try:
            config = load_config(self._home)
            state = self._desk.prepare(config)
        except (ConfigError, ApiKeysInvalid, IdentityInvalid) as error:
            raise ReloadRefused(f"nothing was changed: {error}") from error
        settings = settings_of(config)
        taken = [name for name in changed(self._live, settings) if is_at_run_time(name)]
        restart = [name for name in changed(self._started, settings) if not is_at_run_time(name)]
        if self._rekey is not None:
            taken += await self._rekey()
        before = self._desk.state.tls
        if (before and before.print) != (state.tls and state.tls.print):
            try:
                await self._relisten(None if state.tls is None else state.tls.context)
            except OSError as error:
                detail = f"nothing was changed: HTTP server: {error.strerror or error}"
                raise ReloadRefused(detail) from error
            until = "plain HTTP" if state.tls is None else f"certificate until {state.tls.until}"
            taken.append(f"HTTP server: {until}")
        taken += self._desk.apply(state, by)
        logging.getLogger().setLevel(LEVELS.get(config.log.level, logging.ERROR))
        self._live = settings
        self._access.administering(by.key_id, by.role, "config.reload", ", ".join(taken))
        log.info("reloaded", taken=taken, restart=restart, by=by.key_id)
        return Reloaded(tuple(taken), tuple(restart))


def is_at_run_time(name: str) -> bool:
    """Whether a setting can change without a restart."""
    return any(
        name.startswith(known) if known.endswith(".") else name == known for known in AT_RUN_TIME
    )


def settings_of(config: NodeConfig) -> dict[str, object]:
    """All settings by their dotted names."""
    return dict(_leaves(config.model_dump(), ""))


def changed(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Names of settings that differ, in order."""
    return [name for name in sorted({**before, **now}) if before.get(name) != now.get(name)]


def _leaves(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
