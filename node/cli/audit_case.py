"""`bulwark audit open-case` and `verify-case`: the case behind a sampled record.

Rules: a reporter opens the commitment of one record of its own, and of no other, since each has a
key of its own; the regulator compares it with the record that its own node holds. The file names a
case: it is for its owner alone (mode 0600).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from bulwark.audit.caseopening import FORMAT, MAX_FILE_BYTES, CaseOpening
from node.cli.connection import AUDIT_ROLES, Target, connection_options, look
from node.cli.faults import BadSetup, Failed
from node.cli.files import read_object
from node.cli.options import emit_pairs

RECORD_ROLES = ("auditor", "admin", "analyst", "reporter")
INVALID = 1
_ID = re.compile(r"[0-9a-f]{64}\Z")


@click.command(name="open-case")
@click.argument("record_id")
@click.option("--case-ref", required=True, help="The case reference that was reported.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, not "
              "there yet.")  # fmt: skip
@connection_options(*AUDIT_ROLES)
def open_case(record_id: str, case_ref: str, out: Path, target: Target) -> None:
    """Open the case commitment of a record that this member reported.

    \b
    Example:
      bulwark audit open-case 5f0c... --case-ref CASE-7 --out opened.json --home alliance/northbank
    """
    if _ID.match(record_id) is None:
        raise BadSetup("RECORD_ID: 64 hexadecimal digits")
    # The reference stays here: the node gives the key of this one record.
    key = look(target, f"audit/case-keys/{record_id}")
    record = look(target, f"indicators/{record_id}")
    document = {"format": FORMAT, "record_id": record_id, "case_ref": case_ref, "key": key["key"]}
    try:
        opening = CaseOpening.from_json(document)
    except ValueError as error:
        raise BadSetup(str(error)) from error
    committed = _commitment(record)
    if committed is None or not opening.opens(committed):
        raise Failed("the record commits to another case, or to none")
    try:
        out.touch(mode=0o600, exist_ok=False)
        out.write_text(json.dumps(opening.to_json(), indent=1) + "\n", "utf-8")
    except OSError as error:
        raise Failed(f"{out}: {error.strerror}") from error
    click.echo(f"the case of record {record_id} is in {out}")


@click.command(name="verify-case")
@click.argument("file", type=click.Path(path_type=Path))
@connection_options(*RECORD_ROLES)
def verify_case(file: Path, target: Target) -> None:
    """Compare an opened case with the record that this node holds.

    \b
    Example:
      bulwark audit verify-case opened.json --home alliance/regulator
    """
    document = read_object(file, MAX_FILE_BYTES, "is no opened case")
    try:
        opening = CaseOpening.from_json(document)
    except ValueError as error:
        raise BadSetup(f"{file}: {error}") from error
    record = look(target, f"indicators/{opening.record_id.hex()}")
    committed = _commitment(record)
    is_valid = committed is not None and opening.opens(committed)
    click.echo("VALID" if is_valid else "INVALID")
    emit_pairs([("record", opening.record_id.hex()), ("reporter", str(record.get("reporter")))])
    emit_pairs([("case", opening.case_ref)])
    if not is_valid:
        why = "it commits to another case" if committed else "the record commits to no case"
        click.echo(f"bulwark: {why}", err=True)
        sys.exit(INVALID)


def _commitment(record: dict[str, object]) -> bytes | None:
    found = record.get("case_commitment")
    return bytes.fromhex(found) if isinstance(found, str) else None
