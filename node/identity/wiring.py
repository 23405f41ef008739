"""Puts identity of one node together."""

from __future__ import annotations

import os

from node.assembly import Home
from node.clock import Clock
from node.guarded.atrest import AtRest
from node.identity.desk import AdminLog, IdentityDesk
from node.identity.keyuse import KeyMemory
from node.identity.reload import Rekey, Relisten, Reloader
from node.storage.port import KeyValueStore


def make_identity(home: Home, access: AdminLog, store: KeyValueStore, clock: Clock) -> IdentityDesk:
    """The desk of this node. Raises ApiKeysInvalid, IdentityInvalid, StoreDamaged."""
    memory = KeyMemory(store, AtRest(home.secrets.vault_key, b"api-keys", os.urandom))
    return IdentityDesk(home.path, home.config, access, memory, clock)


def make_reloader(
    home: Home, access: AdminLog, desk: IdentityDesk, relisten: Relisten, rekey: Rekey
) -> Reloader:
    """What reloads this node, known to its desk."""
    reloader = Reloader(home.path, home.config, desk, access, relisten, rekey)
    desk.reload_with(reloader.reload)
    return reloader
