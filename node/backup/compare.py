"""What a restore would lose or change: the backup held against the home and against the alliance.

Rules: what is exact is counted key by key (the home's database, if there is one) or by the ledger's
own numbers (height and account nonce, if a node of the alliance can be asked); what nobody can know
is said to be unknown. It changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from node.backup.dump import LEDGER, PairReader, is_left_out, part_name, prefix_of
from node.backup.manifest import Manifest, Part
from node.storage import blocks, schema
from node.storage.errors import StorageError
from node.storage.port import KeyValueStore

NOUNS: Final = {
    schema.OUTBOX: "own transactions and records on their way, and the index of own records",
    schema.IDEMPOTENCY: "idempotency keys of clients: a request repeated since is a new one",
    schema.CONSENTS: "consent receipts",
    schema.EVALUATIONS: "spent and drawn quota slots, access log, query log, openings",
    schema.TAG_CACHE: "tags in the cache: they are asked for again and cost quota",
    schema.OWN_HITS: "own hits: a record that falls is not recalled for these",
    schema.ERASURES: "duties of erasures and recalls: they follow from the ledger again",
    schema.DISPUTES: "reference codes of persons' disputes",
}
"""What the kinds that only this node has are for; others are told by their names."""


class Weight(StrEnum):
    """How a finding is to be read, the gravest first."""

    DANGER = "danger"
    LOST = "lost"
    CHANGED = "changed"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a restore does."""

    weight: Weight
    what: str


@dataclass(frozen=True, slots=True)
class AllianceNow:
    """What a node of the alliance said."""

    height: int
    """Executed."""
    hash_at_backup: str | None
    """Hash of its block at the backup's height, hex; None where it has none."""
    nonce: int | None
    """Transactions of this member's account."""


@dataclass(slots=True)
class _Count:
    same: int = 0
    differ: int = 0


@dataclass(slots=True)
class Comparison:
    """Takes a backup's parts and compares them to a home."""

    home: Path
    store: KeyValueStore | None
    """The home's database, None if it has none that opens."""
    _pairs: PairReader = field(default_factory=lambda: PairReader(""))
    _part: str = ""
    _counts: dict[bytes, _Count] = field(default_factory=dict)

    def take(self, part: Part, data: bytes) -> None:
        """Sink of `Backup.read`."""
        prefix = prefix_of(part.name)
        if prefix is None or prefix in LEDGER or self.store is None:
            return
        if part.name != self._part:
            self._part, self._pairs = part.name, PairReader(part.name)
        count = self._counts.setdefault(prefix, _Count())
        for key, value in self._pairs.take(data):
            held = self.store.get(key)
            count.same += held == value
            count.differ += held is not None and held != value

    def findings(self, manifest: Manifest, now: AllianceNow | None) -> list[Finding]:
        """Everything that can be said, the gravest first. Raises StoreDamaged."""
        found = [*self._files_found(manifest)]
        if manifest.with_database:
            found += [*self._chain_found(manifest, now), *self._own_found(manifest, now)]
            found += _votes(manifest)
        found += [
            Finding(Weight.NOTE, f"not in the backup: {each.name} ({each.why})")
            for each in manifest.left_out
        ]
        order = list(Weight)
        return sorted(found, key=lambda finding: order.index(finding.weight))

    def _files_found(self, manifest: Manifest) -> list[Finding]:
        found: list[Finding] = []
        for part in manifest.parts:
            if not part.name.startswith("home/"):
                continue
            name = part.name.removeprefix("home/")
            path = self.home / name
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                found.append(Finding(Weight.NOTE, f"{name} can not be read: {error.strerror}"))
                continue
            if hashlib.sha256(data).hexdigest() != part.sha256:
                is_key = part.mode & 0o077 == 0
                weight = Weight.DANGER if is_key else Weight.CHANGED
                what = "secret file" if is_key else "file"
                found.append(
                    Finding(weight, f"{what} {name} differs and would be replaced by the older one")
                )
        return found

    def _chain_found(self, manifest: Manifest, now: AllianceNow | None) -> list[Finding]:
        found: list[Finding] = []
        if self.store is not None:
            try:
                here = blocks.read_applied(self.store)
            except StorageError as error:
                found.append(Finding(Weight.NOTE, f"this home's database is damaged: {error}"))
            else:
                behind = here - manifest.height
                what = f"blocks: {here} here, {manifest.height} in the backup"
                if behind > 0:
                    what += f"; {behind} are fetched from the peers again"
                found.append(Finding(Weight.CHANGED if behind else Weight.NOTE, what))
        if now is None:
            what = "the alliance was not asked (--ask-url): blocks since the backup are unknown"
            found.append(Finding(Weight.NOTE, what))
            return found
        behind = now.height - manifest.height
        what = f"the alliance is at block {now.height}: {max(0, behind)} blocks since the backup"
        found.append(Finding(Weight.NOTE, f"{what}, fetched from the peers"))
        own = str(manifest.database.get("header_hash", ""))
        if now.hash_at_backup is not None and now.hash_at_backup.removeprefix("0x") != own:
            what = f"block {manifest.height} of the alliance is another one than the backup's"
            found.append(Finding(Weight.DANGER, what))
        return found

    def _own_found(self, manifest: Manifest, now: AllianceNow | None) -> list[Finding]:
        found: list[Finding] = []
        then = manifest.database.get("account_nonce")
        if now is not None and now.nonce is not None and isinstance(then, int):
            since = now.nonce - then
            what = (
                f"{since} own transactions were executed since the backup; they come back with "
                "the ledger, what only this node knew about them does not"
            )
            found.append(Finding(Weight.LOST if since else Weight.NOTE, what))
        if self.store is None:
            kinds = "; ".join(NOUNS.values())
            what = f"whatever was added since the backup of: {kinds} (nobody can count it now)"
            return [*found, Finding(Weight.LOST, what)]
        for prefix in sorted(set(schema.ALL_PREFIXES) - LEDGER):
            here = sum(1 for key, _ in self.store.iterate(prefix) if not is_left_out(key))
            count = self._counts.get(prefix, _Count())
            gone = here - count.same - count.differ
            if gone or count.differ:
                noun = NOUNS.get(prefix, part_name(prefix).removeprefix("database/"))
                what = f"{gone} entries only here, {count.differ} older in the backup: {noun}"
                found.append(Finding(Weight.LOST, what))
        return found


def _votes(manifest: Manifest) -> list[Finding]:
    return [
        Finding(
            Weight.DANGER,
            f"votes: the backup ends at block {manifest.height} and holds none, since this "
            "validator may have signed more; it comes back silent and votes once the alliance is "
            "safely past all that it can have signed. Never start it beside the original",
        ),
        Finding(
            Weight.CHANGED,
            "quota: all slots of the running quota epoch count as used, unless --asked-since says "
            "how many questions were asked since the backup; as an evaluator this node answers "
            "again in the next quota epoch",
        ),
        Finding(
            Weight.NOTE,
            "records that were erased since the backup are erased again before the API answers",
        ),
    ]
