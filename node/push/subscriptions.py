"""Subscriptions on disk: who is posted what, how far each is, what was tried and what was given up.

Rules: a subscription holds its secrets and is therefore encrypted, as are its tries; how far it is
stands in a value of its own, written with the try that it follows from, in one write. Dead letters
and tries are bounded in number, oldest first. Nothing here is flushed: what a power cut undoes is
posted again under the same id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Final

from msgspec import Struct, structs
from msgspec.structs import replace

from node.guarded.atrest import AtRest
from node.push.port import Attempt, DeadLetter, EventType, State
from node.storage.port import KeyValueStore
from node.storage.schema import PUSH, number8
from node.storage.seal import seal, unseal

SUBSCRIPTIONS: Final = PUSH + b"\x03"
"""id8 -> subscription as JSON, encrypted."""
PROGRESS: Final = PUSH + b"\x04"
"""id8 -> progress as JSON, sealed."""
DEAD: Final = PUSH + b"\x05"
"""id8 | event number8 -> dead letter as JSON, encrypted."""
ATTEMPTS: Final = PUSH + b"\x06"
"""id8 | number8 -> try as JSON, encrypted."""
REPLAYS: Final = PUSH + b"\x07"
"""id8 | event number8 -> empty, sealed: put up for delivery again."""
MAX_ATTEMPTS: Final = 500
"""Tries kept of a subscription, the newest."""
MAX_DEAD: Final = 10_000
"""Dead letters kept of a subscription, the newest."""
Puts = dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Secret:
    """What signs; `until_ms`: when a replaced one stops."""

    text: str = field(repr=False)
    until_ms: int | None = None


class Subscription(Struct, frozen=True):
    """What an administrator said."""

    id: str
    """16 hexadecimal digits."""
    url: str
    types: tuple[EventType, ...]
    description: str
    state: State
    reason: str
    created_ms: int
    created_by: str
    secrets: tuple[Secret, ...]
    """The newest first."""

    def signing(self, now_ms: int) -> list[str]:
        """The secrets that sign now, the newest first."""
        return [s.text for s in self.secrets if s.until_ms is None or s.until_ms > now_ms]

    def wants(self, kind: EventType) -> bool:
        """Whether events of a type are posted."""
        return not self.types or kind in self.types


@dataclass(slots=True)
class Progress:
    """How far a subscription is."""

    cursor: int
    """Number of the last event that is settled."""
    tries: int = 0
    """Of the next event."""
    due_ms: int = 0
    """When it is tried next, by the wall clock."""
    failures: int = 0
    """Tries in a row that nothing was taken in."""
    dead_in_a_row: int = 0
    replay_tries: int = 0
    replay_due_ms: int = 0
    attempts: int = 0
    """Number of the newest try."""
    delivered: int = 0
    failed: int = 0
    expired: int = 0
    """Events that the log dropped before they were posted."""
    last_status: int | None = None


class SubscriptionBook:
    """Subscriptions of one member."""

    def __init__(self, store: KeyValueStore, at_rest: AtRest) -> None:
        self._store = store
        self._at_rest = at_rest

    def all(self) -> list[tuple[Subscription, Progress]]:
        """Every subscription with how far it is, oldest first. Raises StoreDamaged."""
        found = []
        for key, held in self._store.iterate(SUBSCRIPTIONS):
            subscription = self._subscription(key, held)
            found.append((subscription, self.progress(subscription.id)))
        return sorted(found, key=lambda pair: (pair[0].created_ms, pair[0].id))

    def _subscription(self, key: bytes, held: bytes) -> Subscription:
        document = json.loads(self._at_rest.decrypt(key, held))
        return Subscription(
            id=key[len(SUBSCRIPTIONS) :].hex(),
            url=document["url"],
            types=tuple(EventType(name) for name in document["types"]),
            description=document["description"],
            state=State(document["state"]),
            reason=document["reason"],
            created_ms=document["created_ms"],
            created_by=document["created_by"],
            secrets=tuple(Secret(*pair) for pair in document["secrets"]),
        )

    def progress(self, identity: str) -> Progress:
        """How far a subscription is. Raises StoreDamaged."""
        key = PROGRESS + bytes.fromhex(identity)
        held = self._store.get(key)
        return Progress(0) if held is None else Progress(**json.loads(unseal(key, held)))

    def has_progress(self, identity: str) -> bool:
        """Whether a subscription was ever served."""
        return self._store.get(PROGRESS + bytes.fromhex(identity)) is not None

    def put(self, subscription: Subscription, progress: Progress | None = None) -> None:
        """Write a subscription, and how far it is if that is given."""
        key = SUBSCRIPTIONS + bytes.fromhex(subscription.id)
        document = {
            "url": subscription.url,
            "types": [kind.value for kind in subscription.types],
            "description": subscription.description,
            "state": subscription.state.value,
            "reason": subscription.reason,
            "created_ms": subscription.created_ms,
            "created_by": subscription.created_by,
            "secrets": [(secret.text, secret.until_ms) for secret in subscription.secrets],
        }
        puts: Puts = {key: self._at_rest.encrypt(key, json.dumps(document).encode())}
        if progress is not None:
            puts |= self._progress_puts(subscription.id, progress)
        self._store.write(puts, sync=False)

    def _progress_puts(self, identity: str, progress: Progress) -> Puts:
        key = PROGRESS + bytes.fromhex(identity)
        return {key: seal(key, json.dumps(asdict(progress)).encode())}

    def settle(
        self,
        identity: str,
        progress: Progress,
        attempt: Attempt | None = None,
        *,
        dead: DeadLetter | None = None,
        done: int | None = None,
        replayed: int | None = None,
    ) -> None:
        """Write what a try came to.

        `done`: an event that a replay delivered, no dead letter any more; `replayed`: one that is
        not to be replayed any more.
        """
        name = bytes.fromhex(identity)
        puts = self._progress_puts(identity, progress)
        if attempt is not None:
            key = ATTEMPTS + name + number8(attempt.number)
            puts[key] = self._at_rest.encrypt(key, json.dumps(structs.asdict(attempt)).encode())
            puts[ATTEMPTS + name + number8(max(0, attempt.number - MAX_ATTEMPTS))] = None
        if dead is not None:
            key = DEAD + name + number8(dead.event)
            puts[key] = self._at_rest.encrypt(key, json.dumps(structs.asdict(dead)).encode())
            puts |= dict.fromkeys(self._too_many_dead(name))
        if done is not None:
            puts[DEAD + name + number8(done)] = None
        if replayed is not None:
            puts[REPLAYS + name + number8(replayed)] = None
        self._store.write(puts, sync=False)

    def _too_many_dead(self, name: bytes) -> list[bytes]:
        keys = [key for key, _ in self._store.iterate(DEAD + name)]
        return keys[: max(0, len(keys) + 1 - MAX_DEAD)]

    def remove(self, identity: str) -> None:
        """Forget everything of a subscription."""
        name = bytes.fromhex(identity)
        puts: Puts = {SUBSCRIPTIONS + name: None, PROGRESS + name: None}
        for prefix in (DEAD, ATTEMPTS, REPLAYS):
            puts |= {key: None for key, _ in self._store.iterate(prefix + name)}
        self._store.write(puts, sync=False)

    # Tries and dead letters

    def attempts(self, identity: str, before: int | None, most: int) -> list[Attempt]:
        """Tries with a number under `before`, newest first. Raises StoreDamaged."""
        prefix = ATTEMPTS + bytes.fromhex(identity)
        start = None if before is None else prefix + number8(max(0, before - 1))
        newest_first = self._store.iterate(prefix, start=start, reverse=True)
        return [
            Attempt(**json.loads(self._at_rest.decrypt(key, held)))
            for key, held in islice(newest_first, most)
        ]

    def dead(self, identity: str, after: int, most: int) -> list[DeadLetter]:
        """Dead letters of events behind a number, oldest first. Raises StoreDamaged."""
        prefix = DEAD + bytes.fromhex(identity)
        found = []
        start = prefix + number8(after + 1)
        for key, held in islice(self._store.iterate(prefix, start=start), most):
            letter = DeadLetter(**json.loads(self._at_rest.decrypt(key, held)))
            kind = None if letter.type is None else EventType(letter.type)
            found.append(replace(letter, type=kind))
        return found

    def dead_numbers(self, identity: str) -> Iterator[int]:
        """Events of the dead letters, oldest first."""
        return self._numbers(DEAD, identity)

    def is_dead(self, identity: str, event: int) -> bool:
        """Whether an event is a dead letter of a subscription."""
        return self._store.get(DEAD + bytes.fromhex(identity) + number8(event)) is not None

    # Replays

    def put_up(self, identity: str, events: Sequence[int]) -> None:
        """Put events up for delivery again."""
        prefix = REPLAYS + bytes.fromhex(identity)
        keys = [prefix + number8(event) for event in events]
        puts: Mapping[bytes, bytes | None] = {key: seal(key, b"") for key in keys}
        if puts:
            self._store.write(puts, sync=False)

    def replays(self, identity: str) -> Iterator[int]:
        """Events that are put up, oldest first."""
        return self._numbers(REPLAYS, identity)

    def _numbers(self, prefix: bytes, identity: str) -> Iterator[int]:
        for key, _ in self._store.iterate(prefix + bytes.fromhex(identity)):
            yield int.from_bytes(key[-8:], "big")
