"""Puts the tag cache of one node together."""

from __future__ import annotations

import os

from node.assembly import Home
from node.guarded.atrest import AtRest
from node.storage.port import KeyValueStore
from node.tagging.cache import TagCache
from node.tagging.shelf import TagShelf


def make_tag_cache(home: Home, store: KeyValueStore) -> TagCache:
    """The cache of the member whose home this is. Raises StoreDamaged."""
    capacity = home.config.tagging.cache_entries
    at_rest = AtRest(home.secrets.vault_key, b"tag-cache", os.urandom)
    shelf = TagShelf(store, at_rest, capacity) if capacity else None
    return TagCache(home.secrets.index_key, capacity, shelf)
