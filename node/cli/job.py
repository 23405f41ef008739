"""`bulwark job`: screen a file of any size as a job of the node, and check its result offline.

Rules: the node does the work and goes on over its restarts, so a command that is interrupted loses
nothing; `watch` and `submit --wait` only look. `verify` needs no node: it trusts the genesis
document alone and reads the result in whichever format it is.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from bulwark.indicators.vocabulary import Kind
from bulwark.jobs.manifest import MAX_MANIFEST_BYTES, ManifestInvalid, read_signed
from bulwark.jobs.verify import ResultRefused, verify_result
from bulwark.ledger.ids import Address
from node.cli.connection import ASK_ROLES, Target, connection_options
from node.cli.faults import BadSetup, Failed
from node.cli.files import genesis_option, read_genesis, read_whole
from node.cli.job_http import TYPES, JobClient, form_of
from node.cli.job_results import canonical_lines
from node.cli.options import emit_json, emit_pairs, emit_table, emit_valid, json_option, refuse
from node.cli.values import case_option, reason_options, region_option, words

WATCH_ROLES: Final = (*ASK_ROLES, "operator", "admin")
POLL_S: Final = 0.5
PATIENCE_S: Final = 300.0
"""How long `watch` waits for a node that does not answer: it may be restarting."""
OVER: Final = ("done", "failed", "cancelled")
_COLUMNS: Final = ("id", "state", "rows", "hits", "errors", "created", "name")
form_option = click.option("--format", "form", type=click.Choice(list(TYPES)), help="Format.")
Job = dict[str, Any]


@click.group(name="job")
def command() -> None:
    """Screen files of any size as jobs.

    \b
    Example:
      bulwark job submit customers.parquet --value-column msisdn --kind phone --reference id \\
        --wait --out result.parquet --home alliance/northbank
      bulwark job verify result.parquet result.parquet.manifest.json --genesis genesis.json
    """


@command.command(name="submit")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@form_option
@click.option("--value-column", help="Column with the identifiers, if it is not named value.")
@click.option("--kind-column", help="Column with the sort of identifier.")
@click.option("--region-column", help="Column with the country of the value.")
@click.option("--case-ref-column", help="Column with your case number of the row.")
@click.option("--purpose-column", help="Column with the purpose.")
@click.option("--lawful-basis-column", help="Column with the legal basis.")
@click.option("--reference", "references", multiple=True, help="Column that the result repeats.")
@click.option("--kind", type=words(Kind), help="Sort of identifier of rows that name none.")
@reason_options("rows that name none")
@case_option
@region_option
@click.option("--at-height", type=click.IntRange(min=0), help="Answer as after this block.")
@click.option("--values", is_flag=True, help="Repeat the values in the result.")
@click.option("--result", type=click.Choice(list(TYPES)), help="Format of the result.")
@click.option("--name", help="Your name of the job.")
@click.option("--key", "promise", help="Idempotency key: the same key is the same job.")
@click.option("--wait", is_flag=True, help="Stay until the job is over.")
@click.option("--out", type=click.Path(path_type=Path), help="With --wait: where the result goes.")
@connection_options(*ASK_ROLES)
@json_option
def submit(
    target: Target,
    source: Path,
    form: str | None,
    references: tuple[str, ...],
    case_ref: str | None,
    promise: str | None,
    wait: bool,
    out: Path | None,
    as_json: bool,
    **options: object,
) -> None:
    """Send a CSV, NDJSON or Parquet file; the node works it as a job.

    \b
    Example:
      bulwark job submit customers.csv --kind phone --reference customer_id --devnet /tmp/alliance
    """
    if out is not None and not wait:
        raise click.UsageError("--out goes with --wait")
    if out is not None and out.exists():
        raise BadSetup(f"{out} is there already")
    query = {name: _word(value) for name, value in options.items() if value not in (None, False)}
    if references:
        query["references"] = json.dumps(references)
    headers = {} if not case_ref else {"x-case-ref": case_ref}
    headers |= {} if not promise else {"idempotency-key": promise}
    quiet = as_json or not sys.stderr.isatty()
    with JobClient(target) as client, _bytes_bar(quiet) as bar:
        task = bar.add_task("sending", total=source.stat().st_size)
        job = client.submit(
            source, form_of(source, form), query, headers, lambda n: bar.advance(task, n)
        )
    if wait:
        job = _watched(target, job["id"], quiet=quiet)
        if out is not None and job["state"] == "done":
            _fetch(target, job, "", out, quiet=quiet)
    _show(job, as_json)
    if wait and job["state"] != "done":
        raise Failed(f"the job is {job['state']}: {job['reason'] or 'no reason'}")


@command.command(name="list")
@connection_options(*WATCH_ROLES)
@json_option
def list_jobs(target: Target, as_json: bool) -> None:
    """List jobs, the newest first.

    \b
    Example:
      bulwark job list --home alliance/northbank
    """
    with JobClient(target) as client:
        found = client.ask()
    if as_json:
        emit_json(found)
        return
    rows = [
        {**job, "hits": job["outcomes"]["hit"], "errors": job["outcomes"]["error"]}
        for job in found["jobs"]
    ]
    emit_table(rows, _COLUMNS, "no jobs")


@command.command(name="status")
@click.argument("job_id")
@connection_options(*WATCH_ROLES)
@json_option
def status(target: Target, job_id: str, as_json: bool) -> None:
    """Show how far a job is.

    \b
    Example:
      bulwark job status 3f0c... --home alliance/northbank
    """
    with JobClient(target) as client:
        _show(client.ask(f"/{job_id}"), as_json)


@command.command(name="watch")
@click.argument("job_id")
@connection_options(*WATCH_ROLES)
@json_option
def watch(target: Target, job_id: str, as_json: bool) -> None:
    """Follow a job until it is over, also over a restart of the node.

    \b
    Example:
      bulwark job watch 3f0c... --home alliance/northbank
    """
    job = _watched(target, job_id, quiet=as_json or not sys.stderr.isatty())
    _show(job, as_json)
    if job["state"] != "done":
        raise Failed(f"the job is {job['state']}: {job['reason'] or 'no reason'}")


@command.command(name="result")
@click.argument("job_id")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where it goes.")
@form_option
@connection_options(*ASK_ROLES)
@json_option
def result(target: Target, job_id: str, out: Path, form: str | None, as_json: bool) -> None:
    """Fetch a job's result, and its manifest beside it (.manifest.json) once it is done.

    \b
    Example:
      bulwark job result 3f0c... --out result.csv --home alliance/northbank
    """
    with JobClient(target) as client:
        job = client.ask(f"/{job_id}")
    _fetch(target, job, form or "", out, quiet=as_json or not sys.stderr.isatty())
    _show(job, as_json)


def _steering(name: str, done: str, method: str = "POST") -> None:
    """A command that stops a job, lets it go on or destroys it."""

    @command.command(name=name, help=f"{done}\n\n\b\nExample:\n  bulwark job {name} 3f0c...")
    @click.argument("job_id")
    @connection_options(*WATCH_ROLES)
    @json_option
    def steer(target: Target, job_id: str, as_json: bool) -> None:
        place = f"/{job_id}" if method == "DELETE" else f"/{job_id}/{name}"
        with JobClient(target) as client:
            job = client.ask(place, method)
        if job:
            _show(job, as_json)


_steering("pause", "Stop a job at its next part.")
_steering("resume", "Let a paused job go on.")
_steering("cancel", "Stop a job for good; what is answered stays readable.")
_steering("delete", "Destroy a job that is over, with its result.", "DELETE")


@command.command(name="verify")
@click.argument("result_file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("manifest_file", type=click.Path(path_type=Path, dir_okay=False))
@genesis_option
@form_option
@click.option("--key", help="Address of the node's key, if it is not the one in genesis.")
@json_option
def verify(
    result_file: Path,
    manifest_file: Path,
    genesis: Path,
    form: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Check offline that a result is the one that a member's node signed.

    Exit code 0: it is; 1: it is not, with the first row or part that differs.

    \b
    Example:
      bulwark job verify result.csv result.csv.manifest.json --genesis genesis.json
    """
    trusted = read_genesis(genesis)
    data, signed_by = read_whole(manifest_file, MAX_MANIFEST_BYTES), _address(key)
    try:
        manifest = read_signed(data, trusted, signed_by)
        lines = canonical_lines(result_file, form_of(result_file, form))
        verdict = verify_result(lines, manifest)
    except (ManifestInvalid, ResultRefused) as error:
        reason = {"valid": False, "reason": str(error)}
        refuse(f"INVALID  {error}", reason, as_json=as_json)
    facts = {
        "member": manifest.member,
        "rows": verdict.rows,
        "hits": verdict.hits,
        "height": manifest.height,
        "result_root": manifest.root.hex(),
        "input_sha256": manifest.input_sha256.hex(),
    }
    emit_valid(facts, as_json=as_json)


def _fetch(target: Target, job: Job, form: str, out: Path, *, quiet: bool) -> None:
    with JobClient(target) as client, _bytes_bar(quiet) as bar:
        task = bar.add_task("result", total=None)
        client.download(job["id"], form, out, lambda n: bar.advance(task, n))
        if job["state"] == "done":
            beside = out.with_name(f"{out.name}.manifest.json")
            beside.write_bytes(client.manifest(job["id"]))


def _watched(target: Target, job_id: str, *, quiet: bool) -> Job:
    """Look at a job until it is over; a node that is away for a while is waited for."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[facts]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True, quiet=quiet)
    away_since: float | None = None
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("screening", total=None, facts="")
        while True:
            try:
                with JobClient(target) as client:
                    job = client.ask(f"/{job_id}")
                away_since = None
            except Failed as error:
                now = time.monotonic()
                away_since = away_since or now
                if "refused: 4" in str(error) or now - away_since > PATIENCE_S:
                    raise
                time.sleep(POLL_S)
                continue
            given = job["input"]
            left = "" if job["seconds_left"] is None else f", {job['seconds_left']:.0f} s left"
            facts = f"{job['rows']:,} rows, {job['outcomes']['hit']:,} hits, "
            facts += f"{job['rows_per_second']:,.0f} rows/s{left}"
            bar.update(
                task,
                total=given["bytes"],
                completed=given["read_bytes"],
                description=job["state"],
                facts=facts,
            )
            if job["state"] in OVER:
                return job
            time.sleep(POLL_S)


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        emit_json(job)
        return
    counts = {f"{name} rows": f"{count:,}" for name, count in job["outcomes"].items()}
    facts = {
        "id": job["id"], "state": job["state"], "reason": job["reason"],
        "rows": f"{job['rows']:,}", **counts, "height": job["height"],
        "rows/s": f"{job['rows_per_second']:,.0f}", "expires": job["expires"],
        "input sha256": job["input"]["sha256"],
    }  # fmt: skip
    emit_pairs([(name, str(fact)) for name, fact in facts.items() if fact is not None])


def _bytes_bar(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    return Progress(
        *columns, console=Console(stderr=True, quiet=quiet), disable=quiet, transient=True
    )


def _word(value: object) -> str:
    return "true" if value is True else str(value)


def _address(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 20:
        raise click.UsageError("--key wants 40 hexadecimal digits")
    return Address(found)
