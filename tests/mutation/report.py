"""What a mutation run says: a progress line while it runs, a table and the survivors after it."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.running import KILLED, SURVIVED, TIMED_OUT, Outcome
from tests.mutation.targets import EQUIVALENT

BEGIN = "<!-- mutation: written by python -m tests.mutation --report -->"
END = "<!-- end of mutation -->"
BAR = 30


class Progress:
    """A bar on the terminal, a line a tenth elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._told = 0

    def add(self, outcome: Outcome) -> None:
        """One more is done."""
        self._counts[outcome.state] += 1
        done = self._counts.total()
        tenth = done * 10 // self._total
        live = sys.stderr.isatty()
        if not live and tenth == self._told:
            return
        self._told = tenth
        bar = ("#" * (done * BAR // self._total)).ljust(BAR, ".")
        seconds = time.monotonic() - self._began
        line = f"[{bar}] {done}/{self._total} mutants, {self._counts[SURVIVED]} survived"
        sys.stderr.write(
            ("\r" if live else "") + f"{line}, {seconds:.0f} s" + ("" if live else "\n")
        )
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")


class Score:
    """Counts of one file or of all; equivalent mutants count neither way."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        counts = Counter(_class(outcome) for outcome in outcomes)
        self.killed, self.timed_out = counts[KILLED], counts[TIMED_OUT]
        self.survived, self.equivalent = counts[SURVIVED], counts["equivalent"]
        self.total = len(outcomes)

    @property
    def percent(self) -> float:
        """Killed or timed out, of those that are another program."""
        counted = self.total - self.equivalent
        return 100.0 if not counted else 100 * (self.killed + self.timed_out) / counted

    def row(self, name: str) -> str:
        """A row of the table."""
        return (
            f"| {name} | {self.total} | {self.killed} | {self.timed_out} | {self.equivalent} "
            f"| {self.survived} | {self.percent:.1f} % |"
        )


def _class(outcome: Outcome) -> str:
    if outcome.state == SURVIVED and outcome.mutant.name in EQUIVALENT:
        return "equivalent"
    return outcome.state


def scores(outcomes: Sequence[Outcome]) -> dict[str, Score]:
    """A score a file, in the order of the targets, and one of all."""
    files = list(dict.fromkeys(outcome.mutant.file for outcome in outcomes))
    found = {f"`{f}`": Score([o for o in outcomes if o.mutant.file == f]) for f in files}
    return found | {"all": Score(outcomes)}


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: the scores, then every survivor as a diff."""
    lines = ["| file | mutants | killed | timed out | equivalent | survived | score |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [score.row(name) for name, score in scores(outcomes).items()]
    left = [o.mutant for o in outcomes if _class(o) == SURVIVED]
    if left:
        lines += ["", f"Survivors ({len(left)}):", "", "```diff"]
        for mutant in left:
            lines += [f"@ {mutant.file}:{mutant.line} {mutant.function or 'module'}"]
            lines += [f"- {mutant.before}", f"+ {mutant.after}"]
        lines += ["```"]
    same = [o.mutant.name for o in outcomes if _class(o) == "equivalent"]
    if same:
        lines += ["", "Equivalent mutants, and why no test can tell them:", ""]
        lines += [f"* `{name}`: {EQUIVALENT[name]}" for name in dict.fromkeys(same)]
    return "\n".join(lines)


def write(page: Path, text: str) -> None:
    """Put the result into the page's place for it."""
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(old):
        raise SystemExit(f"{page} has no place for the result")
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", old), encoding="utf-8")
