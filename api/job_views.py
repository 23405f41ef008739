"""Screening jobs as documents, and what a request asks a job to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson

from api.problems import refused
from api.views import timestamp
from bulwark.indicators.model import CASE_REF_MAX
from node.jobs.port import FIELDS, FORMATS, MAX_NAME, MAX_REFERENCES, JobView, Wish

_HEIGHT: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")


def job_document(view: JobView) -> dict[str, object]:
    """A job."""
    return {
        "id": view.id,
        "name": view.name,
        "state": view.state.value,
        "reason": view.reason,
        "key": view.by,
        "input": {
            "format": view.format,
            "bytes": view.input_bytes,
            "sha256": view.input_sha256,
            "read_bytes": view.read_bytes,
            "expected_rows": view.expected_rows,
            "ignored_columns": list(view.ignored),
        },
        "result_format": view.result,
        "height": view.height,
        "rows": view.rows,
        "outcomes": dict(view.outcomes),
        "bands": dict(view.bands),
        "errors": dict(view.errors),
        "created": timestamp(view.created_ms),
        "started": None if view.started_ms is None else timestamp(view.started_ms),
        "ended": None if view.ended_ms is None else timestamp(view.ended_ms),
        "expires": None if view.expires_ms is None else timestamp(view.expires_ms),
        "rows_per_second": view.rows_per_second,
        "seconds_left": view.seconds_left,
    }


def wish_of(form: str, given: Mapping[str, str], case_ref: bytes) -> Wish:
    """What the query and the header of a request ask; raises Problem 400 and 422."""
    columns: dict[str, str] = {}
    for field in FIELDS:
        name = given.get(f"{field}_column", "")
        if name:
            columns[field] = _text(f"{field}_column", name)
    result = given.get("result", "")
    if result and result not in FORMATS:
        raise refused("result", f"one of {', '.join(FORMATS)}")
    values = given.get("values", "false")
    if values not in ("true", "false"):
        raise refused("values", "true or false")
    at_height = given.get("at_height")
    if at_height is not None and _HEIGHT.match(at_height) is None:
        raise refused("at_height", "a block height, 0 or more")
    try:
        case = case_ref.decode("utf-8")
    except UnicodeDecodeError:
        raise refused("x-case-ref", "text in UTF-8") from None
    if len(case) > CASE_REF_MAX:
        raise refused("x-case-ref", f"text of at most {CASE_REF_MAX} characters")
    return Wish(
        format=form,
        columns=columns,
        references=_references(given.get("references", "")),
        kind=given.get("kind", ""),
        region=given.get("region", ""),
        purpose=given.get("purpose", ""),
        lawful_basis=given.get("lawful_basis", ""),
        case_ref=case,
        at_height=None if at_height is None else int(at_height),
        values=values == "true",
        result=result,
        name=_text("name", given.get("name", "")),
    )


def _references(text: str) -> tuple[str, ...]:
    """Names with commas between, or a JSON list for names that hold commas."""
    names: object = [name.strip() for name in text.split(",")] if text else []
    if text.startswith("["):
        try:
            names = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise refused("references", "names with commas between, or a JSON list") from None
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise refused("references", "names with commas between, or a JSON list of texts")
    if len(names) > MAX_REFERENCES or len(set(names)) != len(names):
        raise refused("references", f"at most {MAX_REFERENCES} names, each once")
    return tuple(_text("references", name) for name in names)


def _text(name: str, text: str) -> str:
    if len(text) > MAX_NAME:
        raise refused(name, f"text of at most {MAX_NAME} characters")
    return text
