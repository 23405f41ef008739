"""Writes docs/layout.md from the first sentence of every module.

Run as `python -m tests.architecture.layout` (`make layout`). The page can not drift from the code,
since a test compares the two.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "layout.md"
SOURCES = ("bulwark", "consensus", "node", "api", "contracts", "genesis", "bench")
HEAD = """# Where things are

One line a file, taken from the file's own first sentence (`make layout` writes this page, a test
holds it to the code). Arrows point down only, and import-linter keeps them so:

```
node.cli, node.process, node.app     composition root and command line
api, genesis, bench                  serve, make alliances, measure
node.*                               clock, disk, sockets around the pure parts
consensus, contracts, bulwark.client
bulwark.consents, policies, interop, advice, jobs
bulwark.indicators, bulwark.privacy
bulwark.ledger                       what is hashed and signed
```

`consensus` and all of `bulwark` but `client` and `verifier` are pure: no clock, randomness, socket,
thread, disk or logging. Where to look for a rule: find the noun here, open the file, read its
docstring; it names the rules it owns. The protocol's rules have ids in `docs/protocol.md`, the
reasons for decisions are in `docs/adr/`.
"""


def first_sentence(path: Path) -> str:
    """What a module says it is, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    for mark in (". ", ": `"):
        paragraph = paragraph.partition(mark)[0]
    return paragraph.rstrip(".").replace("|", "\\|")


def tracked() -> list[Path]:
    """Every shipped Python file that is in the tree."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.split()]
    return sorted(p for p in paths if p.exists() and p.relative_to(ROOT).parts[0] in SOURCES)


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    folder: Path | None = None
    for path in sorted(tracked(), key=lambda p: (SOURCES.index(p.relative_to(ROOT).parts[0]), p)):
        if path.parent != folder:
            folder = path.parent
            about = folder / "__init__.py"
            title = f"## {folder.relative_to(ROOT)}/"
            lines += ["", title, "", first_sentence(about) if about.exists() else "", ""]
        if path.name != "__init__.py":
            lines.append(f"- `{path.relative_to(ROOT)}` {first_sentence(path)}")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} written\n")
