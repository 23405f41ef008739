"""`bulwark erasure`: order records to be erased, see who confirmed, take the receipts as a file.

Rules: record ids come as words or as a file of one id a line; what the ledger would refuse is told
record by record, and the command ends with 1 if nothing was ordered. Receipts are verified offline
by `bulwark verify erasure`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from bulwark.client import ApiProblem, BulwarkClient, Stage
from node.cli.connection import Target, connection_options, look, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.options import emit_json, emit_pairs, emit_rows, entries, json_option
from node.cli.voting import wait_option

ROLES: Final = ("reporter", "admin")
READ_ROLES: Final = ("auditor", "analyst", "reporter", "operator", "admin")
AT_ONCE: Final = 2_000
NOT_FOUND: Final = 404
GROUNDS: Final = ("request", "consent", "retention", "error")
_DIGEST: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}\Z")


@click.group(name="erasure")
def command() -> None:
    """Order records to be erased at every member, see who confirmed it, take the receipts.

    \b
    Example:
      bulwark erasure order 9c56... --ground request --home alliance/northbank
      bulwark erasure status 9c56... --home alliance/northbank
      bulwark erasure receipts 9c56... --out receipts.json --home alliance/northbank
      bulwark verify erasure receipts.json --genesis genesis.json
    """


@command.command(name="order")
@click.argument("records", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="File with one record id a line.")
@click.option("--ended-consents", is_flag=True, help="All own records whose consent ended.")
@click.option("--ground", type=click.Choice(GROUNDS), default="request", show_default=True)
@wait_option
@connection_options(*ROLES)
@json_option
def order(
    records: Sequence[str],
    file: Path | None,
    ended_consents: bool,
    ground: str,
    wait: str,
    target: Target,
    as_json: bool,
) -> None:
    """Order RECORDS to be erased at every member.

    \b
    Example:
      bulwark erasure order 9c56... --home alliance/northbank
      bulwark erasure order --ended-consents --ground consent --home alliance/northbank
    """
    wanted = [_digest(record) for record in (*records, *_lines(file))]
    if ended_consents:
        wanted += _offered(target)
    if not wanted:
        raise Failed("no records to erase")
    outcomes = [
        run(with_client(target, _ordering(wanted[at : at + AT_ONCE], ground, wait)))
        for at in range(0, len(wanted), AT_ONCE)
    ]
    if as_json:
        emit_json({"outcomes": outcomes})
    else:
        for outcome in outcomes:
            _show_outcome(outcome)
    if not any(outcome["batch"] for outcome in outcomes):
        sys.exit(1)


def _ordering(
    records: Sequence[str], ground: str, wait: str
) -> Callable[[BulwarkClient], Awaitable[dict[str, object]]]:
    body = {"records": list(records), "ground": ground}
    return lambda client: client.act("erasures", body, wait=Stage(wait))


def _show_outcome(outcome: Mapping[str, object]) -> None:
    ordered, refused = outcome["ordered"], entries(outcome, "refused")
    pairs = [
        ("ordered", str(len(ordered) if isinstance(ordered, list) else 0)),
        ("refused", str(len(refused))),
        *((name, str(outcome[name])) for name in ("batch", "stage", "height")),
    ]
    emit_pairs(pairs)
    for each in refused:
        click.echo(f"refused {each['record_id']}: {each['rule']}")


def _offered(target: Target) -> list[str]:
    found = look(target, "erasures/offers")
    return [
        str(record)
        for offer in entries(found, "offers")
        for record in (offer["records"] if isinstance(offer["records"], list) else ())
    ]


@command.command(name="status")
@click.argument("record_or_batch")
@connection_options(*READ_ROLES)
@json_option
def status(record_or_batch: str, target: Target, as_json: bool) -> None:
    """Show who ordered the erasure of a record, or a batch of orders, and who confirmed it.

    \b
    Example:
      bulwark erasure status 9c56... --home alliance/northbank
    """
    digest = _digest(record_or_batch)

    async def ask(client: BulwarkClient) -> dict[str, object]:
        try:
            return await client.look(f"records/{digest}/erasure")
        except ApiProblem as error:
            if error.status != NOT_FOUND:
                raise
        return await client.look(f"erasures/{digest}")

    found = run(with_client(target, ask))
    if as_json:
        emit_json(found)
        return
    if "orders" not in found:
        _show_batch(found)
        return
    emit_pairs([(name, str(found[name])) for name in ("record_id", "erased_here")])
    for each in entries(found, "orders"):
        verdict = each["refused"] or "taken"
        click.echo(f"order {each['record_id']} of {each['member']} at {each['at']}: {verdict}")
        if isinstance(each["batch"], dict):
            _show_batch(each["batch"])


def _show_batch(batch: Mapping[str, object]) -> None:
    emit_pairs([(name, str(batch[name])) for name in ("batch", "height", "at")])
    rows: list[tuple[str, ...]] = [("member", "recalled", "destroyed", "height", "at")]
    for each in entries(batch, "confirmations"):
        said = ("yes" if each[name] else "no" for name in ("recalled", "destroyed"))
        rows.append((str(each["member"]), *said, str(each["height"]), str(each["at"])))
    emit_rows(rows)
    missing = batch["missing"]
    if isinstance(missing, list) and missing:
        click.echo(f"not confirmed yet: {', '.join(map(str, missing))}")


@command.command(name="receipts")
@click.argument("record")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@connection_options(*READ_ROLES)
def receipts(record: str, out: Path, target: Target) -> None:
    """Write the signed receipts of all members for an erased record to a file.

    \b
    Example:
      bulwark erasure receipts 9c56... --out receipts.json --home alliance/northbank
    """
    place = f"records/{_digest(record)}/erasure/receipts"
    document = look(target, place)
    try:
        out.write_text(json.dumps(document) + "\n", "utf-8")
    except OSError as error:
        raise BadSetup(f"{out}: {error.strerror}") from error
    click.echo(f"{out}: receipts of {len(entries(document, 'confirmations'))} members")


def _lines(file: Path | None) -> Iterator[str]:
    if file is None:
        return
    try:
        yield from (line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetup(f"{file}: {error}") from error


def _digest(text: str) -> str:
    if _DIGEST.match(text) is None:
        raise click.UsageError(f"{text[:80]!r} is no id: 64 hexadecimal digits")
    return text.removeprefix("0x").lower()
