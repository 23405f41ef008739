"""`bulwark governance propose`: one sub-command an action.

Rules: what an option leaves out stays as the ledger has it; files are read whole, bounded and
strictly. The node checks everything again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

from bulwark.client import Stage
from node.cli.connection import MAX_FILE_BYTES, Target, connection_options, look, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.files import read_object
from node.cli.governance_view import emit_dry_run, emit_vote
from node.cli.options import entries, json_option
from node.cli.voting import ADMIN_ROLES, dry_run_option, force_option, wait_option

ROLES: Final = ("validator", "reporter", "regulator", "deployer")
JOIN_FIELDS: Final = ("id", "node", "account", "roles", "oprf_key", "tls_pin", "next_tls_pin")
PLACE_FIELDS: Final = ("host", "port")
"""Of a join request: for the operators' configuration, not for the ledger."""
MAX_DAYS: Final = 89
P = ParamSpec("P")
Action = dict[str, object]


@click.group(name="propose")
def propose() -> None:
    """Propose a change and approve it for this member.

    \b
    Example:
      bulwark governance propose add-member join.json --home alliance/northbank --dry-run
    """


def _proposing(function: Callable[..., Action]) -> Callable[..., None]:
    """A command that proposes the action which `function` makes of its arguments."""

    @wraps(function)
    def wrapper(
        target: Target,
        dry_run: bool,
        force: bool,
        days: int,
        wait: str,
        as_json: bool,
        **arguments: Any,
    ) -> None:
        action = function(target, **arguments)
        if dry_run:
            seen = run(with_client(target, lambda client: client.dry_run(action)))
            emit_dry_run(seen, as_json=as_json)
            sys.exit(0 if seen.get("allowed") else 1)
        document = {"action": action, "lifetime_s": days * 86_400, "force": force}
        outcome = run(
            with_client(
                target, lambda client: client.govern("proposals", document, wait=Stage(wait))
            )
        )
        emit_vote(outcome, as_json=as_json)

    decorated: Callable[..., None] = json_option(wrapper)
    decorated = connection_options(*ADMIN_ROLES)(decorated)
    for option in (
        wait_option,
        click.option(
            "--days",
            type=click.IntRange(1, MAX_DAYS),
            default=7,
            show_default=True,
            help="Days until the proposal lapses.",
        ),
        force_option,
        dry_run_option,
    ):
        decorated = option(decorated)
    return decorated


@propose.command(name="add-member")
@click.argument("file", type=click.Path(path_type=Path))
@_proposing
def add_member(target: Target, file: Path) -> Action:
    """Add the member of a join request (`bulwark member join-request`).

    \b
    Example:
      bulwark governance propose add-member join.json --home alliance/northbank
    """
    request = read_object(file, MAX_FILE_BYTES, "is no join request")
    unknown = request.keys() - {*JOIN_FIELDS, *PLACE_FIELDS}
    if unknown:
        raise BadSetup(f"{file}: {min(unknown)[:64]} is unknown in a join request")
    return {"kind": "add_member", **{n: request[n] for n in JOIN_FIELDS if n in request}}


@propose.command(name="remove-member")
@click.argument("member")
@_proposing
def remove_member(target: Target, member: str) -> Action:
    """Remove a member.

    \b
    Example:
      bulwark governance propose remove-member rivertel --home alliance/northbank
    """
    return {"kind": "remove_member", "id": member}


@propose.command(name="set-keys")
@click.argument("member")
@click.option("--vote-key", "node", help="Address of the new vote key.")
@click.option("--account", help="Address of the new account key.")
@click.option("--oprf-key", help="New public key of its OPRF share, 64 hex digits.")
@_proposing
def set_keys(
    target: Target, member: str, node: str | None, account: str | None, oprf_key: str | None
) -> Action:
    """Replace keys of a member; what is left out stays.

    \b
    Example:
      bulwark governance propose set-keys rivertel --vote-key 0x52... --home alliance/northbank
    """
    given = {"node": node, "account": account, "oprf_key": oprf_key}
    return _changed(target, "set_keys", member, given)


@propose.command(name="set-tls-pin")
@click.argument("member")
@click.option("--pin", "tls_pin", help="Pin of the current TLS key, 64 hex digits.")
@click.option("--next", "next_tls_pin", help="Pin of the key that may replace it; none clears it.")
@_proposing
def set_tls_pin(
    target: Target, member: str, tls_pin: str | None, next_tls_pin: str | None
) -> Action:
    """Change the TLS pins of a member; what is left out stays.

    \b
    Example:
      bulwark governance propose set-tls-pin rivertel --next 5e1f... --home alliance/northbank
    """
    given = {"tls_pin": tls_pin, "next_tls_pin": next_tls_pin}
    return _changed(target, "set_tls_pins", member, given)


@propose.command(name="set-roles")
@click.argument("member")
@click.argument("roles", nargs=-1, type=click.Choice([*ROLES, "none"]), required=True)
@_proposing
def set_roles(target: Target, member: str, roles: tuple[str, ...]) -> Action:
    """Give a member exactly these roles; none suspends it.

    \b
    Example:
      bulwark governance propose set-roles rivertel validator reporter --home alliance/northbank
    """
    if "none" in roles and len(roles) > 1:
        raise click.UsageError("none goes alone")
    return {"kind": "set_roles", "id": member, "roles": [r for r in roles if r != "none"]}


@propose.command(name="set-parameter")
@click.argument("parameter")
@click.argument("value", type=int)
@_proposing
def set_parameter(target: Target, parameter: str, value: int) -> Action:
    """Set a parameter of the protocol (`bulwark governance parameters` lists them).

    \b
    Example:
      bulwark governance propose set-parameter rotation 32 --home alliance/northbank
    """
    return {"kind": "set_parameter", "name": parameter, "value": value}


@propose.group(name="policy")
def policy() -> None:
    """Adopt or withdraw a policy (`bulwark policy list` shows them).

    \b
    Example:
      bulwark governance propose policy adopt eu-psr-83 --home alliance/northbank
    """


@policy.command(name="adopt")
@click.argument("policy")
@_proposing
def adopt_policy(target: Target, policy: str) -> Action:
    """Put a published policy in force for records of later blocks; by id or title.

    \b
    Example:
      bulwark governance propose policy adopt eu-psr-83 --home alliance/northbank --dry-run
    """
    return {"kind": "adopt_policy", "policy": _policy_id(target, policy, ("published",))}


@policy.command(name="withdraw")
@click.argument("policy")
@_proposing
def withdraw_policy(target: Target, policy: str) -> Action:
    """Take a policy out of force for records of later blocks; by id or title.

    \b
    Example:
      bulwark governance propose policy withdraw eu-psr-83 --home alliance/northbank
    """
    return {"kind": "withdraw_policy", "policy": _policy_id(target, policy, ("adopted",))}


@propose.command(name="suspend")
@click.argument("member")
@click.argument("evidence")
@_proposing
def suspend(target: Target, member: str, evidence: str) -> Action:
    """Take a member's vote and right to report, for a case on the ledger against it.

    EVIDENCE is the id of the evidence (`bulwark evidence list`), or of its case on the ledger.

    \b
    Example:
      bulwark governance propose suspend rivertel 9f2c... --home alliance/northbank --dry-run
    """
    found = run(with_client(target, lambda client: client.evidence()))
    cases = {entry.get("id"): entry.get("ledger_case") for entry in entries(found, "evidence")}
    case = cases.get(evidence.removeprefix("0x")) or evidence
    return {"kind": "suspend_member", "id": member, "evidence": case}


@propose.command(name="reinstate")
@click.argument("member")
@_proposing
def reinstate(target: Target, member: str) -> Action:
    """Give a suspended member back what its suspension took.

    \b
    Example:
      bulwark governance propose reinstate rivertel --home alliance/northbank
    """
    return {"kind": "reinstate", "id": member}


def _policy_id(target: Target, name: str, states: tuple[str, ...]) -> str:
    """Id of the newest policy of that title that is in one of these states; an id as it is."""
    if len(name.removeprefix("0x")) == 64:
        return name
    answer = look(target, "policies")
    for found in entries(answer, "policies"):
        if found.get("title") == name and found.get("state") in states:
            return str(found.get("id"))
    raise Failed(f"the ledger has no {' or '.join(states)} policy {name}")


def _changed(target: Target, kind: str, name: str, given: Mapping[str, str | None]) -> Action:
    """An action on a member: given fields over those that the ledger has."""
    if not any(value is not None for value in given.values()):
        raise click.UsageError("name at least one thing to change")
    answer = run(with_client(target, lambda client: client.governance("members")))
    found = next((m for m in entries(answer, "members") if m.get("id") == name), None)
    if found is None:
        raise Failed(f"the ledger has no member {name}")
    action: Action = {"kind": kind, "id": name}
    for field, value in given.items():
        new = "00" * 32 if value == "none" else value
        action[field] = found.get(field) if new is None else new
    return action
