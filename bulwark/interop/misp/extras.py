"""What stands in MISP documents beside attributes: galaxies, relations, reports, proposals.

Rules: each becomes an item that says why it is not carried; nothing of their content is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bulwark.interop.carried import Fate, Gathering, Reason, pointer

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

_EXTRAS: Final[dict[str, tuple[str, Reason, str]]] = {
    "Galaxy": ("galaxy", Reason.NO_PLACE, "what it says of fraud is read from its tags"),
    "ObjectReference": ("relation", Reason.RELATION, ""),
    "RelatedEvent": ("relation to an event", Reason.RELATION, ""),
    "EventReport": ("report", Reason.CONTEXT, "text for people"),
    "CryptographicKey": ("key", Reason.CONTEXT, "signatures of MISP are not checked here"),
    "Note": ("note", Reason.CONTEXT, "text for people"),
    "Opinion": ("opinion", Reason.NO_PLACE, "a sighting of type 1 says false positive"),
    "Relationship": ("relation", Reason.RELATION, ""),
}
"""Lists by key of events, objects and attributes."""


def note_extras(entry: Mapping[str, Any], where: tuple[str | int, ...], out: Gathering) -> None:
    """Items of everything beside attributes, objects, tags and sightings."""
    for name, (what, reason, detail) in _EXTRAS.items():
        value = entry.get(name)
        for at, one in enumerate(value if isinstance(value, list) else ()):
            ref = uuid_of(one)
            out.note(pointer(*where, name, at), what, Fate.LEFT, reason, detail, ref)
    proposals = entry.get("ShadowAttribute")
    if "type" in entry and isinstance(proposals, list):  # an event's own are entries of its form
        for at, one in enumerate(proposals):
            place = pointer(*where, "ShadowAttribute", at)
            what = f"proposal {one.get('type')}" if isinstance(one, dict) else "proposal"
            out.note(place, what, Fate.LEFT, Reason.PROPOSAL, "", uuid_of(one))


def uuid_of(entry: object) -> str:
    """The UUID of an entry in lower case; '' where it has none that is one."""
    uuid = entry.get("uuid") if isinstance(entry, Mapping) else None
    return uuid.lower() if isinstance(uuid, str) and _UUID.fullmatch(uuid) else ""
