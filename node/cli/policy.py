"""`bulwark policy`: the policies under which records are shared, and checking a document.

Rules: `check` needs no node: it reads a file as every node would and names the fault by its JSON
path, exit code 1; what is published is the canonical form, whose SHA-256 is the id. Putting a
policy in force is a vote (`bulwark governance propose policy adopt`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from bulwark.client import Stage
from bulwark.policies.document import (
    MAX_POLICY_BYTES,
    Policy,
    PolicyInvalid,
    canonical,
    parse_policy,
)
from bulwark.policies.library import TITLES, shipped
from node.cli.connection import Target, connection_options, look, run, with_client
from node.cli.faults import Failed
from node.cli.files import read_file
from node.cli.options import emit_json, emit_list, emit_pairs, json_option
from node.cli.voting import ADMIN_ROLES, wait_option

READ_ROLES: Final = ("auditor", "operator", "analyst", "reporter", "admin")
MAX_FILE_BYTES: Final = 4 * MAX_POLICY_BYTES
_COLUMNS: Final = ("title", "version", "state", "since", "until", "default", "publisher", "id")


@click.group(name="policy")
def command() -> None:
    """Show, check and publish the policies under which records are shared.

    \b
    Example:
      bulwark policy list --home alliance/northbank
    """


@command.command(name="list")
@connection_options(*READ_ROLES)
@json_option
def list_policies(target: Target, as_json: bool) -> None:
    """List the policies of the ledger, newest first.

    \b
    Example:
      bulwark policy list --devnet /tmp/alliance
    """
    found = look(target, "policies")
    emit_list(found, "policies", _COLUMNS, "the ledger has no policies", as_json=as_json)


@command.command(name="show")
@click.argument("policy")
@connection_options(*READ_ROLES)
@json_option
def show(policy: str, target: Target, as_json: bool) -> None:
    """Show a policy by id or title, with its document.

    \b
    Example:
      bulwark policy show eu-psr-83 --home alliance/northbank
    """
    found = look(target, f"policies/{_name(policy)}")
    if as_json:
        emit_json(found)
        return
    emit_pairs(
        [(name, "-" if found.get(name) is None else str(found.get(name))) for name in _COLUMNS]
    )
    if found.get("fault") is not None:
        click.echo(f"fault: {found.get('fault')}")
    click.echo(json.dumps(found.get("document"), indent=2, ensure_ascii=False))


@command.command(name="check")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check a policy document, without a node; prints its id.

    FILE is a path, or the title of a policy that ships with the product.

    \b
    Example:
      bulwark policy check our-policy.json
    """
    found = _read(file)
    if as_json:
        emit_json(
            {
                "id": found.id.hex(),
                "title": found.title,
                "version": found.version,
                "bytes": len(found.document),
            }
        )
        return
    emit_pairs(
        [
            ("policy", f"{found.title} version {found.version}"),
            ("id", found.id.hex()),
            ("bytes", f"{len(found.document)} of {MAX_POLICY_BYTES}"),
            ("kinds", ", ".join(sorted(kind.label for kind in found.kinds))),
            ("countries", ", ".join(sorted(found.jurisdictions)) or "all"),
        ]
    )


@command.command(name="publish")
@click.argument("file", type=click.Path(path_type=Path))
@wait_option
@connection_options(*ADMIN_ROLES)
@json_option
def publish(file: Path, wait: str, target: Target, as_json: bool) -> None:
    """Put a policy document on the ledger; a vote puts it in force.

    FILE is a path, or the title of a policy that ships with the product.

    \b
    Example:
      bulwark policy publish our-policy.json --home alliance/northbank
    """
    document = json.loads(_read(file).document)
    outcome = run(
        with_client(target, lambda client: client.act("policies", document, wait=Stage(wait)))
    )
    if as_json:
        emit_json(outcome)
        return
    block = f" in block {outcome.get('height')}" if outcome.get("height") is not None else ""
    click.echo(f"policy {outcome.get('id')} {outcome.get('stage')}{block}")
    click.echo(f"to put it in force: bulwark governance propose policy adopt {outcome.get('id')}")


def _read(file: Path) -> Policy:
    if str(file) in TITLES and not file.exists():
        return shipped(str(file))
    data = read_file(file, MAX_FILE_BYTES)
    try:
        return parse_policy(canonical(data))
    except PolicyInvalid as error:
        raise Failed(f"{file}: {error}") from error


def _name(text: str) -> str:
    """A policy's id or title as a segment of a path; what can be neither is asked nobody."""
    if not text or not all(c.isalnum() or c in ".-" for c in text) or text in (".", ".."):
        raise click.UsageError("a policy is named by its id or title")
    return text
