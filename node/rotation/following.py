"""Following: what a home has stored is brought to the keys of its keystore, as its node starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from node.assembly import Home
from node.logs import Log
from node.rotation.rekeying import rekey
from node.rotation.rekeynote import Progress, read_note, write_note
from node.storage.port import KeyValueStore

TELL_S: Final = 2.0

log = Log("rekeying")


def follow_keys(home: Home, store: KeyValueStore, steady_s: Callable[[], float]) -> None:
    """`rekey`, and the file of shares; told to the log and to the note beside the keystore.

    Raises what `rekey` raises, and KeystoreError.
    """
    folder = (home.path / home.config.keystore.path).parent
    began_s = steady_s()
    told_s: float | None = None

    def tell(progress: Progress) -> None:
        nonlocal told_s
        if progress.moved == 0 or (told_s is not None and steady_s() - told_s < TELL_S):
            return
        told_s = steady_s()
        log.info("what is stored is rekeyed", moved=progress.moved, of=progress.rows)
        write_note(folder, progress)

    done = rekey(store, home.secrets.vault_key, home.secrets.index_key, tell)
    was_behind = home.shares.rekey()
    known = read_note(folder)
    is_new = (known.get("vault"), known.get("index")) != (done.vault, done.index)
    if is_new or was_behind or told_s is not None or not known.get("is_done"):
        write_note(folder, done)
    if done.unreadable:
        log.error("rows opened under no key and were kept", rows=done.unreadable)
    if told_s is not None:
        took_s = round(steady_s() - began_s, 1)
        log.info("what is stored is under the keys of now", moves=done.moved, took_s=took_s)
