"""The forms in which MISP data comes: one event, answers of the REST API, lists, bare attributes.

Rules: bytes are read strictly as UTF-8 JSON of bounded size and depth; every event, attribute,
object and sighting of a document is found wherever the form puts it, with its JSON pointer; what
is none of them becomes an item. It does not look inside attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bulwark.interop.carried import Fate, Gathering, Reason, pointer

DOCUMENT_BYTES_MAX: Final = 16 * 1024 * 1024
EVENTS_MAX: Final = 1_000
_EVENT_KEYS: Final = frozenset({"Attribute", "Object", "ShadowAttribute", "info", "Orgc"})
_LISTS: Final = ("Attribute", "Object", "Sighting", "ShadowAttribute")


class DocumentInvalid(Exception):
    """The document is no JSON that is read here; `detail` never repeats its content."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


@dataclass(slots=True)
class EventForm:
    """One event, or the bare lists of one document as an event without a head."""

    where: tuple[str | int, ...]
    head: Mapping[str, Any]
    """The event's own object; {} for bare lists."""
    lists: dict[str, list[tuple[tuple[str | int, ...], Any]]] = field(default_factory=dict)
    """Attributes, objects, sightings and proposals with their places."""

    def entries(self, name: str) -> list[tuple[tuple[str | int, ...], Any]]:
        """Entries of one list."""
        return self.lists.get(name, [])


def read_document(raw: bytes) -> Any:
    """The JSON of a document. Raises DocumentInvalid."""
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise DocumentInvalid(f"{len(raw)} bytes; at most {DOCUMENT_BYTES_MAX} are read")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise DocumentInvalid(f"no JSON at line {error.lineno}, column {error.colno}") from None


def events_of(document: Any, out: Gathering) -> Iterator[EventForm]:
    """The events of a parsed document in order."""
    bare = EventForm((), {})
    count = 0
    for where, kind, entry in _found(document, (), out):
        if kind == "Event":
            count += 1
            if count > EVENTS_MAX:
                detail = f"at most {EVENTS_MAX} events are read of one document"
                out.note(pointer(*where), "event", Fate.REFUSED, Reason.TOO_MANY, detail)
                break
            yield _event(where, entry)
        else:
            bare.lists.setdefault(kind, []).append((where, entry))
    if bare.lists:
        yield bare


def _event(where: tuple[str | int, ...], entry: Mapping[str, Any]) -> EventForm:
    form = EventForm(where, entry)
    for name in _LISTS:
        value = entry.get(name)
        if isinstance(value, list):
            form.lists[name] = [((*where, name, at), one) for at, one in enumerate(value)]
        elif isinstance(value, dict):
            form.lists[name] = [((*where, name), value)]
    return form


def _found(
    value: Any, where: tuple[str | int, ...], out: Gathering, depth: int = 0
) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """(place, Event | Attribute | Object | Sighting | ShadowAttribute, entry) of a document."""
    if isinstance(value, list) and depth < 3:
        for at, entry in enumerate(value):
            if out.is_full:
                return
            yield from _found(entry, (*where, at), out, depth + 1)
        return
    if not isinstance(value, dict):
        out.note(pointer(*where), "document", Fate.REFUSED, Reason.MALFORMED, "not a JSON object")
        return
    if "response" in value and depth < 3:
        yield from _found(value["response"], (*where, "response"), out, depth + 1)
        return
    if isinstance(value.get("Event"), dict | list) and not _is_named(value):
        inner = value["Event"]
        for at, event in enumerate(inner if isinstance(inner, list) else [inner]):
            place = (*where, "Event", at) if isinstance(inner, list) else (*where, "Event")
            if isinstance(event, dict):
                yield place, "Event", event
            else:
                out.note(pointer(*place), "event", Fate.REFUSED, Reason.MALFORMED, "no object")
        return
    yield from _bare(value, where, out)


def _bare(
    value: Mapping[str, Any], where: tuple[str | int, ...], out: Gathering
) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    """An event without its wrapper, wrapped lists, or a single attribute, object or sighting."""
    if _EVENT_KEYS & value.keys() and not ({"type", "name"} & value.keys()):
        only_lists = value.keys() <= set(_LISTS)
        if not only_lists:
            yield where, "Event", value
            return
    if _is_attribute(value):
        yield where, "Attribute", value
    elif isinstance(value.get("name"), str) and isinstance(value.get("Attribute"), list):
        yield where, "Object", value
    elif "date_sighting" in value or ("attribute_uuid" in value and "type" in value):
        yield where, "Sighting", value
    elif any(name in value for name in _LISTS):
        for name in _LISTS:
            inner = value.get(name)
            if isinstance(inner, list):
                for at, entry in enumerate(inner):
                    yield (*where, name, at), name, entry
            elif isinstance(inner, dict):
                yield (*where, name), name, inner
    elif isinstance(value.get("SharingGroup"), dict):
        detail = "who belongs to a sharing group; name those that cover the alliance as an option"
        out.note(pointer(*where), "sharing group", Fate.LEFT, Reason.CONTEXT, detail)
    else:
        detail = "neither an event nor an attribute, object or sighting"
        out.note(pointer(*where), "document", Fate.REFUSED, Reason.MALFORMED, detail)


def _is_named(value: Mapping[str, Any]) -> bool:
    """Whether an object with an `Event` is an attribute that names the event it is from."""
    return _is_attribute(value)


def _is_attribute(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("type"), str) and "value" in value
