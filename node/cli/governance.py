"""`bulwark governance`: members, parameters and proposals of the alliance, and this member's votes.

Rules: a vote is a transaction of the node's member, so it needs the node's admin key; `--dry-run`
changes nothing and ends with 1 where the vote would be refused; `--force` goes over findings that
are unsafe, never over the ledger's own rules.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

import click

from bulwark.client import Stage
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.governance_propose import propose
from node.cli.governance_view import action_text, emit_dry_run, emit_proposal, emit_vote
from node.cli.options import emit_json, emit_list, emit_table, entries, json_option
from node.cli.voting import ADMIN_ROLES, READ_ROLES, dry_run_option, force_option, wait_option

REFUSED: Final = 1
_MEMBERS: Final = ("id", "roles", "votes", "connected", "node", "account")
_PARAMETERS: Final = ("name", "value", "coming", "by_vote", "least", "most")
_PROPOSALS: Final = ("id", "state", "votes", "expires", "proposer", "action")


@click.group(name="governance")
def command() -> None:
    """Show and change members and parameters by vote.

    \b
    Example:
      bulwark governance propose set-parameter rotation 32 --home alliance/northbank --dry-run
      bulwark governance proposals --home alliance/northbank
      bulwark governance approve 1 --home alliance/rivertel
    """


command.add_command(propose)


@command.command(name="members")
@connection_options(*READ_ROLES)
@json_option
def members(target: Target, as_json: bool) -> None:
    """List the members that the ledger has now.

    \b
    Example:
      bulwark governance members --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.governance("members")))
    emit_list(found, "members", _MEMBERS, "no members", as_json=as_json)


@command.command(name="parameters")
@connection_options(*READ_ROLES)
@json_option
def parameters(target: Target, as_json: bool) -> None:
    """List the parameters that votes may change, with their bounds.

    \b
    Example:
      bulwark governance parameters --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.governance("parameters")))
    emit_list(found, "parameters", _PARAMETERS, "no parameters", as_json=as_json)


@command.command(name="proposals")
@connection_options(*READ_ROLES)
@json_option
def proposals(target: Target, as_json: bool) -> None:
    """List proposals, newest first.

    \b
    Example:
      bulwark governance proposals --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.governance("proposals")))
    if as_json:
        emit_json(found)
        return
    rows = [_row(proposal) for proposal in entries(found, "proposals")]
    emit_table(rows, _PROPOSALS, "no proposals")


@command.command(name="show")
@click.argument("number", type=click.IntRange(min=1))
@connection_options(*READ_ROLES)
@json_option
def show(number: int, target: Target, as_json: bool) -> None:
    """Show one proposal.

    \b
    Example:
      bulwark governance show 1 --home alliance/northbank
    """
    found = run(with_client(target, lambda client: client.governance(f"proposals/{number}")))
    emit_proposal(found, as_json=as_json)


@command.command(name="approve")
@click.argument("number", type=click.IntRange(min=1))
@dry_run_option
@force_option
@wait_option
@connection_options(*ADMIN_ROLES)
@json_option
def approve(
    number: int, dry_run: bool, force: bool, wait: str, target: Target, as_json: bool
) -> None:
    """Approve a proposal; the approval that makes two thirds carries it out.

    \b
    Example:
      bulwark governance approve 1 --home alliance/rivertel
    """
    if dry_run:
        found = run(with_client(target, lambda client: client.governance(f"proposals/{number}")))
        action = found.get("action")
        fields: Mapping[str, object] = action if isinstance(action, dict) else {}
        seen = run(with_client(target, lambda client: client.dry_run(fields)))
        emit_dry_run(seen, as_json=as_json)
        sys.exit(0 if seen.get("allowed") else REFUSED)
    path = f"proposals/{number}/approve"
    outcome = run(
        with_client(target, lambda client: client.govern(path, {"force": force}, wait=Stage(wait)))
    )
    emit_vote(outcome, as_json=as_json)


@command.command(name="withdraw")
@click.argument("number", type=click.IntRange(min=1))
@wait_option
@connection_options(*ADMIN_ROLES)
@json_option
def withdraw(number: int, wait: str, target: Target, as_json: bool) -> None:
    """Take this member's approval back.

    \b
    Example:
      bulwark governance withdraw 1 --home alliance/rivertel
    """
    path = f"proposals/{number}/withdraw"
    outcome = run(with_client(target, lambda client: client.govern(path, {}, wait=Stage(wait))))
    emit_vote(outcome, as_json=as_json)


def _row(proposal: Mapping[str, object]) -> dict[str, object]:
    given = proposal.get("approvals")
    count = len(given) if isinstance(given, list) else 0
    return {
        **proposal,
        "votes": f"{count}/{proposal.get('needed')}",
        "action": action_text(proposal.get("action")),
    }
