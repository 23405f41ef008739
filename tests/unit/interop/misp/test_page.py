"""The page docs/misp.md says what the tables of words do; run this file to write them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bulwark.indicators.vocabulary import Kind
from bulwark.interop import words
from bulwark.interop.carried import Reason
from bulwark.interop.words import Place

PAGE = Path(__file__).resolve().parents[4] / "docs" / "misp.md"
COMMAND = "PYTHONPATH=. python tests/unit/interop/misp/test_page.py"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in lines
    )


def _kinds(places: Sequence[Place]) -> str:
    return ", ".join(f"{p.kind.label} ({p.role.label})" if p.role else p.kind.label for p in places)


def _loss(places: Sequence[Place]) -> str:
    return "; ".join(p.loss for p in places if p.loss)


def types() -> str:
    rows = [[f"`{k}`", _kinds(p), _loss(p)] for k, p in sorted(words.MISP_TYPES.items())]
    return table(["attribute type", "kind", "what has no place"], rows)


def relations() -> str:
    rows = [
        [f"`{name}`", f"`{relation}`", _kinds(places), _loss(places)]
        for (name, relation), places in sorted(words.MISP_RELATIONS.items())
    ]
    return table(["object", "relation", "kind", "what has no place"], rows)


def excluded() -> str:
    rows = [[f"`{kind}`", why] for kind, why in sorted(words.MISP_EXCLUDED.items())]
    return table(["attribute type", "why it is left"], rows)


def roles() -> str:
    rows = [
        [f"`{name}`", f"`{role}`" if role else "any", term.label]
        for (name, role), term in sorted(words.OBJECT_ROLES.items())
    ]
    return table(["object", "its `role`", "object_role"], rows)


def fraud() -> str:
    rows = [[f"`{tag}`", term.label] for tag, term in sorted(words._FRAUD.items())]
    return table(["tag", "fraud_type"], rows)


def techniques() -> str:
    rows = [[name, term.label] for name, term in sorted(words.TECHNIQUES.items())]
    return table(["technique", "fraud_type"], rows)


def confidence() -> str:
    rows = [[f"`{tag}`", str(value)] for tag, value in words._CONFIDENCE.items()]
    return table(["tag", "confidence"], rows)


def outgoing() -> str:
    rows = [[kind.label, f"`{words.MISP_OUT[kind][0]}`", words.MISP_OUT[kind][1]] for kind in Kind]
    return table(["kind", "type", "category"], rows)


def reasons() -> str:
    return table(["code", "meaning"], [[f"`{one.value}`", one.meaning] for one in Reason])


SECTIONS: dict[str, Callable[[], str]] = {
    "types": types, "relations": relations, "excluded": excluded, "roles": roles, "fraud": fraud,
    "techniques": techniques, "confidence": confidence, "outgoing": outgoing, "reasons": reasons,
}  # fmt: skip


def fill(page: str) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- begin {name} -->\n{SECTIONS[name]()}\n<!-- end {name} -->"

    return re.sub(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->", one, page, flags=re.DOTALL)


def test_page_equals_what_the_tables_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert fill(page) == page, f"run {COMMAND}"
    assert sorted(re.findall(r"<!-- begin (\w+) -->", page)) == sorted(SECTIONS)


def test_every_kind_can_go_out_and_come_in() -> None:
    assert set(words.MISP_OUT) == set(Kind)
    into = {p.kind for places in words.MISP_TYPES.values() for p in places}
    into |= {p.kind for places in words.MISP_RELATIONS.values() for p in places}
    assert set(Kind) - into == {Kind.DEVICE_ID}, "which MISP has no type for: our own tag names it"


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
