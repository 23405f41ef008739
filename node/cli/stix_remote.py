"""`bulwark stix pull`: what is new in a collection of a TAXII 2.1 server, into this member's node.

Rules: a pull asks for what was added after the cursor that the node keeps of the source, and moves
it with each page that is in, so a pull that was cut off goes on where it was. Markings are fetched
first, since objects of any page may carry them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from bulwark.client import BulwarkClient
from node.cli.exchange_in import Intake, Report, intake_options
from node.cli.exchange_remote import both, emit_pull, opened, source_name
from node.exchange.outbound import Verify
from node.exchange.taxiiclient import TaxiiClient, read_credentials

MARKINGS_MAX: Final = 1_000
_PATH = click.Path(path_type=Path)


@click.command(name="pull")
@click.argument("collection_url")
@click.option("--credentials", type=_PATH, help="File of mode 0600: user:password, or a token.")
@click.option("--taxii-ca", type=_PATH, help="CA certificate of the TAXII server, PEM.")
@click.option("--source", help="Name under which the node keeps the cursor; from the address.")
@click.option("--from-start", is_flag=True, help="Ask for everything again.")
@intake_options
def pull(
    collection_url: str,
    credentials: Path | None,
    taxii_ca: Path | None,
    source: str | None,
    from_start: bool,
    intake: Intake,
) -> None:
    """Take in what was added to a TAXII 2.1 collection since the last pull.

    \b
    Example:
      bulwark stix pull https://taxii.example/root/collections/ID/ --credentials taxii.cred \\
        --fraud-type phishing --home alliance/northbank
    """

    def collection(verify: Verify) -> TaxiiClient:
        shown = None if credentials is None else read_credentials(credentials)
        return TaxiiClient(collection_url, shown, verify=verify)

    name = source_name(source or _source(collection_url))
    reports: list[tuple[str, Report]] = []

    async def work(client: BulwarkClient, taxii: TaxiiClient) -> str:
        known = await client.look(f"exchange/stix/sources/{name}")
        cursor = "" if from_start else str(known.get("cursor") or "")
        markings: list[Any] = []
        async for page in taxii.pages("", type="marking-definition"):
            markings = [*markings, *page.objects][:MARKINGS_MAX]
        async for page in taxii.pages(cursor):
            cursor = page.added_last or cursor
            if not page.objects:
                continue
            body = {"document": {"objects": _with(markings, page.objects)}, **intake.wish}
            if not intake.wish["dry_run"] and page.added_last:
                body |= {"source": name, "cursor": page.added_last}
            label = f"page {len(reports) + 1}"
            reports.append((label, await client.ask("exchange/stix", body)))
        return cursor

    cursor = both(intake.target, opened(taxii_ca, collection), work)
    emit_pull(intake, name, cursor, reports, ("pages", "page"))


def _with(markings: list[Any], objects: list[Any]) -> list[Any]:
    """A page with the markings that it does not hold itself, after it: pointers stay true."""
    names = {one.get("id") for one in objects if isinstance(one, dict)}
    return [*objects, *(m for m in markings if isinstance(m, dict) and m.get("id") not in names)]


def _source(url: str) -> str:
    """The name of a source: host and collection of its address."""
    parts = urlsplit(url.rstrip("/").removesuffix("/objects"))
    return f"taxii:{parts.netloc}:{parts.path.rsplit('/', 1)[-1][:24]}"
