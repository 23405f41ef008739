"""`bulwark screen`: ask whether an identifier was reported.

Rules: the exit code says whether the question was answered, not what the answer is, unless
`--exit-code` asks for it; an incomplete answer is never shown as clean.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Final

import click

from bulwark.client import Screening
from bulwark.indicators.vocabulary import Kind
from node.cli.connection import ASK_ROLES, Target, connection_options, run, with_client
from node.cli.options import emit_json, json_option
from node.cli.values import (
    case_option,
    read_value,
    reason_options,
    region_option,
    stated,
    value_option,
    words,
)

HIT: Final = 10
INCOMPLETE: Final = 11


@click.command(name="screen")
@click.option("--kind", required=True, type=words(Kind), help="Sort of identifier.")
@value_option
@reason_options("the question")
@case_option
@region_option
@click.option(
    "--at-height", type=click.IntRange(min=0), help="Answer as after this block, not as now."
)
@click.option(
    "--exit-code", is_flag=True, help=f"Exit with {HIT} on a hit, {INCOMPLETE} if unsure."
)
@connection_options(*ASK_ROLES)
@json_option
def command(
    target: Target,
    value: str,
    at_height: int | None,
    exit_code: bool,
    as_json: bool,
    **fields: object,
) -> None:
    """Ask whether an identifier was reported.

    \b
    Example:
      bulwark screen --kind phone --value "0044 20 7946 0958" --devnet /tmp/alliance --node telco-b
    """
    question = stated(value=read_value(value), **fields)
    answer = run(with_client(target, lambda client: client.screen(question, at_height=at_height)))
    if as_json:
        emit_json(asdict(answer))
    else:
        _tell(answer)
    if exit_code and answer.hit:
        sys.exit(HIT)
    if exit_code and not answer.complete:
        sys.exit(INCOMPLETE)


def _tell(answer: Screening) -> None:
    if answer.hit:
        click.echo(f"HIT  band {answer.band}, score {answer.score} of 100")
    elif answer.complete:
        click.echo("no hit")
    else:
        click.echo("no answer: this is not a clean result")
    if not answer.complete:
        click.echo(f"incomplete: {answer.incomplete_reason}")
    for reason in answer.reasons:
        # Some texts begin with their code, as those that name an evidence level do.
        named = reason.text.startswith(f"{reason.code}:")
        said = reason.text if named else f"{reason.code}: {reason.text}"
        click.echo(f"  {reason.weight:+4d}  {said}")
    for record in answer.records:
        kind = record.fields.get("fraud_type", "unknown")
        click.echo(
            f"  record {record.record_id}  {kind}, by {record.reporter}, {record.timestamp}, "
            f"block {record.height}, {record.stage}"
        )
    if answer.permitted_actions:
        click.echo(f"  permitted: {', '.join(answer.permitted_actions)}")
    for limit in answer.limits:
        click.echo(f"  limit {limit.code}: {limit.text}")
    click.echo(f"asked at block {answer.height}, {answer.age_ms / 1000:.1f} s old")
