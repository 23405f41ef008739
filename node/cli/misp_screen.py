"""`bulwark misp screen`: the attributes of a MISP instance asked about, hits sent back.

Rules: an attribute is asked about as what its type says it is; a hit of the wanted band goes back
as a local tag and a sighting, once: an attribute that has the tag is left alone. What could not be
asked in full is counted and never taken for clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import click

from bulwark.client import BulwarkClient
from bulwark.interop import words as interop
from bulwark.interop.misp.values import ALONE, identifiers
from node.cli.connection import ASK_ROLES, Target, connection_options
from node.cli.exchange_out import seconds_of, told
from node.cli.exchange_remote import both
from node.cli.misp_remote import misp_options
from node.cli.options import json_option
from node.cli.values import case_option, reason_options, region_option
from node.exchange.mispclient import MispClient

BLOCK: Final = 2_000
"""Questions of one screening."""
BANDS: Final = ("low", "medium", "high", "very_high")
NUMBERS: Final = ("attributes", "hits", "sent", "refused", "incomplete")


@click.command(name="screen")
@misp_options
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Changed from that day on.")
@click.option(
    "--band", type=click.Choice(BANDS), default="medium", show_default=True,
    help="Least band that is sent back.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Ask, and send nothing back.")
@reason_options("the questions")
@case_option
@region_option
@connection_options(*ASK_ROLES)
@json_option
def screen(
    misp: MispClient,
    since: datetime | None,
    band: str,
    dry_run: bool,
    target: Target,
    as_json: bool,
    **reason: Any,
) -> None:
    """Screen a MISP instance's attributes; hits go back as sightings and local tags.

    \b
    Example:
      bulwark misp screen --misp-url https://misp.example --misp-key-file misp.key \\
        --since 2026-01-01 --home alliance/northbank
    """
    asked = {name: value for name, value in reason.items() if value}
    work = _Screening(asked, seconds_of(since), BANDS[BANDS.index(band) :], is_dry=dry_run)
    both(target, misp, work.run)
    told(as_json, {name: work.done[name] for name in NUMBERS})


@dataclass(slots=True)
class _Screening:
    """One walk over an instance."""

    asked: Mapping[str, Any]
    since: int
    bands: tuple[str, ...]
    is_dry: bool
    done: Counter[str] = field(default_factory=Counter)
    _rows: list[tuple[str, set[str], Mapping[str, Any]]] = field(default_factory=list)
    """UUID and tags of an attribute, and a question about it."""

    async def run(self, client: BulwarkClient, misp: MispClient) -> None:
        """All attributes."""
        async for entry in misp.attributes(list(interop.MISP_TYPES), self.since):
            self.done["attributes"] += 1
            for row in self._questions(entry):
                self._rows.append((str(entry.get("uuid", "")), _tags(entry), row))
            if len(self._rows) >= BLOCK:
                await self._ask(client, misp)
        if self._rows:
            await self._ask(client, misp)

    async def _ask(self, client: BulwarkClient, misp: MispClient) -> None:
        rows, self._rows = self._rows, []
        found = await client.screen_many([row for _, _, row in rows])
        self.done["refused"] += found.refused
        for answered in found.rows:
            uuid, tags, _ = rows[answered.line - 1]
            screening = answered.answer
            if screening is None:
                continue
            if not screening.complete:
                self.done["incomplete"] += 1
            elif screening.hit and screening.band in self.bands:
                self.done["hits"] += 1
                await self._send(misp, uuid, tags, interop.own_tag("band", screening.band))

    async def _send(self, misp: MispClient, uuid: str, tags: set[str], tag: str) -> None:
        if self.is_dry or tag in tags:
            return
        await misp.attach_tag(uuid, tag)
        await misp.sight(uuid, interop.NAMESPACE)
        self.done["sent"] += 1

    def _questions(self, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
        kind, value = entry.get("type"), entry.get("value")
        if not isinstance(kind, str) or not isinstance(value, str):
            return []
        return [
            {"kind": one.kind.label, "value": one.value, **self.asked}
            for one in identifiers(kind, "", value, ALONE)
        ]


def _tags(entry: Mapping[str, Any]) -> set[str]:
    tags = entry.get("Tag")
    listed = tags if isinstance(tags, list) else []
    return {str(tag.get("name", "")) for tag in listed if isinstance(tag, dict)}
