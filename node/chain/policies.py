"""The policy book: which policy a record is under, and which rule of it the record breaks.

Rules: what was in force at a record's height follows from the executed ledger alone and never
changes, so every node answers alike and answers are kept; the zero id is the default policy of
genesis, or the shipped one where genesis has none; a policy that nobody can read permits nothing.
What is kept is bounded. Reads are from the state of the last block, without an EVM.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from bulwark.ledger.anchor import Anchor
from bulwark.ledger.ids import Height
from bulwark.ledger.lifecycle import STATEMENTS
from bulwark.policies.document import Policy, PolicyInvalid, parse_policy
from bulwark.policies.library import DEFAULT_TITLE, shipped
from bulwark.policies.rules import CLOCK_DAYS, NOT_IN_FORCE, UNREADABLE, breach_of
from contracts.policies import (
    PolicyState,
    Standing,
    read_default_id,
    read_document,
    read_policy_ids,
    read_standing,
)
from contracts.slots import ReadSlot
from node.chain.records import StoredRecord
from node.chain.store import ChainStore
from node.storage.errors import StoreDamaged

NO_POLICY: Final = bytes(32)
"""Policy word of an anchor that names none: the default holds."""
DAY_MS: Final = 86_400_000
MAX_SHOWN: Final = 256
"""Newest policies that are listed and found by title."""
MAX_ANCHORS: Final = 2_048
"""Anchors whose policy is remembered, until the verdicts on their records are."""
MAX_JUDGED: Final = 65_536
"""Records whose verdict is remembered: about 10 MB."""
MAX_KEPT: Final = 1_024
"""Policies whose documents and standings are remembered."""
_PLACE: Final = slice(0, 12)
"""Height and transaction of a record's order."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Kept(Generic[K, V]):
    """The values used last, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> V:
        self._values[key] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)
        return value


class KnownPolicy(Struct, frozen=True):
    """A policy as the ledger has it.

    Attributes:
        id: 32 bytes.
        standing: where it stands; of the shipped default as of one of genesis.
        policy: what it says, None where `fault` says why it can not be read.
        is_default: whether the zero id stands for it.
    """

    id: bytes
    standing: Standing
    policy: Policy | None
    fault: str
    is_default: bool

    @property
    def version(self) -> int:
        """Version that the document states, 0 for an unreadable one."""
        return 0 if self.policy is None else self.policy.version


class PolicyBook:
    """Policies of one alliance, over this node's replica."""

    def __init__(self, read_slot: ReadSlot, chain: ChainStore) -> None:
        """`read_slot` reads the state of the chain's last block."""
        self._read_slot = read_slot
        self._chain = chain
        self._documents: _Kept[bytes, Policy | PolicyInvalid] = _Kept(MAX_KEPT)
        self._standings: _Kept[bytes, tuple[Standing | None, Height]] = _Kept(MAX_KEPT)
        """By id: the standing, and the height up to which it is settled what was in force."""
        self._anchored: _Kept[bytes, bytes] = _Kept(MAX_ANCHORS)
        """Height and transaction of an anchor -> id of its policy."""
        self._judged: _Kept[bytes, str] = _Kept(MAX_JUDGED)
        """Order of a record -> the rule that it breaks, '' for none."""
        self._default: Policy | None = None
        self._found: tuple[Height, dict[str, Policy | None]] = (Height(-1), {})
        """By name, as of a height."""

    @property
    def default(self) -> Policy:
        """What holds where an anchor names no policy."""
        if self._default is None:
            named = read_default_id(self._read_slot)
            found = None if named is None else self._document(named)
            self._default = found if isinstance(found, Policy) else shipped(DEFAULT_TITLE)
        return self._default

    def policy(self, policy_id: bytes, height: Height) -> Policy | None:
        """The policy that an anchor of this height names, None where it names none in force."""
        found = self._ruling(policy_id, height)
        return found if isinstance(found, Policy) else None

    def find(self, name: str) -> Policy | None:
        """The policy in force now for new records: '' for the default, a hex id, or a title.

        Of one title the policy that was adopted last.
        """
        if not name:
            return self.default
        height = self._chain.applied
        if self._found[0] != height or len(self._found[1]) >= MAX_KEPT:
            self._found = (height, {})
        if name not in self._found[1]:
            self._found[1][name] = self._look(name)
        return self._found[1][name]

    def _look(self, name: str) -> Policy | None:
        if len(name) == 64:
            try:
                return self.policy(bytes.fromhex(name), Height(self._chain.applied + 1))
            except ValueError:
                return None
        adopted = [k for k in self.known() if k.standing.state is PolicyState.ADOPTED]
        titled = [k for k in adopted if k.policy is not None and k.policy.title == name]
        newest = max(titled, key=lambda k: (k.standing.since, k.version), default=None)
        return None if newest is None else newest.policy

    def titles(self) -> list[str]:
        """Titles of the policies in force now, the default's first."""
        adopted = [
            k.policy.title
            for k in self.known()
            if k.standing.state is PolicyState.ADOPTED and k.policy is not None
        ]
        return list(dict.fromkeys([self.default.title, *adopted]))

    def word_of(self, policy: Policy) -> bytes:
        """What an anchor names for records under a policy."""
        return NO_POLICY if policy.id == self.default.id else policy.id

    def breach(self, record: StoredRecord) -> str | None:
        """Id of the rule that a record breaks, None if none. Raises StoreDamaged."""
        if record.payload.operation not in STATEMENTS:
            return None
        # Ledger order names one statement; what is found of it never changes.
        kept = self._judged.get(record.order) if record.order else None
        if kept is None:
            kept = self._judge(record) or ""
            if record.order:
                self._judged.put(record.order, kept)
        return kept or None

    def _judge(self, record: StoredRecord) -> str | None:
        ruling = self._ruling(self._policy_of(record), record.height)
        if isinstance(ruling, str):
            return ruling
        day = record.timestamp_ms // DAY_MS
        found = breach_of(ruling, record.payload, day, tolerance=CLOCK_DAYS)
        return None if found is None else found.rule

    def known(self) -> list[KnownPolicy]:
        """The newest policies of the ledger, and the default; newest first."""
        default = self.default
        ids = list(reversed(read_policy_ids(self._read_slot, MAX_SHOWN)))
        if default.id not in ids:
            ids.append(default.id)
        return [found for policy_id in ids if (found := self.get(policy_id)) is not None]

    def get(self, policy_id: bytes) -> KnownPolicy | None:
        """A policy by its id, in whatever state; None for an unknown one."""
        default = self.default
        is_default = policy_id == default.id
        standing = read_standing(self._read_slot, policy_id)
        if standing is None:
            if not is_default:
                return None
            genesis = Standing(PolicyState.ADOPTED, 0, 0, bytes(32))
            return KnownPolicy(default.id, genesis, default, "", is_default=True)
        document = self._document(policy_id)
        if isinstance(document, Policy):
            return KnownPolicy(policy_id, standing, document, "", is_default)
        fault = "the ledger has no document" if document is None else str(document)
        return KnownPolicy(policy_id, standing, None, fault, is_default)

    def _ruling(self, policy_id: bytes, height: Height) -> Policy | str:
        """The policy in force, or the id of the rule that naming it breaks."""
        if policy_id in (NO_POLICY, self.default.id):
            return self.default
        standing = self._standing(policy_id, height)
        if standing is None or not standing.in_force(height):
            return NOT_IN_FORCE
        document = self._document(policy_id)
        return document if isinstance(document, Policy) else UNREADABLE

    def _standing(self, policy_id: bytes, height: Height) -> Standing | None:
        kept = self._standings.get(policy_id)
        if kept is not None and (height <= kept[1] or _is_over(kept[0])):
            return kept[0]
        # Read first: a block that comes meanwhile must not count as looked at.
        settled = self._chain.applied
        return self._standings.put(policy_id, (read_standing(self._read_slot, policy_id), settled))[
            0
        ]

    def _document(self, policy_id: bytes) -> Policy | PolicyInvalid | None:
        kept = self._documents.get(policy_id)
        if kept is not None:
            return kept
        document = read_document(self._read_slot, policy_id)
        if document is None:
            return None
        try:
            return self._documents.put(policy_id, parse_policy(document))
        except PolicyInvalid as error:
            return self._documents.put(policy_id, error)

    def _policy_of(self, record: StoredRecord) -> bytes:
        """Policy word of the anchor of a record. Raises StoreDamaged."""
        place = record.order[_PLACE]
        kept = self._anchored.get(place) if place else None
        if kept is not None:
            return kept
        anchor = self._anchor_of(record)
        return self._anchored.put(place, anchor.reference) if place else anchor.reference

    def _anchor_of(self, record: StoredRecord) -> Anchor:
        where = f"record {record.record_id.hex()}"
        place = self._chain.record_place(record.record_id)
        if place is None:
            raise StoreDamaged(where, "its index leads nowhere")
        for anchor in self._chain.anchors(place.height):
            if anchor.count and anchor.digest == place.root:
                return anchor
        raise StoreDamaged(where, f"block {place.height} does not anchor its sidecar")


def _is_over(standing: Standing | None) -> bool:
    return standing is not None and standing.state is PolicyState.WITHDRAWN
