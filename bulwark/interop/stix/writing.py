"""Records to STIX 2.1: indicators, observables, sightings and opinions, the same for one ledger.

Rules: ids are UUIDv5 of alliance and record, times are those of blocks, so that one ledger gives
the same bytes every time. A record is an indicator of a token, or of the clear value where this
member keeps it; then the observable goes with it. Follow-ups change the indicator: retracted,
overruled, expired and erased are `revoked`, disputes are opinions. An erased record shows nothing
but that it is revoked. Red never goes out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from bulwark.indicators.vocabulary import Kind, ObjectRole, Tlp
from bulwark.interop import words
from bulwark.interop.misp.outgoing import Alliance, Outgoing
from bulwark.interop.stix.names import (
    COMMUNITY,
    EXTENSION,
    IDENTIFIER_TYPE,
    SCO_EXTENSION,
    SCO_OF_KIND,
    observable_id,
    own_id,
    tlp_id,
    tlp_object,
)
from bulwark.interop.stix.selection import TAG_TYPE

REVOKED: Final = frozenset({"retracted", "overruled", "expired", "erased"})
ALGORITHM: Final = "hmac-sha256"
"""How a token is made of a ledger tag."""
MADE: Final = "2026-01-01T00:00:00.000Z"
"""When identities and definitions were made: they have one version."""
_SCHEMA: Final = "https://docs.oasis-open.org/cti/stix/v2.1/stix-v2.1.html"
_UNSTATED: Final = frozenset({None, "", "unknown", "reference"})
_CARRIED: Final = (
    *("kind", "operation", "fraud_type", "object_role", "evidence_level", "channel", "country"),
    *("loss_band", "lawful_basis", "purpose", "usage", "first_seen", "last_seen"),
)
_LABELLED: Final = ("fraud_type", "object_role", "evidence_level", "channel", "loss_band")
_TYPES: Final = {
    ObjectRole.OFFENDER_CONTROLLED.label: "malicious-activity",
    ObjectRole.MULE.label: "malicious-activity",
    ObjectRole.INFRASTRUCTURE.label: "malicious-activity",
    ObjectRole.COMPROMISED_VICTIM.label: "compromised",
    ObjectRole.IMPERSONATED.label: "benign",
    ObjectRole.TARGET.label: "benign",
}


class Contested(Struct, frozen=True):
    """A dispute of a record that the ledger took."""

    dispute_id: bytes
    member: str
    ground: str
    opened_ms: int
    changed_ms: int
    is_over: bool
    """It was rejected, or the record was closed by another way."""


class Shown(Struct, frozen=True):
    """A record to write, with its disputes."""

    record: Outgoing
    disputes: tuple[Contested, ...] = ()
    key_epoch: int = 0
    """Epoch of the key under which the token was made."""
    own: bool = False
    """For this member's own systems: other ids than those of tokens, also where nothing is kept."""


Object = dict[str, Any]


def is_written(record: Outgoing) -> bool:
    """Whether a record goes out at all."""
    return record.fields.get("tlp") != Tlp.RED.label


def objects_of(shown: Shown, alliance: Alliance) -> list[Object]:
    """The objects of one record, none for a red one."""
    record = shown.record
    if not is_written(record):
        return []
    found = [_indicator(shown, alliance)]
    if record.clear is not None and record.state != "erased":
        observable = _observable(record)
        found += [observable, _based_on(shown, observable, alliance)]
    if record.fields.get("operation") == "sight":
        found.append(_sighting(shown, alliance))
    return found + [_opinion(dispute, shown, alliance) for dispute in shown.disputes]


def identity(member: str, name: str, alliance: Alliance) -> Object:
    """The identity object of a member."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": identity_id(member, alliance),
        "created": MADE,
        "modified": MADE,
        "name": name or member,
        "identity_class": "organization",
        "external_references": [{"source_name": "bulwark", "external_id": member}],
    }


def definitions(alliance: Alliance) -> list[Object]:
    """The definitions of our extensions, made by an identity of the product."""
    maker = own_id("identity", "bulwark")
    common = {"type": "extension-definition", "spec_version": "2.1", "created_by_ref": maker,
              "created": MADE, "modified": MADE, "schema": _SCHEMA}  # fmt: skip
    return [
        {
            "type": "identity",
            "spec_version": "2.1",
            "id": maker,
            "created": MADE,
            "modified": MADE,
            "name": "Bulwark",
            "description": "Software that wrote this: a node of an anti-fraud alliance",
            "identity_class": "system",
        },
        {
            **common,
            "id": EXTENSION,
            "name": "Bulwark record",
            "description": "What a record of an anti-fraud alliance says, with its token",
            "version": "1.0.0",
            "extension_types": ["property-extension"],
        },
        {
            **common,
            "id": SCO_EXTENSION,
            "name": "Bulwark identifier",
            "description": "An identifier of a kind without an observable: device_id, imei",
            "version": "1.0.0",
            "extension_types": ["new-sco"],
        },
    ]


def markings() -> list[Object]:
    """The TLP 2.0 markings that exports use; red is none of them."""
    return [tlp_object(tlp) for tlp in (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT)]


def bundle(objects: Iterable[Object]) -> Object:
    """A bundle whose id follows from what is in it; each object once."""
    once = {str(each["id"]): each for each in objects}
    named = [f"{name}@{each.get('modified', '')}" for name, each in sorted(once.items())]
    made: Object = {"type": "bundle", "id": own_id("bundle", *named)}
    if once:
        made["objects"] = list(once.values())
    return made


def identity_id(member: str, alliance: Alliance) -> str:
    """The id of a member's identity."""
    return own_id("identity", alliance.genesis_hash.hex(), member)


def indicator_id(record_id: bytes, own: bool, alliance: Alliance) -> str:
    """The id of a record's indicator; for the member's own systems it is another one."""
    what = "own" if own else "token"
    return own_id("indicator", alliance.genesis_hash.hex(), record_id.hex(), what)


def sighting_id(record_id: bytes, own: bool, alliance: Alliance) -> str:
    """The id of the sighting that a record is."""
    return own_id("sighting", indicator_id(record_id, own, alliance))


def opinion_id(dispute_id: bytes, record_id: bytes, own: bool, alliance: Alliance) -> str:
    """The id of the opinion that a dispute of a record is."""
    return own_id("opinion", indicator_id(record_id, own, alliance), dispute_id.hex())


def moment(milliseconds: int) -> str:
    """A STIX timestamp of milliseconds since 1970 UTC."""
    found = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _indicator(shown: Shown, alliance: Alliance) -> Object:
    record = shown.record
    fields = record.fields
    created = moment(record.stated_ms)
    made: Object = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": indicator_id(record.record_id, shown.own, alliance),
        "created_by_ref": identity_id(record.reporter, alliance),
        "created": created,
        "modified": moment(max(record.changed_ms, record.stated_ms)),
        "name": _name(fields),
        "indicator_types": [_TYPES.get(str(fields.get("object_role")), "unknown")],
        "pattern": _pattern(record),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        **_validity(record, created),
    }
    if record.state in REVOKED:
        made["revoked"] = True
    if isinstance(fields.get("confidence"), int):
        made["confidence"] = fields["confidence"]
    labels = [words.own_tag(n, str(fields[n])) for n in _LABELLED if _stated(fields, n)]
    if record.state == "disputed":
        labels.append(words.own_tag("state", "disputed"))
    if labels:
        made["labels"] = labels
    external = {"source_name": "bulwark", "external_id": record.record_id.hex()}
    made["external_references"] = [external]
    made["object_marking_refs"] = [_marking(fields)]
    made["extensions"] = {EXTENSION: _extension(shown, alliance)}
    return made


def _name(fields: Mapping[str, str | int | None]) -> str:
    if not fields:
        return "erased record"
    kind = str(fields.get("kind", "identifier")).replace("_", " ")
    return f"{kind} reported for {str(fields.get('fraud_type', 'fraud')).replace('_', ' ')}"


def _pattern(record: Outgoing) -> str:
    if record.clear is not None and record.state != "erased":
        kind, name = _sco(record)
        value = _quoted(record.clear.value)
        if kind == IDENTIFIER_TYPE:
            own = _quoted(str(record.fields.get("kind")))
            return f"[{kind}:value = {value} AND {kind}:identifier_kind = {own}]"
        return f"[{kind}:{name} = {value}]"
    if not record.token:
        return f"[{TAG_TYPE}:record = '{record.record_id.hex()}']"
    return f"[{TAG_TYPE}:value = '{record.token.hex()}']"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _validity(record: Outgoing, created: str) -> dict[str, str]:
    first, last = record.fields.get("first_seen"), record.fields.get("valid_until")
    start = f"{first}T00:00:00.000Z" if isinstance(first, str) and first else created
    if not isinstance(last, str) or not last:
        return {"valid_from": start}
    end = f"{last}T23:59:59.999Z"
    return {"valid_from": start, "valid_until": end} if end > start else {"valid_from": start}


def _extension(shown: Shown, alliance: Alliance) -> dict[str, object]:
    record = shown.record
    made: dict[str, object] = {
        "extension_type": "property-extension",
        "alliance": alliance.genesis_hash.hex(),
        "record": record.record_id.hex(),
        "state": record.state,
    }
    if record.token:
        made |= {"token": record.token.hex(), "token_alg": ALGORITHM}
        made["key_epoch"] = shown.key_epoch
    made |= {name: record.fields[name] for name in _CARRIED if _stated(record.fields, name)}
    customers = record.fields.get("distinct_customers")
    if isinstance(customers, int) and customers:
        made["distinct_customers"] = customers
    return made


def _sco(record: Outgoing) -> tuple[str, str]:
    kind = Kind.parse(record.fields.get("kind"), "kind")
    found, name = SCO_OF_KIND[kind]
    if kind is Kind.IP and record.clear is not None and ":" in record.clear.value:
        return "ipv6-addr", name
    return found, name


def _observable(record: Outgoing) -> Object:
    kind, name = _sco(record)
    value = "" if record.clear is None else record.clear.value
    if kind in ("ipv4-addr", "ipv6-addr"):
        value = _address(value)
    contributing = {name: value}
    extensions: dict[str, object] = {}
    if kind == IDENTIFIER_TYPE:
        contributing["identifier_kind"] = str(record.fields["kind"])
        extensions[SCO_EXTENSION] = {"extension_type": "new-sco"}
    elif kind in COMMUNITY:
        extensions[COMMUNITY[kind]] = {"extension_type": "new-sco"}
    made: Object = {
        "type": kind,
        "spec_version": "2.1",
        "id": observable_id(kind, contributing),
        **contributing,
        "object_marking_refs": [_marking(record.fields)],
    }
    if extensions:
        made["extensions"] = extensions
    return made


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text


def _based_on(shown: Shown, observable: Object, alliance: Alliance) -> Object:
    record = shown.record
    created = moment(record.stated_ms)
    source = indicator_id(record.record_id, shown.own, alliance)
    return {
        "type": "relationship",
        "spec_version": "2.1",
        "id": own_id("relationship", source, "based-on", str(observable["id"])),
        "created_by_ref": identity_id(record.reporter, alliance),
        "created": created,
        "modified": created,
        "relationship_type": "based-on",
        "source_ref": source,
        "target_ref": observable["id"],
        "object_marking_refs": [_marking(record.fields)],
    }


def _sighting(shown: Shown, alliance: Alliance) -> Object:
    record = shown.record
    source = indicator_id(record.record_id, shown.own, alliance)
    reporter = identity_id(record.reporter, alliance)
    revoked = record.state in REVOKED
    made: Object = {
        "type": "sighting",
        "spec_version": "2.1",
        "id": sighting_id(record.record_id, shown.own, alliance),
        "created_by_ref": reporter,
        "created": moment(record.stated_ms),
        "modified": moment(record.changed_ms if revoked else record.stated_ms),
        "sighting_of_ref": source,
        "where_sighted_refs": [reporter],
        "count": 1,
        "object_marking_refs": [_marking(record.fields)],
        "extensions": {EXTENSION: _mark(record, alliance)},
    }
    if revoked:
        made["revoked"] = True
    for name in ("first_seen", "last_seen"):
        day = record.fields.get(name)
        if isinstance(day, str) and day:
            made[name] = f"{day}T00:00:00.000Z"
    return made


def _opinion(dispute: Contested, shown: Shown, alliance: Alliance) -> Object:
    record = shown.record
    source = indicator_id(record.record_id, shown.own, alliance)
    made: Object = {
        "type": "opinion",
        "spec_version": "2.1",
        "id": opinion_id(dispute.dispute_id, record.record_id, shown.own, alliance),
        "created_by_ref": identity_id(dispute.member, alliance),
        "created": moment(dispute.opened_ms),
        "modified": moment(max(dispute.opened_ms, dispute.changed_ms)),
        "opinion": "strongly-disagree",
        "explanation": f"disputed: {dispute.ground}",
        "object_refs": [source],
        "object_marking_refs": [_marking(record.fields)],
        "extensions": {EXTENSION: _mark(record, alliance)},
    }
    if dispute.is_over:
        made["revoked"] = True
    return made


def _mark(record: Outgoing, alliance: Alliance) -> dict[str, object]:
    return {
        "extension_type": "property-extension",
        "alliance": alliance.genesis_hash.hex(),
        "record": record.record_id.hex(),
    }


def _marking(fields: Mapping[str, str | int | None]) -> str:
    given = str(fields.get("tlp", ""))
    tlp = next((tlp for tlp in Tlp if tlp.label == given), Tlp.UNKNOWN)
    return tlp_id(tlp)


def _stated(fields: Mapping[str, str | int | None], name: str) -> bool:
    return fields.get(name) not in _UNSTATED
