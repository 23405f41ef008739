"""Records to MISP events: one event a day and marking, one attribute an identifier.

Rules: UUIDs are version 5 and follow from alliance and record, so that an export is the same every
time and MISP updates what it has. An attribute is a token of type `anonymised`, or the clear value
where there is one; other records of the same identifier in an event are sightings of it. A record
that was retracted, overruled or erased is `deleted`, a disputed one carries a false-positive tag.
Distribution follows the marking: amber stays in the organisation, green in the community.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bulwark.indicators.vocabulary import Kind, ObjectRole, Tlp
from bulwark.interop import words
from bulwark.interop.misp.outgoing import Alliance, Outgoing

DELETED: Final = frozenset({"retracted", "overruled", "erased"})
DETECTED: Final = frozenset(
    {ObjectRole.OFFENDER_CONTROLLED.label, ObjectRole.MULE.label, ObjectRole.INFRASTRUCTURE.label}
)
"""Roles for which a clear value is for detection (to_ids)."""
ERASED_VALUE: Final = "erased"
TEMPLATE: Final = ("anonymisation", "5867cffe-60ff-44f6-b097-e5f36b5de0ac", "2")
_DISTRIBUTION: Final = {Tlp.CLEAR: "3", Tlp.GREEN: "1"}
_OWN_ORG: Final = "0"
_DAY: Final = "T00:00:00.000000+00:00"
_TAGGED: Final = (
    *("kind", "fraud_type", "object_role", "evidence_level", "channel", "loss_band"),
    *("lawful_basis", "purpose"),
)
_UNSTATED: Final = frozenset({"", "unknown", "None", "reference"})
_PREFIXED: Final = {"btc": "btc", "dash": "dash", "xmr": "xmr"}
_SINGLE: Final = frozenset(
    kind for kind, places in words.MISP_TYPES.items() if "|" not in kind and len(places) == 1
)


def export(records: Iterable[Outgoing], alliance: Alliance) -> list[dict[str, Any]]:
    """`{"Event": ...}` documents in the order of day and marking."""
    groups: dict[tuple[str, Tlp], list[Outgoing]] = {}
    for record in records:
        day = _moment(record.stated_ms).date().isoformat()
        groups.setdefault((day, _marking(record)), []).append(record)
    return [{"Event": _event(day, tlp, groups[day, tlp], alliance)} for day, tlp in sorted(groups)]


def event_uuid(record: Outgoing, alliance: Alliance) -> str:
    """The UUID of the event in which a record goes out."""
    day = _moment(record.stated_ms).date().isoformat()
    return alliance.uuid("event", f"{day}/{_marking(record).label}")


def _event(day: str, tlp: Tlp, records: list[Outgoing], alliance: Alliance) -> dict[str, Any]:
    uuid = alliance.uuid("event", f"{day}/{tlp.label}")
    org = {"name": alliance.name, "uuid": alliance.uuid("organisation", alliance.name)}
    distribution = _DISTRIBUTION.get(tlp, _OWN_ORG)
    attributes = _attributes(records, uuid, distribution, alliance)
    changed = max(record.changed_ms for record in records) // 1000
    tokens = [entry for entry in attributes if entry["type"] == "anonymised"]
    objects = [_method(uuid, tokens, changed, distribution, alliance)] if tokens else []
    return {
        "uuid": uuid,
        "info": f"Fraud alliance {alliance.name}: records of {day}",
        "date": day,
        "timestamp": str(changed),
        "publish_timestamp": str(changed),
        "published": True,
        "analysis": "2",
        "threat_level_id": "4",
        "distribution": distribution,
        "sharing_group_id": "0",
        "disable_correlation": False,
        "Org": org,
        "Orgc": org,
        "Tag": [_tag(words.tlp_tag(tlp))],
        "Attribute": attributes,
        "Object": objects,
    }


def _attributes(
    records: list[Outgoing], event: str, distribution: str, alliance: Alliance
) -> list[dict[str, Any]]:
    """One attribute an identifier; MISP takes a value once an event."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    standing_first = sorted(records, key=lambda one: one.state in DELETED)
    for record in standing_first:
        attribute = _attribute(record, event, distribution, alliance)
        key = (attribute["type"], attribute["value"])
        if record.state == "erased" or key not in found:
            found[(attribute["uuid"], "") if record.state == "erased" else key] = attribute
        else:
            _corroborate(found[key], record, alliance)
    return list(found.values())


def _attribute(
    record: Outgoing, event: str, distribution: str, alliance: Alliance
) -> dict[str, Any]:
    fields = record.fields
    is_deleted = record.state in DELETED
    kind, category, value = _value(record)
    attribute: dict[str, Any] = {
        "uuid": alliance.uuid("attribute", f"{event}/{record.record_id.hex()}"),
        "type": kind,
        "category": category,
        "value": value,
        "to_ids": record.clear is not None
        and record.state == "active"
        and fields.get("object_role") in DETECTED,
        "distribution": distribution,
        "sharing_group_id": "0",
        "timestamp": str(record.changed_ms // 1000),
        "comment": f"{fields.get('kind') or 'record'}, {record.state}",
        "deleted": is_deleted,
        "disable_correlation": False,
        "Tag": [_tag(name) for name in _tags(record)],
    }
    for name in ("first_seen", "last_seen"):
        if fields.get(name):
            attribute[name] = f"{fields[name]}{_DAY}"
    return attribute


def _corroborate(attribute: dict[str, Any], record: Outgoing, alliance: Alliance) -> None:
    """Another record of the same identifier, as a sighting."""
    is_false = record.state == "disputed"
    if record.state in DELETED:
        return
    sighting = {
        "uuid": alliance.uuid("sighting", record.record_id.hex()),
        "type": "1" if is_false else "0",
        "source": f"{words.NAMESPACE}:{record.reporter}",
        "date_sighting": str(record.stated_ms // 1000),
    }
    attribute.setdefault("Sighting", []).append(sighting)
    newest = max(int(attribute["timestamp"]), record.changed_ms // 1000)
    attribute["timestamp"] = str(newest)


def _value(record: Outgoing) -> tuple[str, str, str]:
    """MISP type, category and value."""
    clear = record.clear
    kind = Kind.parse(record.fields.get("kind"), "kind") if clear is not None else None
    if clear is None or kind is None:
        value = record.token.hex() if record.token else ERASED_VALUE
        return "anonymised", "Financial fraud", value
    chain, _, address = clear.value.partition(":")
    if kind is Kind.WALLET and chain in _PREFIXED:
        return _PREFIXED[chain], "Financial fraud", address
    own, category = words.MISP_OUT[kind]
    given = clear.origin.get("type", "")
    is_same = given in _SINGLE and words.MISP_TYPES[given][0].kind is kind
    if not is_same or kind is Kind.WALLET:
        return own, category, clear.value
    return given, clear.origin.get("category") or category, clear.value


def _tags(record: Outgoing) -> list[str]:
    fields = record.fields
    names = [words.own_tag("record", record.record_id.hex())]
    names += [words.own_tag("status", record.state), words.own_tag("reporter", record.reporter)]
    for name in _TAGGED:
        word = str(fields.get(name) or "")
        if word not in _UNSTATED:
            names.append(words.own_tag(name, word))
    for name in ("country", "valid_until", "distinct_customers"):
        if fields.get(name):
            names.append(words.own_tag(name, str(fields[name])))
    confidence = fields.get("confidence")
    if isinstance(confidence, int):
        names += [words.own_tag("confidence", str(confidence)), words.confidence_tag(confidence)]
    fraud = next((k for k in words.FRAUD_OUT if k.label == fields.get("fraud_type")), None)
    if fraud is not None:
        names.append(words.FRAUD_OUT[fraud])
    if record.state == "disputed":
        names.append(words.FALSE_POSITIVE_TAG)
    return names


def _method(
    event: str,
    tokens: list[dict[str, Any]],
    changed: int,
    distribution: str,
    alliance: Alliance,
) -> dict[str, Any]:
    """The anonymisation object that says how the tokens of an event were made."""
    name, template, version = TEMPLATE
    uuid = alliance.uuid("anonymisation", event)
    texts = {
        "method": "hash - A hash function maps each attribute to a new (not necessarily unique) "
        "attribute.",
        "keyed-hash-function": "hmac-sha256",
        "description": "HMAC-SHA-256, under a key of the exporting member, of the alliance's "
        "threshold-OPRF tag: the same identifier has the same token in this member's exports",
        "level-of-knowledge": "Only the anonymised data is known",
    }
    common = {"timestamp": str(changed), "distribution": distribution, "sharing_group_id": "0"}
    return {
        "uuid": uuid,
        "name": name,
        "meta-category": "misc",
        "template_uuid": template,
        "template_version": version,
        "description": "Anonymisation object describing an anonymisation technique",
        "comment": "",
        "deleted": False,
        **common,
        "Attribute": [
            {
                "uuid": alliance.uuid("anonymisation", f"{event}/{relation}"),
                "object_relation": relation,
                "type": "text",
                "category": "Other",
                "value": text,
                "to_ids": False,
                "disable_correlation": True,
                "deleted": False,
                "comment": "",
                **common,
            }
            for relation, text in texts.items()
        ],
        "ObjectReference": [
            {
                "uuid": alliance.uuid("reference", f"{uuid}/{token['uuid']}"),
                "object_uuid": uuid,
                "referenced_uuid": token["uuid"],
                "relationship_type": "annotates",
                "comment": "",
                "timestamp": str(changed),
                "deleted": False,
            }
            for token in tokens
        ],
    }


def _tag(name: str) -> dict[str, object]:
    return {"name": name, "colour": "#0b5394", "exportable": True}


def _marking(record: Outgoing) -> Tlp:
    """Marking of a record; erased ones, which have none any more, are amber+strict."""
    found: Mapping[str, Tlp] = {tlp.label: tlp for tlp in Tlp}
    tlp = found.get(str(record.fields.get("tlp") or ""), Tlp.UNKNOWN)
    return Tlp.AMBER_STRICT if tlp is Tlp.UNKNOWN else tlp


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
