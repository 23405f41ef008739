"""How the governance commands print what a node answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from node.cli.options import emit_json, emit_pairs, emit_rows

Document = Mapping[str, object]


def entries(document: Document, name: str) -> list[Document]:
    """The objects of a list in an answer."""
    found = document.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def emit_table(rows: Sequence[Document], columns: Sequence[str], empty: str) -> None:
    """Objects as a table of these members."""
    if not rows:
        click.echo(empty)
        return
    table = [[_text(row.get(name)) for name in columns] for row in rows]
    emit_rows([[name.replace("_", " ").upper() for name in columns], *table])


def action_text(action: object) -> str:
    """An action in one line."""
    if not isinstance(action, dict):
        return "-"
    fields = [f"{k}={_text(v)}" for k, v in action.items() if k != "kind" and not _is_zero(v)]
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
    click.echo(f"connected: {_text(run.get('connected'))}")
    click.echo(f"missing:   {_text(run.get('missing'))}")
    change = run.get("parameter")
    if isinstance(change, dict):
        old, new = change.get("old"), change.get("new")
        click.echo(f"{change.get('name')}: {old} -> {new}, {change.get('takes_effect')}")
    for finding in entries(run, "findings"):
        click.echo(f"{finding.get('weight')}: {finding.get('detail')}")
    click.echo("it can be proposed" if run.get("allowed") else "it would be refused")


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "-"
    return str(value)


def _is_zero(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0")
