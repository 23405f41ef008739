"""How the demo tells what happens: a line a step, examples of answers, a closing table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from node.cli.demo_data import masked
from node.cli.demo_walk import Found
from node.devnet.layout import DevnetNode


class DemoView:
    """Everything the demo prints, on one console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._step = 0

    def step(self, title: str) -> None:
        """Announce a step."""
        self._step += 1
        self.console.print(f"[bold]{self._step}. {escape(title)}[/bold]")

    def line(self, text: str) -> None:
        """One line under a step."""
        self.console.print(f"   {escape(text)}", highlight=False, soft_wrap=True)

    def bar(self, what: str) -> tuple[Progress, Callable[[int, int], None]]:
        """A progress bar, to be used as a context manager, and what moves it."""
        bar = Progress(
            TextColumn(f"   {what}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        task = bar.add_task(what, total=1)
        return bar, lambda done, total: bar.update(task, completed=done, total=total)

    def reported(self, found: Found) -> None:
        """After the reports."""
        shares = ", ".join(f"{name} {count:,}" for name, count in sorted(found.reported.items()))
        self.line(f"{found.records:,} records on the ledger: {shares}")
        self.line(
            f"executed in {found.report_s:.1f} s ({found.records / found.report_s:,.0f} a second, "
            f"fresh values, every tag by threshold OPRF), final {found.final_s:.1f} s later"
        )

    def screened(self, found: Found) -> None:
        """After the screenings."""
        self.line(
            f"{found.asked} questions, each to a member that had not reported the value, in "
            f"another spelling: {found.hits} hits, {found.misses} true misses"
        )
        for name, question, answer in found.examples:
            value = masked(str(question["value"]))
            if not answer.hit:
                self.line(f"{name} asks {question['kind']} {value}: no hit, complete")
                continue
            self.line(
                f"{name} asks {question['kind']} {value}: HIT, {answer.band}, {answer.score} of 100"
            )
            for reason in answer.reasons:
                self.line(f"    {reason.weight:+d}  {reason.text}")
            reporters = ", ".join(sorted({record.reporter for record in answer.records}))
            self.line(f"    reported by {reporters}")

    def proved(self, found: Found, path: Path, genesis: Path, *, stays: bool) -> None:
        """After the proof; `stays` where its file outlives the demo."""
        verified = found.verified
        if verified is None:
            return
        self.line(
            f"record {verified.record_id.hex()[:16]}... of {verified.member}, block "
            f"{verified.height}: valid ({len(found.proof):,} bytes, {found.verify_ms:.1f} ms, "
            "nothing trusted but genesis.json)"
        )
        if stays:
            self.line(f"check it yourself: bulwark verify proof {path} --genesis {genesis}")

    def closing(self, found: Found, start_s: float, total_s: float, lists: int) -> None:
        """The closing table."""
        table = Table(title="What happened", title_justify="left", show_header=False)
        table.add_column("what")
        table.add_column("how much", justify="right")
        if start_s:
            table.add_row("nodes ready after", f"{start_s:.1f} s")
        table.add_row(f"records reported, of {lists} lists", f"{found.records:,}")
        table.add_row("reporting, executed", f"{found.report_s:.1f} s")
        table.add_row("finality after that", f"{found.final_s:.1f} s")
        table.add_row("questions / hits / misses", f"{found.asked} / {found.hits} / {found.misses}")
        if found.latencies_ms:
            ordered = sorted(found.latencies_ms)
            table.add_row("one answer, median", f"{statistics.median(ordered):.1f} ms")
            table.add_row("one answer, slowest", f"{ordered[-1]:.1f} ms")
        if found.given is not None and found.withdrawn is not None:
            heights = f"{found.given.height} / {found.withdrawn.withdrawn_height}"
            table.add_row("consent given / withdrawn in block", heights)
        table.add_row("proof checked offline in", f"{found.verify_ms:.1f} ms")
        table.add_row("all of it", f"{total_s:.1f} s")
        self.console.print(table)
        self._heights(found)

    def _heights(self, found: Found) -> None:
        table = Table(title="Block heights", title_justify="left")
        table.add_column("node")
        table.add_column("executed", justify="right")
        table.add_column("finalized", justify="right")
        for name, (executed, final) in found.heights.items():
            table.add_row(name, f"{executed:,}", f"{final:,}")
        self.console.print(table)
        if found.agreed is not None:
            block = found.agreed
            self.line(f"all agree on block {block.height}: {block.hash[:18]}...")

    def left_up(self, home: Path, nodes: Sequence[DevnetNode], example: str | None) -> None:
        """Where everything is, when the alliance stays; `example` is a number that was reported."""
        table = Table(title="The alliance stays up", title_justify="left")
        for name in ("node", "role", "REST", "JSON-RPC"):
            table.add_column(name, overflow="fold")
        for node in nodes:
            table.add_row(node.name, node.role, node.rest_url, f"{node.rest_url}/rpc")
        self.console.print(table)
        name = nodes[0].name
        self.line(f"API keys:  {home}/NODE/api_keys.clear.json  (one a role)")
        value = f"'{example}'" if example is not None else "NUMBER"
        place = f"--devnet {home} --node {name}"
        self.line(f"ask:       bulwark screen --kind phone --value {value} {place}")
        self.line(f"import:    bulwark import FILE {place}")
        self.line(f"status:    bulwark devnet status --home {home}")
        self.line(f"stop it:   bulwark devnet down --home {home}")
