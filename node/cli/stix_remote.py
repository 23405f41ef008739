"""`bulwark stix pull`: what is new in a collection of a TAXII 2.1 server, into this member's node.

Rules: a pull asks for what was added after the cursor that the node keeps of the source, and moves
it with each page that is in, so a pull that was cut off goes on where it was. Markings are fetched
first, since objects of any page may carry them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from bulwark.client import BulwarkClient
from node.cli.connection import Target, connection_options, run, with_client
from node.cli.faults import BadSetup, Failed
from node.cli.misp_options import TIMEOUT_S, WRITE_ROLES, chosen, emit_reports, import_options
from node.cli.options import emit_json, json_option
from node.exchange.taxiiclient import (
    CredentialsInvalid,
    TaxiiClient,
    TaxiiFailed,
    read_credentials,
)

MARKINGS_MAX: Final = 1_000
_PATH = click.Path(path_type=Path)


@click.command(name="pull")
@click.argument("collection_url")
@click.option("--credentials", type=_PATH, help="File of mode 0600: user:password, or a token.")
@click.option("--taxii-ca", type=_PATH, help="CA certificate of the TAXII server, PEM.")
@click.option("--source", help="Name under which the node keeps the cursor; from the address.")
@click.option("--from-start", is_flag=True, help="Ask for everything again.")
@import_options
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.")
@click.option("--keep-clear", is_flag=True, help="Keep clear values for own exports, encrypted.")
@click.option("--items", is_flag=True, help="Also every item with its place and reason.")
@connection_options(*WRITE_ROLES)
@json_option
def pull(
    collection_url: str,
    credentials: Path | None,
    taxii_ca: Path | None,
    source: str | None,
    from_start: bool,
    dry_run: bool,
    keep_clear: bool,
    items: bool,
    target: Target,
    as_json: bool,
    **given: Any,
) -> None:
    """Take in what was added to a TAXII 2.1 collection since the last pull.

    \b
    Example:
      bulwark stix pull https://taxii.example/root/collections/ID/ --credentials taxii.cred \\
        --fraud-type phishing --home alliance/northbank
    """
    name = _source(source, collection_url)
    wish = {"options": chosen(given), "dry_run": dry_run, "keep_clear": keep_clear}
    reports: list[tuple[str, dict[str, Any]]] = []

    async def work(client: BulwarkClient) -> str:
        known = await client.look(f"exchange/stix/sources/{name}")
        cursor = "" if from_start else str(known.get("cursor") or "")
        async with _client(collection_url, credentials, taxii_ca) as taxii:
            markings: list[Any] = []
            async for page in taxii.pages("", type="marking-definition"):
                markings = [*markings, *page.objects][:MARKINGS_MAX]
            async for page in taxii.pages(cursor):
                cursor = page.added_last or cursor
                if not page.objects:
                    continue
                body = {"document": {"objects": _with(markings, page.objects)}, **wish}
                if not dry_run and page.added_last:
                    body |= {"source": name, "cursor": page.added_last}
                label = f"page {len(reports) + 1}"
                reports.append((label, dict(await client.ask("exchange/stix", body))))
        return cursor

    try:
        cursor = run(with_client(target, work, timeout_s=TIMEOUT_S))
    except TaxiiFailed as error:
        raise Failed(str(error)) from error
    if as_json:
        pages = [{"page": label, **one} for label, one in reports]
        emit_json({"source": name, "cursor": cursor, "pages": pages})
    elif reports:
        emit_reports(reports, items=items)
    else:
        click.echo(f"nothing new since {cursor or 'ever'}")


def _with(markings: list[Any], objects: list[Any]) -> list[Any]:
    """A page with the markings that it does not hold itself, after it: pointers stay true."""
    names = {one.get("id") for one in objects if isinstance(one, dict)}
    return [*objects, *(m for m in markings if isinstance(m, dict) and m.get("id") not in names)]


def _client(url: str, credentials: Path | None, authority: Path | None) -> TaxiiClient:
    verify: ssl.SSLContext | bool = True
    try:
        if authority is not None:
            verify = ssl.create_default_context(cafile=authority)
        shown = None if credentials is None else read_credentials(credentials)
        return TaxiiClient(url, shown, verify=verify)
    except (CredentialsInvalid, TaxiiFailed, OSError, ssl.SSLError) as error:
        raise BadSetup(str(error)) from error


def _source(name: str | None, url: str) -> str:
    """The name of a source: host and collection of its address."""
    parts = urlsplit(url.rstrip("/").removesuffix("/objects"))
    found = name or f"taxii:{parts.netloc}:{parts.path.rsplit('/', 1)[-1][:24]}"
    kept = "".join(char if char.isalnum() or char in "._:-" else "-" for char in found)[:64]
    if not kept.isascii():
        raise BadSetup("--source wants ASCII")
    return kept
