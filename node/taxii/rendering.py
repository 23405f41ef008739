"""Rendering: from entries of the journal to the STIX objects that they stand for, as of now.

Rules: nothing is kept rendered, so what was erased or forgotten is in no page from that moment on.
The collection of all records shows tokens; this member's own shows clear values where the exchange
book keeps them. An object whose record shows nothing any more is left out of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from bulwark.indicators.vocabulary import DisputeGround
from bulwark.interop.misp.outgoing import Alliance, Clear, Outgoing
from bulwark.interop.stix import writing
from bulwark.ledger.ids import RecordId
from bulwark.ledger.lifecycle import State
from bulwark.ledger.record import Record
from bulwark.ledger.standing import Dispute, Standing
from node.chain.records import RecordReader
from node.chain.standings import Standings
from node.chain.store import ChainStore
from node.exchange.book import ExchangeBook
from node.reporting.payload import fields_of
from node.taxii.journal import Added, Role
from node.taxii.port import Collection

_TYPES: Final = {
    Role.INDICATOR: ("indicator",),
    Role.RELATION: ("relationship",),
    Role.SIGHTING: ("sighting",),
    Role.OPINION: ("opinion",),
}


class RenderingParts(Struct, frozen=True):
    """What rendering works with."""

    chain: ChainStore
    records: RecordReader
    standings: Standings
    book: ExchangeBook
    alliance: Alliance
    named: Callable[[str], str]
    """What a member is called in exports."""
    names: Callable[[str], str]
    """The full name of a member."""
    members: Callable[[], Iterable[str]]
    """Ids of all members."""


class Rendering:
    """Objects of one node's collections."""

    def __init__(self, parts: RenderingParts) -> None:
        self._parts = parts
        self.fixed = [*writing.definitions(parts.alliance), *writing.markings()]
        """Objects that do not depend on the ledger."""

    def of(self, added: Added, collection: Collection) -> Mapping[str, Any] | None:
        """The object of an entry, None where there is nothing to show any more."""
        alliance = self._parts.alliance
        if added.role is Role.FIXED:
            return self.fixed[int.from_bytes(added.more, "big")]
        if added.role is Role.IDENTITY:
            member = added.more.rstrip(b"\x00").decode("utf-8")
            return writing.identity(member, self._parts.names(member), alliance)
        shown = self.shown(RecordId(added.record), own=collection is Collection.OWN)
        if shown is None:
            return None
        found = writing.objects_of(shown, alliance)
        if added.role is Role.OPINION:
            name = self.name(added.role, added.record, added.more, collection)
            return next((each for each in found if each["id"] == name), None)
        if added.role is Role.OBSERVABLE:
            others = {name for names in _TYPES.values() for name in names}
            return next((each for each in found if each["type"] not in others), None)
        wanted = _TYPES[added.role]
        return next((each for each in found if each["type"] in wanted), None)

    def name(self, role: Role, record: bytes, more: bytes, collection: Collection) -> str:
        """The id of an entry's object; for what has the id of a value, the name of its place."""
        alliance, own = self._parts.alliance, collection is Collection.OWN
        match role:
            case Role.INDICATOR:
                return writing.indicator_id(record, own, alliance)
            case Role.SIGHTING:
                return writing.sighting_id(record, own, alliance)
            case Role.OPINION:
                return writing.opinion_id(more, record, own, alliance)
            case Role.IDENTITY:
                member = more.rstrip(b"\x00").decode("utf-8")
                return writing.identity_id(member, alliance)
            case Role.FIXED:
                return str(self.fixed[int.from_bytes(more, "big")]["id"])
        return f"{role.name}/{record.hex()}"

    def shown(self, record_id: RecordId, *, own: bool) -> writing.Shown | None:
        """A record as it stands now, None for what is no statement here. Raises StoreDamaged."""
        parts = self._parts
        found = parts.records.by_id(record_id)
        standing = None if found is None else parts.standings.shown(found)
        if found is None or standing is None:
            return None
        erased = found.payload is None or standing.state is State.ERASED
        kept = parts.book.clear_of(record_id) if own and not erased else None
        member = parts.standings.member_of(found.reporter)
        steps = [step.timestamp_ms for step in standing.history if step.refused is None]
        outgoing = Outgoing(
            record_id=record_id,
            fields={} if erased or found.payload is None else fields_of(found.payload),
            token=b"" if erased else self._token(record_id),
            state="erased" if erased else standing.state.label,
            reporter=parts.named(member),
            stated_ms=found.timestamp_ms,
            changed_ms=max([found.timestamp_ms, *steps]),
            clear=None if kept is None else Clear(str(kept.row["canonical"]), kept.origin),
        )
        epoch = 0 if erased or found.payload is None else found.payload.oprf_key_id
        disputes = tuple(self._contested(each, standing) for each in standing.disputes)
        return writing.Shown(outgoing, disputes, epoch, own)

    def objects(self, shown: writing.Shown) -> list[dict[str, Any]]:
        """All objects of a record."""
        return writing.objects_of(shown, self._parts.alliance)

    def referred(self, objects: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What objects refer to besides each other: identities, markings, definitions."""
        parts = self._parts
        made = {one["created_by_ref"] for one in objects if "created_by_ref" in one}
        members = {parts.named(member): parts.names(member) for member in parts.members()}
        identities = [
            writing.identity(member, name, parts.alliance)
            for member, name in sorted(members.items())
        ]
        return [*self.fixed, *(one for one in identities if one["id"] in made)]

    def is_erased(self, record_id: RecordId) -> bool:
        """Whether a record was erased."""
        found = self._parts.records.by_id(record_id)
        if found is None:
            return False
        standing = self._parts.standings.shown(found)
        return found.payload is None or (standing is not None and standing.state is State.ERASED)

    def is_taken(self, subject: RecordId, follow_up: RecordId) -> bool:
        """Whether the ledger took a follow-up of a record."""
        found = self._parts.records.by_id(subject)
        standing = None if found is None else self._parts.standings.shown(found)
        history = () if standing is None else standing.history
        return any(step.record_id == follow_up and step.refused is None for step in history)

    def _token(self, record_id: RecordId) -> bytes:
        place = self._parts.chain.record_place(record_id)
        sidecar = None if place is None else self._parts.chain.sidecar(place.root)
        if place is None or sidecar is None or place.position >= sidecar.count:
            return b""
        entry = sidecar.entries[place.position]
        return self._parts.book.token(entry.tag) if isinstance(entry, Record) else b""

    def _contested(self, dispute: Dispute, standing: Standing) -> writing.Contested:
        after = [
            step.timestamp_ms
            for step in standing.history
            if step.refused is None and step.timestamp_ms >= dispute.opened_ms
        ]
        closed = standing.state in (State.RETRACTED, State.ERASED)
        over = dispute.ruling is not None or closed
        ground = DisputeGround.find(dispute.ground)
        return writing.Contested(
            dispute_id=dispute.record_id,
            member=self._parts.named(dispute.member),
            ground="other" if ground is None else ground.label,
            opened_ms=dispute.opened_ms,
            changed_ms=max(after, default=dispute.opened_ms) if over else dispute.opened_ms,
            is_over=over and standing.state is not State.OVERRULED,
        )
