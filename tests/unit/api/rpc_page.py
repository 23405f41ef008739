"""Makes the tables of docs/json-rpc.md: methods from the dispatch table, cases from their list.

`python -m tests.unit.api.rpc_page` writes them into the page.
"""

from __future__ import annotations

import json
import re
from collections import Counter as Tally
from pathlib import Path
from typing import Any

from api.eth import ChainMethods
from api.eth_roles import roles_of
from api.eth_subscriptions import Subscriptions
from api.settings import ApiSettings
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.world import Counter

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "json-rpc.md"
CASES = ROOT / "tests" / "vectors" / "ethereum" / "rpc" / "cases.json"


def methods() -> str:
    """The table of methods."""
    chain: Any = FakeChain()
    service: Any = FakeNode(chain)
    served: dict[str, Any] = {
        **ChainMethods(chain, service, ApiSettings(), Counter(), lambda: 0).table(),
        **Subscriptions(chain, service, Any, Counter()).table(),  # type: ignore[arg-type]
    }
    lines = ["| method | parameters | what it answers | roles |", "|---|---|---|---|"]
    for name in sorted(served):
        parameters, about = _said(served[name].__doc__.splitlines()[0])
        roles = roles_of(name)
        able = "all" if roles is None else ", ".join(sorted(role.value for role in roles))
        if name in ("eth_subscribe", "eth_unsubscribe"):
            able += "; WebSocket only"
        lines.append(f"| `{name}` | {parameters} | {about} | {able} |")
    return "\n".join(lines)


def _said(doc: str) -> tuple[str, str]:
    """Parameters and meaning in a method's first line: `name [parameters]: meaning.`"""
    match = re.fullmatch(r"[^\[:]+?(?: \[(?P<parameters>.*)\])?: (?P<about>.*)", doc)
    assert match is not None, doc
    return match["parameters"] or "", match["about"].rstrip(".")


def cases() -> str:
    """The cases that do not apply, whole or in part."""
    lines = ["| case | replayed | why |", "|---|---|---|"]
    words = {"not": "no", "form": "its form"}
    for name, listed in json.loads(CASES.read_text()).items():
        if listed["how"] == "exact":
            continue
        fields = ", ".join(f"`{field}`" for field in listed.get("but", ()))
        how = words.get(listed["how"]) or f"all but {fields}"
        lines.append(f"| `{name}` | {how} | {listed['why']} |")
    return "\n".join(lines)


def counts() -> str:
    """How many cases are replayed in which way."""
    tally = Tally(listed["how"] for listed in json.loads(CASES.read_text()).values())
    return (
        f"Of {tally.total()} cases {tally['exact']} are answered word for word, {tally['fields']} "
        f"but for named fields, {tally['form']} in the published form, and {tally['not']} do not "
        "apply."
    )


def written(page: str) -> str:
    """The page with its tables made anew."""
    for name, table in (
        ("methods", f"\n{methods()}\n"),
        ("cases", f"\n{cases()}\n"),
        ("counts", counts()),
    ):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        head, _, rest = page.partition(begin)
        _, _, tail = rest.partition(end)
        page = f"{head}{begin}{table}{end}{tail}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
