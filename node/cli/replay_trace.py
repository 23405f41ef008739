"""`bulwark replay-trace`: repeats what the consensus core of a node was given, step by step.

Rules: it needs the trace and the genesis document, no key and no database; the first step whose
effects differ ends it with code 1, a file that is no trace of this alliance with code 2.
"""

from __future__ import annotations

from pathlib import Path

import click

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from consensus.errors import ConsensusError
from node.cli.faults import faults
from node.cli.options import emit_json, emit_pairs, json_option
from node.driver.trace import replay_file

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(name="replay-trace")
@click.argument("trace", type=_FILE)
@click.option("--genesis", "document", required=True, type=_FILE, help="The alliance's document.")
@json_option
def command(trace: Path, document: Path, as_json: bool) -> None:
    """Repeat a consensus trace that a node recorded ([consensus] trace_file).

    \b
    Example:
      bulwark replay-trace northbank/consensus.trace --genesis genesis.json
    """
    with faults(setup=(LedgerError, OSError), failure=(ConsensusError,)):
        genesis = Genesis.from_json(document.read_bytes())
        found = replay_file(trace, genesis)
    if as_json:
        emit_json({"steps": found.steps, "epochs": found.epochs, "same": True})
    else:
        emit_pairs(
            [
                ("steps", str(found.steps)),
                ("epochs", str(found.epochs)),
                ("effects", "the same as recorded at every step"),
            ]
        )
