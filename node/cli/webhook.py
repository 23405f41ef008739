"""`bulwark webhook`: subscriptions to this member's events, their secrets, tries and replays.

Rules: administrators' keys change, operators' keys look. A secret is printed once, or written to a
new file of mode 0600, and never asked for on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from bulwark.client import BulwarkClient
from node.cli.connection import Target, ask, connection_options, look, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.options import emit_fields, emit_list, entries, json_option
from node.cli.webhook_verify import verify
from node.keys import KeystoreError, write_private
from node.push.port import EventType

ADMIN: Final = ("admin",)
WATCH: Final = ("admin", "operator")
_SHOWN: Final = (
    "id", "url", "types", "description", "state", "reason", "secrets", "cursor", "waiting",
    "replaying", "tries", "next_ms", "dead", "delivered", "failed", "last_status", "created_by",
)  # fmt: skip
_LISTED: Final = ("id", "state", "waiting", "dead", "delivered", "failed", "url")
_TRIES: Final = ("number", "event", "type", "tries", "status", "error", "latency_ms", "taken")
_DEAD: Final = ("event", "type", "tries", "status", "error")
types_option = click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in EventType]),
    help="Type of event; repeat it. All if left out.",
)
secret_option = click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the secret (mode 0600), instead of printing it.",
)
webhook_argument = click.argument("webhook_id")


@click.group(name="webhook")
def command() -> None:
    """Post this member's events to its own systems, signed, each at least once and in order.

    \b
    Example:
      bulwark webhook add https://desk.northbank.example/bulwark --home alliance/northbank
      bulwark webhook deliveries 5f0c2e9a71b3d684 --home alliance/northbank
      bulwark webhook replay 5f0c2e9a71b3d684 --dead --home alliance/northbank
    """


command.add_command(verify)


@command.command(name="add")
@click.argument("receiver")
@types_option
@click.option("--description", default="", help="For people.")
@click.option("--after", type=click.IntRange(min=0), help="Event number to begin behind.")
@secret_option
@connection_options(*ADMIN)
@json_option
def add(
    receiver: str,
    types: tuple[str, ...],
    description: str,
    after: int | None,
    secret_file: Path | None,
    target: Target,
    as_json: bool,
) -> None:
    """Subscribe a receiver; its secret is shown this once.

    \b
    Example:
      bulwark webhook add https://desk.northbank.example/bulwark --type retro_hit --type recall \\
        --secret-file webhook.secret --home alliance/northbank
    """
    body: dict[str, object] = {"url": receiver, "types": list(types), "description": description}
    if after is not None:
        body["after"] = after
    _check_new(secret_file)
    found = ask(target, "webhooks", body)
    _emit_secret(found, secret_file, as_json)


@command.command(name="list")
@connection_options(*WATCH)
@json_option
def list_webhooks(target: Target, as_json: bool) -> None:
    """List subscriptions and how they do.

    \b
    Example:
      bulwark webhook list --home alliance/northbank
    """
    found = look(target, "webhooks")
    emit_list(found, "webhooks", _LISTED, "no webhooks", as_json=as_json)


@command.command(name="show")
@webhook_argument
@connection_options(*WATCH)
@json_option
def show(webhook_id: str, target: Target, as_json: bool) -> None:
    """Show one subscription.

    \b
    Example:
      bulwark webhook show 5f0c2e9a71b3d684 --home alliance/northbank
    """
    _emit(look(target, f"webhooks/{webhook_id}"), as_json)


@command.command(name="pause")
@webhook_argument
@connection_options(*ADMIN)
@json_option
def pause(webhook_id: str, target: Target, as_json: bool) -> None:
    """Post nothing for now; events wait as long as the node keeps them.

    \b
    Example:
      bulwark webhook pause 5f0c2e9a71b3d684 --home alliance/northbank
    """
    _change(webhook_id, {"state": "paused"}, target, as_json)


@command.command(name="resume")
@webhook_argument
@connection_options(*ADMIN)
@json_option
def resume(webhook_id: str, target: Target, as_json: bool) -> None:
    """Go on where a paused subscription stood, at once.

    \b
    Example:
      bulwark webhook resume 5f0c2e9a71b3d684 --home alliance/northbank
    """
    _change(webhook_id, {"state": "active"}, target, as_json)


@command.command(name="change")
@webhook_argument
@click.option("--to", "receiver", help="The receiver's new address.")
@types_option
@click.option("--all-types", is_flag=True, help="All types again.")
@click.option("--description", help="For people.")
@connection_options(*ADMIN)
@json_option
def change(
    webhook_id: str,
    receiver: str | None,
    types: tuple[str, ...],
    all_types: bool,
    description: str | None,
    target: Target,
    as_json: bool,
) -> None:
    """Change address, types or description.

    \b
    Example:
      bulwark webhook change 5f0c2e9a71b3d684 --type recall --home alliance/northbank
    """
    body: dict[str, object] = {}
    if receiver is not None:
        body["url"] = receiver
    if types or all_types:
        body["types"] = [] if all_types else list(types)
    if description is not None:
        body["description"] = description
    if not body:
        raise click.UsageError("say what to change: --to, --type, --all-types, --description")
    _change(webhook_id, body, target, as_json)


@command.command(name="rotate-secret")
@webhook_argument
@click.option("--overlap", type=click.IntRange(min=0), help="Seconds that the old one signs too.")
@secret_option
@connection_options(*ADMIN)
@json_option
def rotate_secret(
    webhook_id: str,
    overlap: int | None,
    secret_file: Path | None,
    target: Target,
    as_json: bool,
) -> None:
    """Make a new secret; for a while deliveries carry a signature of each.

    \b
    Example:
      bulwark webhook rotate-secret 5f0c2e9a71b3d684 --overlap 3600 --home alliance/northbank
    """
    body: dict[str, object] = {} if overlap is None else {"overlap_s": overlap}
    path = f"webhooks/{webhook_id}/secret"
    _check_new(secret_file)
    found = ask(target, path, body)
    _emit_secret(found, secret_file, as_json)


@command.command(name="remove")
@webhook_argument
@connection_options(*ADMIN)
def remove(webhook_id: str, target: Target) -> None:
    """Forget a subscription with all that waits for it.

    \b
    Example:
      bulwark webhook remove 5f0c2e9a71b3d684 --home alliance/northbank
    """
    path = f"webhooks/{webhook_id}"
    ask(target, path, None, method="DELETE")
    click.echo(f"removed {webhook_id}")


@command.command(name="test")
@webhook_argument
@connection_options(*ADMIN)
@json_option
def test(webhook_id: str, target: Target, as_json: bool) -> None:
    """Post a test event now; ends with 1 if the receiver did not take it.

    \b
    Example:
      bulwark webhook test 5f0c2e9a71b3d684 --home alliance/northbank
    """
    path = f"webhooks/{webhook_id}/test"
    found = ask(target, path, None)
    emit_fields(found, ("status", "error", "latency_ms"), as_json=as_json)
    if not found.get("taken"):
        raise Failed("the receiver did not take it")


@command.command(name="deliveries")
@webhook_argument
@connection_options(*WATCH)
@json_option
def deliveries(webhook_id: str, target: Target, as_json: bool) -> None:
    """The latest tries, newest first.

    \b
    Example:
      bulwark webhook deliveries 5f0c2e9a71b3d684 --home alliance/northbank
    """
    path = f"webhooks/{webhook_id}/deliveries"
    found = look(target, path)
    emit_list(found, "deliveries", _TRIES, "nothing was posted yet", as_json=as_json)


@command.command(name="dead")
@webhook_argument
@connection_options(*WATCH)
@json_option
def dead(webhook_id: str, target: Target, as_json: bool) -> None:
    """Events that were given up, oldest first.

    \b
    Example:
      bulwark webhook dead 5f0c2e9a71b3d684 --home alliance/northbank
    """

    async def all_pages(client: BulwarkClient) -> list[Mapping[str, object]]:
        found: list[Mapping[str, object]] = []
        after: object = 0
        while after is not None:
            page = await client.look(f"webhooks/{webhook_id}/dead", after=int(str(after)))
            found += entries(page, "dead")
            after = page.get("next")
        return found

    letters = run(with_client(target, all_pages))
    emit_list({"dead": letters}, "dead", _DEAD, "no dead letters", as_json=as_json)


@command.command(name="replay")
@webhook_argument
@click.option("--dead", "dead_letters", is_flag=True, help="All dead letters.")
@click.option("--event", "events", multiple=True, type=click.IntRange(min=1), help="Its number.")
@click.option("--first", type=click.IntRange(min=1), help="First number of a range.")
@click.option("--last", type=click.IntRange(min=1), help="Last number of a range.")
@click.option("--since", type=click.DateTime(), help="First time of a range, UTC.")
@click.option("--until", type=click.DateTime(), help="Last time of a range, UTC.")
@connection_options(*ADMIN)
def replay(webhook_id: str, target: Target, **chosen: object) -> None:
    """Post events again, under the same ids: dead letters, some by number, or a range.

    \b
    Example:
      bulwark webhook replay 5f0c2e9a71b3d684 --dead --home alliance/northbank
      bulwark webhook replay 5f0c2e9a71b3d684 --since 2026-11-01 --home alliance/northbank
    """
    body = _wanted(chosen)
    path = f"webhooks/{webhook_id}/replay"
    found = ask(target, path, body)
    click.echo(f"{found['queued']} events are put up again")


def _wanted(chosen: Mapping[str, object]) -> dict[str, object]:
    body: dict[str, object] = {}
    if chosen["dead_letters"]:
        body["dead"] = True
    if isinstance(chosen["events"], tuple) and chosen["events"]:
        body["events"] = list(chosen["events"])
    for name in ("first", "last"):
        if chosen[name] is not None:
            body[name] = chosen[name]
    for name, field in (("since", "from_ms"), ("until", "until_ms")):
        moment = chosen[name]
        if isinstance(moment, datetime):
            body[field] = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    return body


def _change(webhook_id: str, body: Mapping[str, object], target: Target, as_json: bool) -> None:
    path = f"webhooks/{webhook_id}"
    _emit(ask(target, path, body, method="PATCH"), as_json)


def _emit(found: Mapping[str, object], as_json: bool) -> None:
    emit_fields(found, _SHOWN, as_json=as_json, text=_text)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "all" if isinstance(value, list) else str(value)


def _check_new(path: Path | None) -> None:
    if path is not None and path.exists():
        raise BadSetup(f"{path} is there already")


def _emit_secret(found: Mapping[str, object], path: Path | None, as_json: bool) -> None:
    secret = str(found["secret"])
    if path is not None:
        try:
            write_private(path, secret.encode() + b"\n")
        except (KeystoreError, OSError) as error:
            click.echo(secret)  # it is shown nowhere else
            raise Failed(f"{path}: {error}") from error
        found = {name: value for name, value in found.items() if name != "secret"}
    _emit(found, as_json)
    if path is None and not as_json:
        click.echo(f"secret       {secret}")
        click.echo("Keep it now: it is not shown again.", err=True)
