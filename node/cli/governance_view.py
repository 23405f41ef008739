"""How the governance commands print what a node answered."""

from __future__ import annotations

import click

from node.cli.options import Document, cell, emit_json, emit_pairs, emit_rows, entries


def action_text(action: object) -> str:
    """An action in one line."""
    if not isinstance(action, dict):
        return "-"
    fields = [f"{k}={cell(v)}" for k, v in action.items() if k != "kind" and not _is_zero(v)]
    return " ".join([str(action.get("kind")).replace("_", "-"), *fields])


def emit_proposal(proposal: Document, *, as_json: bool) -> None:
    """One proposal."""
    if as_json:
        emit_json(proposal)
        return
    votes = proposal.get("approvals")
    given = [str(name) for name in votes] if isinstance(votes, list) else []
    pairs = [
        ("proposal", str(proposal.get("id"))),
        ("state", str(proposal.get("state"))),
        ("action", action_text(proposal.get("action"))),
        ("proposer", str(proposal.get("proposer"))),
        ("lapses", str(proposal.get("expires"))),
        ("approved by", f"{', '.join(given) or '-'} ({len(given)} of {proposal.get('needed')})"),
    ]
    if proposal.get("failure") is not None:
        pairs.append(("failed", str(proposal.get("failure"))))
    emit_pairs(pairs)


def emit_vote(outcome: Document, *, as_json: bool) -> None:
    """What became of a vote."""
    if as_json:
        emit_json(outcome)
        return
    proposal = outcome.get("proposal")
    if isinstance(proposal, dict):
        emit_proposal(proposal, as_json=False)
    block = f" in block {outcome.get('height')}" if outcome.get("height") is not None else ""
    click.echo(f"vote {outcome.get('stage')}{block}, transaction {outcome.get('transaction')}")


def emit_dry_run(run: Document, *, as_json: bool) -> None:
    """What an action would do."""
    if as_json:
        emit_json(run)
        return
    columns = ("validators", "quorum", "faulty", "approvals")
    rows = [("", *(name.upper() for name in columns))]
    for moment in ("before", "after"):
        quorum = run.get(moment)
        found = quorum if isinstance(quorum, dict) else {}
        rows.append((moment, *(str(found.get(name)) for name in columns)))
    emit_rows(rows)
    click.echo(f"connected: {cell(run.get('connected'))}")
    click.echo(f"missing:   {cell(run.get('missing'))}")
    change = run.get("parameter")
    if isinstance(change, dict):
        old, new = change.get("old"), change.get("new")
        click.echo(f"{change.get('name')}: {old} -> {new}, {change.get('takes_effect')}")
    for finding in entries(run, "findings"):
        click.echo(f"{finding.get('weight')}: {finding.get('detail')}")
    click.echo("it can be proposed" if run.get("allowed") else "it would be refused")


def _is_zero(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0")
