"""`bulwark node reload`: a running node reads its settings and files anew."""

from __future__ import annotations

import click

from node.cli.connection import Target, ask, connection_options
from node.cli.options import emit_json, json_option


@click.command(name="reload")
@connection_options("admin")
@json_option
def command(target: Target, as_json: bool) -> None:
    """Have a running node read its settings and files anew, those that need no restart.

    Log level, rates, API keys, users, certificates of its HTTP server and the identity provider's
    settings are taken over; the answer names each, and what wants a restart. A broken file changes
    nothing. SIGHUP does the same; what it came to is in the node's log then.

    \b
    Example:
      bulwark node reload --home alliance/northbank
    """
    done = ask(target, "node/reload", None)
    if as_json:
        emit_json(done)
        return
    for name, key in (("taken over", "taken"), ("wants a restart", "restart")):
        found = done.get(key)
        names = [str(each) for each in found] if isinstance(found, list) else []
        click.echo(f"{name}: {', '.join(names) or 'nothing'}")
