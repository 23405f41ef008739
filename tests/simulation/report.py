"""The summary of a run as Markdown, for docs/ and for people."""

from __future__ import annotations

from tests.simulation.runner import Summary, replay_command

YEAR_S = 365.25 * 86_400


def report(summary: Summary, command: str, commits: list[str]) -> str:
    """Seeds, simulated time, faults by kind, messages, and speed against real time by n."""
    simulated = summary.total("simulated_ms") / 1000
    cpu = summary.total("cpu_us") / 1e6
    lines = [
        "# What the simulator ran",
        "",
        f"`{command}`, worlds run at commit {' and '.join(f'`{c}`' for c in commits)}.",
        "",
        f"* Seeds {summary.first} to {summary.last}: {summary.total('seeds')} worlds, "
        f"{len(summary.failures)} failures.",
        f"* {simulated:,.0f} s of simulated time ({simulated / 86_400:.1f} days, "
        f"{simulated / YEAR_S:.3f} years) in {cpu:,.0f} s of CPU.",
        f"* {summary.total('blocks'):,} blocks, {summary.total('messages'):,} messages, "
        f"{summary.total('steps'):,} steps of replicas.",
        "",
        "| n | seeds | simulated s | blocks | messages | failures | x real time of one core |",
        "|---|---|---|---|---|---|---|",
    ]
    for n, row in sorted(summary.by_n.items()):
        seconds = row["simulated_ms"] / 1000
        speed = seconds / max(row["cpu_us"] / 1e6, 1e-9)
        lines.append(
            f"| {n} | {row['seeds']:,} | {seconds:,.0f} | {row['blocks']:,} | "
            f"{row['messages']:,} | {row['failures']} | {speed:,.0f} |"
        )
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in sorted(summary.faults.items())]
    lines += ["", "| adversary | worlds |", "|---|---|"]
    lines += [f"| {name} | {count:,} |" for name, count in sorted(summary.adversaries.items())]
    for outcome in summary.failures:
        lines += ["", f"* `{replay_command(outcome.job)}`: {outcome.failure.splitlines()[0]}"]
    return "\n".join(lines) + "\n"
