"""`bulwark import`, under the name of the command; the work is in `node.cli.importer`."""

from __future__ import annotations

from node.cli.importer import command

__all__ = ["command"]
