"""The objects of STIX 2.1: their own properties, and the one function that checks an object.

Rules: SDOs, SROs and meta objects need created and modified, observables do not; the extra rules of
a type (one of two properties, ids of a certain type) stand in `_extra`. A type that the standard
does not define is checked as an observable if an extension says new-sco or it carries no `created`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bulwark.interop.carried import pointer
from bulwark.interop.stix.checks import (
    COUNT,
    CREATED,
    EXTENSION_TYPE,
    FILLED,
    FLAG,
    ID,
    IDS,
    INTEGER,
    IPV4,
    IPV6,
    LETTERS,
    NUMBER,
    OBJECT,
    OBSERVABLE,
    OPINION,
    PHASES,
    SIZE,
    TEXT,
    TEXTS,
    TIME,
    Fault,
    Form,
    common_fault,
    many,
    reference,
    type_of,
)
from bulwark.interop.stix.names import COMMUNITY, IDENTIFIER_TYPE

_NAMED: Final[dict[str, Form]] = {"name": TEXT, "description": TEXT}
_SEEN: Final[dict[str, Form]] = {"first_seen": TIME, "last_seen": TIME}
_FILE_TIMES: Final[dict[str, Form]] = {"ctime": TIME, "mtime": TIME, "atime": TIME}
_SIGHTED: Final = many(reference("identity", "location"))

DOMAIN_OBJECTS: Final[Mapping[str, tuple[Mapping[str, Form], tuple[str, ...]]]] = {
    "attack-pattern": ({**_NAMED, "aliases": TEXTS, "kill_chain_phases": PHASES}, ("name",)),
    "campaign": ({**_NAMED, **_SEEN, "aliases": TEXTS, "objective": TEXT}, ("name",)),
    "course-of-action": (_NAMED, ("name",)),
    "grouping": (
        {**_NAMED, "context": TEXT, "object_refs": IDS}, ("context", "object_refs"),
    ),
    "identity": (
        {**_NAMED, "roles": TEXTS, "identity_class": TEXT, "sectors": TEXTS,
         "contact_information": TEXT},
        ("name",),
    ),
    "incident": (_NAMED, ("name",)),
    "indicator": (
        {**_NAMED, "indicator_types": TEXTS, "pattern": TEXT, "pattern_type": TEXT,
         "pattern_version": TEXT, "valid_from": TIME, "valid_until": TIME,
         "kill_chain_phases": PHASES},
        ("pattern", "pattern_type", "valid_from"),
    ),
    "infrastructure": (
        {**_NAMED, **_SEEN, "infrastructure_types": TEXTS, "aliases": TEXTS,
         "kill_chain_phases": PHASES},
        ("name",),
    ),
    "intrusion-set": (
        {**_NAMED, **_SEEN, "aliases": TEXTS, "goals": TEXTS, "resource_level": TEXT,
         "primary_motivation": TEXT, "secondary_motivations": TEXTS},
        ("name",),
    ),
    "location": (
        {**_NAMED, "latitude": NUMBER, "longitude": NUMBER, "precision": NUMBER, "region": TEXT,
         "country": TEXT, "administrative_area": TEXT, "city": TEXT, "street_address": TEXT,
         "postal_code": TEXT},
        (),
    ),
    "malware": (
        {**_NAMED, **_SEEN, "aliases": TEXTS, "architecture_execution_envs": TEXTS,
         "implementation_languages": TEXTS, "capabilities": TEXTS, "sample_refs": TEXTS,
         "malware_types": TEXTS, "kill_chain_phases": PHASES, "is_family": FLAG,
         "operating_system_refs": many(reference("software"))},
        ("is_family",),
    ),
    "malware-analysis": (
        {"product": TEXT, "version": TEXT, "result_name": TEXT, "result": TEXT, "modules": TEXTS,
         "submitted": TIME, "analysis_started": TIME, "analysis_ended": TIME,
         "analysis_sco_refs": IDS},
        ("product",),
    ),
    "note": (
        {"abstract": TEXT, "content": TEXT, "authors": TEXTS, "object_refs": IDS},
        ("content", "object_refs"),
    ),
    "observed-data": (
        {"first_observed": TIME, "last_observed": TIME, "number_observed": COUNT,
         "objects": FILLED, "object_refs": IDS},
        ("first_observed", "last_observed", "number_observed"),
    ),
    "opinion": (
        {"explanation": TEXT, "authors": TEXTS, "object_refs": IDS, "opinion": OPINION},
        ("object_refs", "opinion"),
    ),
    "report": (
        {**_NAMED, "report_types": TEXTS, "published": TIME, "object_refs": IDS},
        ("name", "object_refs", "published"),
    ),
    "threat-actor": (
        {**_NAMED, **_SEEN, "threat_actor_types": TEXTS, "aliases": TEXTS, "roles": TEXTS,
         "goals": TEXTS, "sophistication": TEXT, "resource_level": TEXT,
         "primary_motivation": TEXT, "secondary_motivations": TEXTS,
         "personal_motivations": TEXTS},
        ("name",),
    ),
    "tool": (
        {**_NAMED, "aliases": TEXTS, "tool_types": TEXTS, "tool_version": TEXT,
         "kill_chain_phases": PHASES},
        ("name",),
    ),
    "vulnerability": (_NAMED, ("name",)),
    "relationship": (
        {"relationship_type": LETTERS, "description": TEXT, "source_ref": ID, "target_ref": ID,
         "start_time": TIME, "stop_time": TIME},
        ("relationship_type", "source_ref", "target_ref"),
    ),
    "sighting": (
        {**_SEEN, "description": TEXT, "count": COUNT, "sighting_of_ref": ID, "summary": FLAG,
         "observed_data_refs": many(reference("observed-data")), "where_sighted_refs": _SIGHTED},
        ("sighting_of_ref",),
    ),
    "extension-definition": (
        {**_NAMED, "schema": TEXT, "version": TEXT, "extension_types": many(EXTENSION_TYPE),
         "extension_properties": TEXTS},
        ("name", "schema", "version", "extension_types"),
    ),
    "language-content": (
        {"object_ref": ID, "object_modified": TIME, "contents": OBJECT},
        ("object_ref", "contents"),
    ),
}  # fmt: skip
"""Properties and required properties of objects with created and modified."""

_REF: Final[dict[str, Form]] = {"value": TEXT, "resolves_to_refs": TEXTS, "belongs_to_refs": TEXTS}
OBSERVABLES: Final[Mapping[str, tuple[Mapping[str, Form], tuple[str, ...]]]] = {
    "artifact": ({"mime_type": TEXT, "url": TEXT, "hashes": FILLED, "decryption_key": TEXT}, ()),
    "autonomous-system": ({"number": INTEGER, "name": TEXT, "rir": TEXT}, ("number",)),
    "directory": ({**_FILE_TIMES, "path": TEXT, "path_enc": TEXT}, ("path",)),
    "domain-name": (_REF, ("value",)),
    "email-addr": ({"value": TEXT, "display_name": TEXT, "belongs_to_ref": TEXT}, ("value",)),
    "email-message": (
        {"is_multipart": FLAG, "date": TIME, "content_type": TEXT, "from_ref": TEXT,
         "sender_ref": TEXT, "to_refs": TEXTS, "cc_refs": TEXTS, "bcc_refs": TEXTS,
         "message_id": TEXT, "subject": TEXT, "received_lines": TEXTS},
        ("is_multipart",),
    ),
    "file": (
        {**_FILE_TIMES, "hashes": FILLED, "size": SIZE, "name": TEXT, "mime_type": TEXT}, (),
    ),
    "ipv4-addr": ({**_REF, "value": IPV4}, ("value",)),
    "ipv6-addr": ({**_REF, "value": IPV6}, ("value",)),
    "mac-addr": ({"value": TEXT}, ("value",)),
    "mutex": ({"name": TEXT}, ("name",)),
    "network-traffic": (
        {"start": TIME, "end": TIME, "src_ref": TEXT, "dst_ref": TEXT, "src_port": INTEGER,
         "dst_port": INTEGER, "protocols": TEXTS},
        ("protocols",),
    ),
    "process": ({"is_hidden": FLAG, "pid": INTEGER, "created_time": TIME, "cwd": TEXT,
                 "command_line": TEXT}, ()),
    "software": ({"name": TEXT, "cpe": TEXT, "vendor": TEXT, "version": TEXT}, ("name",)),
    "url": ({"value": TEXT}, ("value",)),
    "user-account": (
        {"user_id": TEXT, "credential": TEXT, "account_login": TEXT, "account_type": TEXT,
         "display_name": TEXT, "is_service_account": FLAG, "is_disabled": FLAG,
         "account_created": TIME, "account_expires": TIME},
        (),
    ),
    "windows-registry-key": ({"key": TEXT, "modified_time": TIME}, ()),
    "x509-certificate": ({"is_self_signed": FLAG, "issuer": TEXT, "subject": TEXT,
                          "serial_number": TEXT, "hashes": FILLED}, ()),
    "phone-number": ({"value": TEXT, "country": TEXT, "provider": TEXT}, ("value",)),
    "bank-account": ({"iban": TEXT, "account_number": TEXT, "bic": TEXT, "country": TEXT,
                      "currency": TEXT}, ()),
    "payment-card": ({"value": TEXT}, ("value",)),
    "cryptocurrency-wallet": ({"value": TEXT, "address": TEXT}, ()),
    IDENTIFIER_TYPE: ({"value": TEXT, "identifier_kind": TEXT}, ("value", "identifier_kind")),
}  # fmt: skip
"""Properties and required properties of observables, those of the community at the end."""

_ONE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "file": ("hashes", "name"),
    "network-traffic": ("src_ref", "dst_ref"),
    "user-account": ("user_id", "account_login", "display_name"),
    "bank-account": ("iban", "account_number"),
    "cryptocurrency-wallet": ("value", "address"),
    "observed-data": ("objects", "object_refs"),
    "malware-analysis": ("result", "analysis_sco_refs"),
    "artifact": ("payload_bin", "url", "hashes"),
    "windows-registry-key": ("key", "values"),
}
"""Types of which at least one of some properties must be there."""


def fault_of(document: Mapping[str, object]) -> Fault | None:
    """What is wrong with an object, the first of it; None for a sound one."""
    kind = type_of(document)
    if isinstance(kind, Fault):
        return kind
    if kind == "marking-definition":
        return _marking(document)
    fault = _by_table(document, kind)
    return fault if fault is not None else _extra(document, kind)


def is_defined(kind: str) -> bool:
    """Whether the standard or the community defines objects of a type."""
    return kind in DOMAIN_OBJECTS or kind in OBSERVABLES or kind == "marking-definition"


def is_observable(document: Mapping[str, object]) -> bool:
    """Whether an object is a cyber observable."""
    kind = document.get("type")
    if kind in OBSERVABLES or kind in DOMAIN_OBJECTS:
        return kind in OBSERVABLES
    extensions = document.get("extensions")
    if isinstance(extensions, dict):
        for entry in extensions.values():
            if isinstance(entry, dict) and entry.get("extension_type") == "new-sco":
                return True
    return "created" not in document


def _by_table(document: Mapping[str, object], kind: str) -> Fault | None:
    if is_observable(document):
        forms, required = OBSERVABLES.get(kind, ({}, ()))
        return common_fault(document, kind, {**OBSERVABLE, **forms}, required)
    forms, required = DOMAIN_OBJECTS.get(kind, ({}, ()))
    always = ("spec_version", "created", "modified")
    return common_fault(document, kind, {**CREATED, **forms}, (*always, *required))


def _marking(document: Mapping[str, object]) -> Fault | None:
    forms = {**CREATED, "name": TEXT, "definition_type": TEXT, "definition": OBJECT,
             "created": TIME}  # fmt: skip
    required: tuple[str, ...] = ("spec_version", "created")
    if "extensions" not in document:
        required = (*required, "definition_type", "definition")
    fault = common_fault(document, "marking-definition", forms, required)
    if fault is not None:
        return fault
    definition = document.get("definition")
    if document.get("definition_type") == "statement" and (
        not isinstance(definition, dict) or not isinstance(definition.get("statement"), str)
    ):
        return Fault("/definition/statement", "nothing", "the text of the statement")
    return None


def _extra(document: Mapping[str, object], kind: str) -> Fault | None:
    names = _ONE_OF.get(kind)
    if names is not None and not any(name in document for name in names):
        return Fault(pointer(names[0]), "nothing", f"one of {', '.join(names)} must be there")
    if kind == "observed-data" and "objects" in document and "object_refs" in document:
        return Fault("/objects", "both", "either objects or object_refs")
    if kind == "malware" and document.get("is_family") is True and "name" not in document:
        return Fault("/name", "nothing", "the name of the family")
    if kind == "sighting":
        of = str(document.get("sighting_of_ref", "")).partition("--")[0]
        if of in ("sighting", "relationship", "bundle", "marking-definition", "language-content"):
            return Fault("/sighting_of_ref", "an id of " + of, "the id of a domain object")
    for name, community in COMMUNITY.items():
        extensions = document.get("extensions")
        if kind == name and isinstance(extensions, dict) and community in extensions:
            entry = extensions[community]
            if isinstance(entry, dict) and entry.get("extension_type") != "new-sco":
                return Fault(pointer("extensions", community), "another type", "new-sco")
    return None
