"""The JSON Schemas of this package and what breaks them, as faults with their paths.

Rules: JSON Schema 2020-12, checked by the jsonschema package; the schemas are data of this package
(`schemas/*.json`), read once like code. A member that is missing is named by its own path; where a
member may stand in several places, the path names the first. `description` of a schema is what a
fault says is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bulwark.consents.faults import DocumentRefused, Fault, found_of, path_of

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


class Schema(StrEnum):
    """The schemas by file name."""

    DPV = "dpv-27560"
    """Records and receipts of others, in any of the forms of the W3C guide."""
    RECEIPT = "receipt"
    """Receipts that a member issues: closed."""
    TERMS = "terms"
    """What a member states when a person consents."""
    KANTARA = "kantara-1.1"
    """Kantara consent receipts, as far as they are read."""

    def text(self) -> str:
        """The schema document, for other tools."""
        return (files("bulwark.consents") / "schemas" / f"{self.value}.schema.json").read_text(
            encoding="utf-8"
        )


def faults_of(document: object, schema: Schema) -> list[Fault]:
    """What breaks the schema, empty where nothing does; the document is bounded already."""
    validator = _validator(schema)
    kinds: dict[str, Any] = validator.schema.get("$defs", {})
    found = (fault for error in validator.iter_errors(document) for fault in _faults(error, kinds))
    return sorted(set(found))


def check(document: object, schema: Schema) -> None:
    """Raises DocumentRefused where a document breaks a schema."""
    faults = faults_of(document, schema)
    if faults:
        raise DocumentRefused(faults)


@cache
def _validator(schema: Schema) -> Draft202012Validator:
    # With the first document: a node that comes back votes sooner without it (ADR-0014).
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema.text()))


def _faults(error: ValidationError, kinds: dict[str, Any]) -> Iterator[Fault]:
    steps: list[str | int] = list(error.absolute_path)
    rules: Any = error.schema if isinstance(error.schema, dict) else {}
    allowed = str(rules.get("description", ""))
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in error.instance:
                    needed = rules.get("properties", {}).get(name, {})
                    yield Fault(path_of([*steps, name]), "nothing", _allowed(needed, kinds))
        case "additionalProperties":
            names = sorted(rules.get("properties", {}))
            for name in error.instance:
                if name not in names:
                    yield Fault(
                        path_of([*steps, str(name)]),
                        found_of(error.instance[name]),
                        f"no other member than {', '.join(names)}",
                    )
        case "anyOf":
            yield Fault(path_of([*steps, rules["title"]]), "nothing in its places", allowed)
        case _:
            yield Fault(path_of(steps), found_of(error.instance), allowed or _by_keyword(error))


def _allowed(rules: dict[str, Any], kinds: dict[str, Any]) -> str:
    """What a member that is missing may be: its description, or that of the kind it names."""
    named = kinds.get(str(rules.get("$ref", "")).rpartition("/")[2], {})
    return str(rules.get("description") or named.get("description") or "a value, not nothing")


def _by_keyword(error: ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return "a value of type " + (" or ".join(limit) if isinstance(limit, list) else limit)
        case "minItems" | "minProperties":
            return f"at least {limit} entries"
        case "maxItems" | "maxProperties":
            return f"at most {limit} entries"
        case _:
            return f"what the schema's {error.validator} says"
