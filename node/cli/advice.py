"""`bulwark advice`: the texts that customers, agents and letters get, in every language."""

from __future__ import annotations

import click

from bulwark.advice.advice import DUTIES, HELD_BACK, Advice, Level
from bulwark.advice.texts import LANGUAGES, shipped
from bulwark.advice.wording import Sender, Speaker
from node.cli.options import emit_json, json_option


@click.group(name="advice")
def command() -> None:
    """What answers advise, in plain words.

    \b
    Example:
      bulwark advice texts --language de
      bulwark advice letter delay --language fr --member "Bank A"
    """


@command.command(name="texts")
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Which."
)
@json_option
def texts(language: str, as_json: bool) -> None:
    """Print every message of a language with its code.

    \b
    Example:
      bulwark advice texts --language zh
    """
    messages = shipped().messages(language)
    if as_json:
        emit_json({"language": language, "messages": dict(messages)})
        return
    for code, text in messages.items():
        click.echo(f"{code}\n  {text}")


@command.command(name="letter")
@click.argument("level", type=click.Choice([level.label for level in Level]))
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Which."
)
@click.option("--member", default="your bank", show_default=True, help="Who writes.")
@click.option("--contact", default="", help="Where the person turns to.")
@click.option(
    "--duty", multiple=True, type=click.Choice((HELD_BACK, *DUTIES)), help="For the agent's text."
)
@json_option
def letter(
    level: str, language: str, member: str, contact: str, duty: tuple[str, ...], as_json: bool
) -> None:
    """Print what customer, agent and letter say at a level of advice.

    \b
    Example:
      bulwark advice letter block --language es --member "Banco A" --contact "900 123 456"
    """
    advice = Advice(Level[level.upper()], duty)
    wording = Speaker(shipped(), Sender(member, contact)).wording(advice, language)
    told = {"customer": wording.customer, "agent": wording.agent, "letter": wording.letter}
    if as_json:
        emit_json({"level": level, "language": wording.language, "texts": told})
        return
    for who, text in told.items():
        if text is not None:
            click.echo(f"{who}\n\n{text}\n")
