"""`bulwark config explain`: every setting, its default, its value in a home, its meaning."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import BaseModel

from node.cli.homes import open_config
from node.cli.options import emit_json, emit_rows, json_option
from node.config import environment_name, explain


@click.group(name="config")
def command() -> None:
    """Explain every setting of a node.

    \b
    Example:
      bulwark config explain
    """


@command.command(name="explain")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Show the values of this node too, environment included.",
)
@json_option
def explain_command(home: Path | None, as_json: bool) -> None:
    """List all settings of node.toml; a variable as BULWARK_HTTP__PORT goes before the file.

    \b
    Example:
      bulwark config explain --home alliance/northbank
    """
    values = None if home is None else _flat(open_config(home))
    rows = explain()
    if as_json:
        emit_json([_document(*row, values) for row in rows])
    elif values is None:
        emit_rows([("SETTING", "DEFAULT", "MEANING"), *rows])
    else:
        head = ("SETTING", "VALUE", "DEFAULT", "MEANING")
        emit_rows([head, *((n, values[n], default, text) for n, default, text in rows)])


def _document(
    name: str, default: str, meaning: str, values: dict[str, str] | None
) -> dict[str, str]:
    row = {"name": name, "default": default, "environment": environment_name(name)}
    if values is not None:
        row["value"] = values[name]
    return {**row, "meaning": meaning}


def _flat(section: BaseModel, prefix: str = "") -> dict[str, str]:
    """Values by full name, as explain() names them."""
    found: dict[str, str] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            found[prefix + name] = ", ".join(_peer(item) for item in value) or "()"
        else:
            found[prefix + name] = str(value)
    return found


def _peer(item: object) -> str:
    if isinstance(item, BaseModel):
        return ":".join(str(value) for value in item.model_dump().values())
    return str(item)
