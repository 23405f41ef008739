"""What others say of STIX that we write: the OASIS JSON Schemas, the stix2 library, misp-stix."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stix2
from jsonschema import Draft202012Validator
from misp_stix_converter import ExternalSTIX2toMISPParser
from referencing import Registry, Resource
from stix2.properties import StringProperty

from bulwark.interop.stix.names import COMMUNITY, IDENTIFIER_TYPE, SCO_EXTENSION

_OBSERVABLES = {
    "phone-number": (("value",), COMMUNITY["phone-number"]),
    "bank-account": (("iban", "account_number"), COMMUNITY["bank-account"]),
    "cryptocurrency-wallet": (("value",), COMMUNITY["cryptocurrency-wallet"]),
    IDENTIFIER_TYPE: (("value", "identifier_kind"), SCO_EXTENSION),
}

UNKNOWN_TO_MISP = ("opinion", *_OBSERVABLES)
"""Types that misp-stix reads from nobody."""


def register() -> None:
    """Tell stix2 of the observables that extensions make; once a process is enough."""
    for kind, (names, extension) in _OBSERVABLES.items():
        if stix2.registry.class_for_type(kind, "2.1") is None:
            properties = [(name, StringProperty()) for name in names]
            made = stix2.CustomObservable(kind, properties, list(names), extension_name=extension)
            made(type(kind, (object,), {}))


def strictly(document: Mapping[str, Any]) -> int:
    """Read a bundle with stix2 without custom content; how many objects it has."""
    register()
    found = stix2.parse(json.dumps(document), allow_custom=False, version="2.1")
    return len(getattr(found, "objects", ()))


def as_misp(document: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Read a bundle with misp-stix: attributes and objects it makes, and its errors.

    That it does not know a type at all is its own limit and no error of the bundle.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parser = ExternalSTIX2toMISPParser()
        parser.load_stix_bundle(stix2.parse(json.dumps(document), allow_custom=True))
        parser.parse_stix_bundle(single_event=True)
    event = parser.misp_event
    errors = [str(text) for told in parser.errors.values() for text in told]
    known = [text for text in errors if not text.endswith(UNKNOWN_TO_MISP)]
    return len(event.attributes) + len(event.objects), known


class Schemas:
    """The JSON Schemas of STIX 2.1, by type of object."""

    def __init__(self, folder: Path) -> None:
        registry: Registry[Any] = Registry()
        self._by_type: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.rglob("*.json")):
            document = json.loads(path.read_bytes())
            self._by_type[path.stem] = document
            resource = Resource.from_contents(document)
            registry = registry.with_resource(document["$id"], resource)
        self._registry = registry

    def knows(self, kind: str) -> bool:
        """Whether there is a schema of its own for a type."""
        return kind in self._by_type and kind not in ("core", "cyber-observable-core")

    def faults(self, document: Mapping[str, Any]) -> list[str]:
        """What is wrong with an object; one of an unknown type is held to the common schema."""
        kind = str(document.get("type"))
        common = "core" if "created" in document else "cyber-observable-core"
        schema = self._by_type[kind if self.knows(kind) else common]
        validator = Draft202012Validator(schema, registry=self._registry)
        return [
            f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)
        ]
