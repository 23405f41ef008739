"""The `bulwark` command: a table of sub-commands that are imported when they are used.

Rules: help and completion import nothing but click, so that `bulwark --help` answers at once; each
sub-command is a module with a click command named `command`; an error is one line on standard
error, exit code 2 when the call or the configuration is wrong and 1 when the work failed. The
sub-commands do the work.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any, Final, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from node.cli.lazygroup import LazyGroup

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

COMMANDS: Final = {
    "demo": ("node.cli.demo", "Start an alliance and walk through its main job."),
    "devnet": ("node.cli.devnet", "Run a whole alliance on this machine."),
    "genesis": ("node.cli.genesis", "Make a new alliance: keys, certificates, genesis document."),
    "node": ("node.cli.node", "Run one node."),
    "report": ("node.cli.report", "Report a fraud indicator."),
    "screen": ("node.cli.screen", "Ask whether an identifier was reported."),
    "screen-file": ("node.cli.screen_file", "Ask about every row of a CSV or NDJSON file."),
    "job": ("node.cli.job", "Screen files of any size as jobs; check results offline."),
    "record": ("node.cli.record", "Show, retract, expire or erase a record; its history."),
    "customer-report": ("node.cli.customer_report", "Take, triage and report what customers say."),
    "cooling-off": ("node.cli.cooling_off", "Hold a payment for a pause; check its token."),
    "protect": ("node.cli.protect", "Protect identifiers of victims and genuine parties."),
    "feedback": ("node.cli.feedback", "Say what you found about answers; see the figures."),
    "advice": ("node.cli.advice", "Texts for customers, agents and letters."),
    "dispute": ("node.cli.dispute", "Contest records and rule on disputes."),
    "consent": ("node.cli.consent", "Give, withdraw or show a consent."),
    "erasure": ("node.cli.erasure", "Erase records at every member, and prove it."),
    "recall": ("node.cli.recall", "See which answers rested on records that fell since."),
    "webhook": ("node.cli.webhook", "Post this member's events to its own systems."),
    "import": ("node.cli.import", "Report the indicators of CSV and NDJSON files."),
    "misp": ("node.cli.misp", "Exchange with MISP: import, feeds, search sets, pull, push."),
    "stix": ("node.cli.stix", "Exchange STIX 2.1: import, export, pull from TAXII servers."),
    "governance": ("node.cli.governance", "Change members and parameters by vote."),
    "policy": ("node.cli.policy", "Show, check and publish policies of sharing."),
    "prove": ("node.cli.prove", "Prove to a contract that a member says something."),
    "opening": ("node.cli.opening", "Find out who asked, by case and vote."),
    "access-log": ("node.cli.access_log", "Read and verify who asked what, and why."),
    "audit": ("node.cli.audit", "Reports, samples and evidence for an auditor."),
    "member": ("node.cli.member", "Prepare the node of a new member."),
    "authority": ("node.cli.authority", "Change the CA of the members' certificates."),
    "verify": ("node.cli.verify", "Verify a proof offline, trusting only genesis.json."),
    "doctor": ("node.cli.doctor", "Say why there is no block, and what to do."),
    "evidence": ("node.cli.evidence", "Show, verify and post evidence against validators."),
    "backup": ("node.cli.backup", "Back up a node into one encrypted file, running or not."),
    "restore": ("node.cli.restore", "Restore a backup, or say what that would lose."),
    "prune": ("node.cli.prune", "Give back the disk that old history takes."),
    "fsck": ("node.cli.fsck", "Check the database of a stopped node."),
    "replay-trace": ("node.cli.replay_trace", "Repeat a consensus trace that a node recorded."),
    "config": ("node.cli.config", "Explain every setting of a node."),
    "key": ("node.cli.key", "Show a node's addresses and pins."),
    "api-key": ("node.cli.api_key", "Make API keys."),
}
"""Name to (module, one line of help), in the order of the help page."""


class Bulwark(LazyGroup):
    """The whole command: what goes wrong ends it with one line and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and exit; with `standalone_mode` false, return or raise as click does."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            _leave("interrupted", INTERRUPTED)
        except NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _leave(_described(error), error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe, as `head`, has seen enough
                _discard_output()
                sys.exit(1)
            _leave(str(error), 1)
        sys.exit(code if isinstance(code, int) else 0)


def _described(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message} (see {error.ctx.command_path} --help)"
    return message


def _leave(message: str, code: int) -> NoReturn:
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    click.echo(f"bulwark: {line}", err=True)
    sys.exit(code)


def _discard_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush finds no pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


_CONTEXT: Final[MutableMapping[str, Any]] = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
}


@click.group(cls=Bulwark, table=COMMANDS, name="bulwark", context_settings=_CONTEXT)
@click.version_option(package_name="bulwark", message="%(version)s")
def main() -> None:
    """Node of a permissioned anti-fraud alliance.

    \b
    Example:
      bulwark devnet up --home /tmp/alliance
    """


if __name__ == "__main__":
    main(prog_name="bulwark")
