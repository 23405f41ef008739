"""`bulwark audit pack`, `custody` and `compare`: evidence that is verified offline.

Rules: the pack is written as it arrives and renamed when it is whole; an existing file is never
overwritten but by `custody add`, which replaces it in one step; exit code 1 when histories differ.
"""

from __future__ import annotations

import io
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Final

import click

from bulwark.audit.packcustody import (
    MAX_NOTE_CHARS,
    CustodyEntry,
    custody_document,
    read_custody,
)
from bulwark.audit.packfiles import CUSTODY, MANIFEST
from bulwark.audit.packwriter import Maker, custody_entry
from bulwark.audit.packzip import PackInvalid, Source, measure, write
from bulwark.ledger.ids import MemberId, TimestampMs
from bulwark.ledger.signing import SigningKey
from bulwark.verifier.archive import open_archive
from bulwark.verifier.codes import PackRefused
from bulwark.verifier.pack import read_listed_manifest, verify_pack
from node.cli.audit_compare import compare
from node.cli.audit_download import download
from node.cli.connection import AUDIT_ROLES, Target, connection_options
from node.cli.faults import BadSetup, Failed
from node.cli.homes import open_config, open_genesis, open_secrets
from node.cli.options import emit_json, emit_table, home_option, json_option
from node.version import product_version

MAX_PAPER_CHARS: Final = 1_000_000
_PATH = click.Path(path_type=Path)

__all__ = ["compare", "custody", "pack"]


@click.command(name="pack")
@click.option("--out", required=True, type=_PATH, help="File to write, not there yet.")
@click.option("--from-height", type=click.IntRange(min=0), help="First block.")
@click.option("--to-height", type=click.IntRange(min=1), help="Last block, which is final.")
@click.option("--reporter", help="Only the records of this member and what was said about them.")
@click.option(
    "--records",
    help="Only these records and what was said about them: ids with commas between them.",
)
@click.option(
    "--document",
    "documents",
    type=_PATH,
    multiple=True,
    help="A text file to go with it: an opening's result, an access log. May be given again.",
)
@connection_options(*AUDIT_ROLES)
def pack(
    out: Path,
    from_height: int | None,
    to_height: int | None,
    reporter: str | None,
    records: str | None,
    documents: tuple[Path, ...],
    target: Target,
) -> None:
    """Make an evidence pack at a node, which signs it.

    \b
    Example:
      bulwark audit pack --out case.pack --from-height 1000 --home alliance/regulator
      bulwark audit pack --out one.pack --records 5f3c...e1 --home alliance/regulator
      bulwark verify pack case.pack --genesis genesis.json
    """
    if reporter is not None and records is not None:
        raise click.UsageError("--reporter or --records, not both")
    wish: dict[str, object] = {"from_height": from_height, "to_height": to_height}
    wish["reporter"] = reporter
    if records is not None:
        wish["records"] = [each.strip() for each in records.split(",") if each.strip()]
    if documents:
        wish["documents"] = [_paper(path) for path in documents]
    body = json.dumps({name: value for name, value in wish.items() if value is not None})
    size, content_hash = download(target, "/v1/audit/packs", body.encode(), out)
    click.echo(f"{size} bytes in {out}, content hash {content_hash}")


def _paper(path: Path) -> dict[str, str]:
    """A text file as it goes to the node; raises BadSetup."""
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MAX_PAPER_CHARS + 1)
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetup(f"{path}: is no UTF-8 text") from error
    if len(text) > MAX_PAPER_CHARS:
        raise BadSetup(f"{path}: over {MAX_PAPER_CHARS} characters")
    return {"name": path.name.lower().replace(" ", "-"), "text": text}


@click.group(name="custody")
def custody() -> None:
    """Show and continue the chain of custody of an evidence pack.

    \b
    Example:
      bulwark audit custody add case.pack --note "handed to the court" --home alliance/regulator
      bulwark audit custody show case.pack
    """


@custody.command(name="show")
@click.argument("file", type=_PATH)
@json_option
def show(file: Path, as_json: bool) -> None:
    """List the entries of a pack's custody; `bulwark verify pack` checks them.

    \b
    Example:
      bulwark audit custody show case.pack
    """
    try:
        with file.open("rb") as stream:
            entries = read_custody(open_archive(stream).read(CUSTODY))
    except (PackRefused, ValueError) as error:
        raise Failed(f"{file}: {error}") from error
    except OSError as error:
        raise BadSetup(f"{file}: {error.strerror}") from error
    rows = [_row(entry) for entry in entries]
    if as_json:
        emit_json({"entries": rows})
        return
    emit_table(rows, ("number", "time", "kind", "member", "note", "hash"), "no entries")


@custody.command(name="add")
@click.argument("file", type=_PATH)
@click.option("--note", required=True, help="Who hands it to whom and why.")
@home_option
def add(file: Path, note: str, home: Path) -> None:
    """Sign a new entry with a node's key and put it behind the last one.

    The pack is verified first. Keep the hash that is printed: it shows later that the entry was
    not taken off (`bulwark verify pack --expect-custody`).

    \b
    Example:
      bulwark audit custody add case.pack --note "handed to the court" --home alliance/regulator
    """
    if not 0 < len(note) <= MAX_NOTE_CHARS:
        raise BadSetup(f"--note wants 1 to {MAX_NOTE_CHARS} characters")
    maker = _maker(home)
    fresh = file.with_name(f".{file.name}.new")
    try:
        with file.open("rb") as stream:
            verify_pack(stream, maker.genesis)
            entry = _append(stream, fresh, maker, note)
        fresh.replace(file)
    except PackRefused as error:
        raise Failed(f"{file}: {error}") from error
    except PackInvalid as error:
        raise Failed(f"{file}: {error}") from error
    except OSError as error:
        raise BadSetup(f"{error.filename or file}: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)
    click.echo(f"entry {entry.number} in {file}, hash {entry.hash.hex()}")


def _append(stream: io.BufferedReader, fresh: Path, maker: Maker, note: str) -> CustodyEntry:
    """Write the pack anew with one entry more."""
    archive = open_archive(stream)
    manifest = read_listed_manifest(archive)
    entries = read_custody(archive.read(CUSTODY))
    now_ms = TimestampMs(time.time_ns() // 1_000_000)
    entry = custody_entry(
        maker, entries[-1], archive.read(MANIFEST), manifest.chain_last, now_ms, note
    )
    longer = Source.of(CUSTODY, custody_document([*entries, entry]))
    files = [
        (Source(name, partial(archive.chunks, name)), stored.entry)
        for name, stored in archive.files.items()
        if name != CUSTODY
    ]
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for piece in write([*files, (longer, measure(longer))]):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return entry


def _maker(home: Path) -> Maker:
    config = open_config(home)
    genesis = open_genesis(home, config)
    key = SigningKey(open_secrets(home, config).vote_key)
    return Maker(
        genesis=genesis, member=MemberId(config.member), key=key, tool_version=product_version()
    )


def _row(entry: CustodyEntry) -> dict[str, object]:
    seconds = entry.at_ms // 1000
    try:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        moment = str(entry.at_ms)
    return {**entry.document(), "time": moment, "hash": entry.hash.hex()}
