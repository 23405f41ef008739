"""Who holds which share: what has to be true of an alliance's shares after each change.

Rules: any t shares in force make the key that was there from the beginning, old and new ones
together do not; old shares are on no disk; a node takes a sharing over when its block says so and
not before. Shares are read from the disks (`tests.nets.vaults`), keys from the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import multiply_base
from bulwark.privacy.sharing import Share, recover
from bulwark.privacy.threshold import EvaluatorShare
from genesis.home import KEYSTORE_FILE
from tests.nets.checks import CheckFailed
from tests.nets.vaults import Vault, needles, read_vault, traces
from tests.nets.witness import Seen

SLACK_S: Final = 2.0
"""Block times are in whole seconds."""


class Custody:
    """The shares of all homes, step by step."""

    def __init__(self, homes: Mapping[str, Path]) -> None:
        self.homes = dict(homes)
        self._before: dict[str, Vault] = {}
        self._seen: Mapping[str, Seen] = {}
        self._public: dict[str, bytes] = {}

    def took_over(self, seen: Mapping[str, Seen], holders: Sequence[str]) -> bool:
        """Whether these members have their shares of all keys and no others."""
        sessions = {name: found.session for name, found in seen.items()}
        return all(
            read_vault(self.homes[name], sessions).shares.keys() == set(sessions.values())
            for name in holders
        )

    def check(self, seen: Mapping[str, Seen], holders: Sequence[str]) -> Iterator[str]:
        """Everything that has to hold now; raises CheckFailed. Lines for people."""
        sessions = {name: found.session for name, found in seen.items()}
        now = {name: read_vault(home, sessions) for name, home in self.homes.items()}
        for key, found in seen.items():
            sharing = found.sharing
            if sharing is None:
                raise CheckFailed(f"no sharing of the {key} key")
            shares = [now[name].shares[found.session] for name in holders]
            self._same_key(key, sharing, shares)
            yield (
                f"{key} key: share epoch {found.share_epoch}, {len(holders)} honest holders of "
                f"{found.holders}, any {sharing.key.threshold} make the key"
            )
            if key in self._seen:
                self._old_is_useless(key, sharing, shares)
        yield from self._erased()
        self._before, self._seen = now, dict(seen)

    def _same_key(self, key: str, sharing: LiveSharing, shares: Sequence[EvaluatorShare]) -> None:
        public = sharing.key.public_key.encoding
        if self._public.setdefault(key, public) != public:
            raise CheckFailed(f"the {key} key is another one")
        needed = sharing.key.threshold
        for some in (shares[:needed], shares[-needed:]):
            if len(some) < needed or _key_of(some) != public:
                raise CheckFailed(f"{needed} shares of the {key} key do not make it")
        for share in shares:
            if sharing.key.share_keys[share.index - 1] != share.public_share:
                raise CheckFailed(f"share {share.index} of the {key} key is not the published one")

    def _old_is_useless(
        self, key: str, sharing: LiveSharing, shares: Sequence[EvaluatorShare]
    ) -> None:
        """An old share of anybody, the leaver included, with t - 1 new ones is no key."""
        session = self._seen[key].session
        needed = sharing.key.threshold
        for name, vault in self._before.items():
            old = vault.shares.get(session)
            if old is None:
                continue
            others = [share for share in shares if share.index != old.index][: needed - 1]
            if _key_of([old, *others]) == self._public[key]:
                raise CheckFailed(f"the old share of {name} still makes the {key} key")
            if old.public_share in sharing.key.share_keys:
                raise CheckFailed(f"the old share of {name} is a share of now")

    def _erased(self) -> Iterator[str]:
        count = 0
        for name, vault in self._before.items():
            wanted = needles(vault)
            sessions = {key: found.session for key, found in self._seen.items()}
            if read_vault(self.homes[name], sessions).shares:
                raise CheckFailed(f"{name} keeps an old share")
            left = list((self.homes[name] / KEYSTORE_FILE).parent.glob(".*.new"))
            if left:
                raise CheckFailed(f"{name} keeps {left}")
            for trace in traces(self.homes[name], wanted):
                raise CheckFailed(f"{name}: {trace}")
            count += len(vault.shares)
        if count:
            yield f"{count} old shares are on no disk, and no piece of the files they were in"


def _key_of(shares: Sequence[EvaluatorShare]) -> bytes:
    try:
        secret = recover([Share(share.index, share.secret_share) for share in shares])
        return multiply_base(secret).encoding
    except PrivacyError:
        return b""


def not_early(log: Path, seen: Mapping[str, Seen], offset_s: float) -> None:
    """A node said that a key is in force only after the block that published it."""
    for line in log.read_text("utf-8", "replace").splitlines():
        if '"shared key in force"' not in line:
            continue
        row = json.loads(line)
        found = seen.get(row["purpose"])
        if found is None or row["share_epoch"] != found.share_epoch:
            continue
        at_s = datetime.fromisoformat(row["at"]).timestamp()
        if at_s < found.published_s - SLACK_S:
            raise CheckFailed(
                f"{row['node']} took the {row['purpose']} key {found.published_s - at_s:.0f} s "
                f"before its block (clocks are {offset_s:.0f} s ahead)"
            )
