"""`bulwark report`: one fraud indicator to this member's node."""

from __future__ import annotations

from dataclasses import asdict

import click

from bulwark.client import Stage
from bulwark.indicators.vocabulary import (
    Channel,
    EvidenceLevel,
    FraudType,
    Kind,
    LawfulBasis,
    ObjectRole,
    Purpose,
    Tlp,
)
from node.cli.connection import WRITE_ROLES, Target, connection_options, run, with_client
from node.cli.options import emit_json, json_option
from node.cli.values import (
    case_option,
    read_value,
    region_option,
    stated,
    value_option,
    words,
)
from node.cli.voting import wait_for


@click.command(name="report")
@click.option("--kind", required=True, type=words(Kind), help="Sort of identifier.")
@value_option
@click.option(
    "--fraud-type",
    required=True,
    metavar="TYPE",
    help="Method of the fraud, as imp_bank, investment, mule_account; docs/indicators.md has all.",
)
@click.option("--confidence", type=click.IntRange(0, 100), help="Per cent; 50 if left out.")
@click.option("--role", "object_role", type=words(ObjectRole), help="What it is in the scheme.")
@click.option("--evidence", "evidence_level", type=words(EvidenceLevel), help="How founded.")
@click.option("--channel", type=words(Channel), help="Where the fraud met its victim.")
@click.option("--first-seen", help="Date, as 2026-11-22; today if left out.")
@click.option("--last-seen", help="Date; first seen if left out.")
@click.option("--valid-until", help="Date; by the kind if left out.")
@click.option("--country", help="Country (ISO 3166-1) of the fraud.")
@click.option("--tlp", type=words(Tlp, stated_only=True), help="Traffic Light Protocol marking.")
@click.option(
    "--lawful-basis", "--basis", "lawful_basis", type=words(LawfulBasis, stated_only=True)
)
@click.option("--purpose", type=words(Purpose, stated_only=True))
@click.option("--consent-anchor", help="Anchor id of the consent, where that is the basis.")
@click.option("--policy", help="Policy in force, by id or title; the default if left out.")
@click.option(
    "--customers",
    "distinct_customers",
    type=click.IntRange(0, 65_535),
    help="Own customers that reported it.",
)
@click.option("--link-group", help="Shared by the reports of one case; it stays with your node.")
@case_option
@region_option
@wait_for("report")
@connection_options(*WRITE_ROLES)
@json_option
def command(target: Target, value: str, wait: str, as_json: bool, **fields: object) -> None:
    """Report a fraud indicator.

    \b
    Example:
      bulwark report --kind phone --value "+44 20 7946 0958" --fraud-type imp_bank \\
        --evidence confirmed --devnet /tmp/alliance --node bank-a
      bulwark report --kind iban --value - --fraud-type mule_account --home ~/node < iban.txt
    """
    types = {name for entry in FraudType for name in (entry.label, *entry.aliases)}
    if str(fields["fraud_type"]).lower().replace("-", "_") not in types:
        listed = ", ".join(entry.label for entry in FraudType)
        raise click.BadParameter(f"one of {listed}", param_hint="--fraud-type")
    row = stated(value=read_value(value), **fields)
    found = run(with_client(target, lambda client: client.report(row, wait=Stage(wait))))
    if as_json:
        emit_json(asdict(found))
        return
    known = " (reported before by this member)" if found.duplicate else ""
    block = f" in block {found.height}" if found.height is not None else ""
    click.echo(f"record {found.record_id} {found.stage or 'known'}{block}{known}")
