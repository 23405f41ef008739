"""The observer of a running alliance makes a pack; it verifies where there is only the verifier.

Records of two members, one of them disputed and one erased at every node, and a validator voted out
on the way. A member's pack of the same blocks has the same content, two nodes show the same
history, and a pack goes from hand to hand with its custody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from bulwark.ledger.header import Header
from tests.process.support import Alliance, until
from tests.process.test_governance import bulwark, govern, until_approvals, until_known
from tests.unit.verifier.test_alone import library, verify_files

pytestmark = pytest.mark.process
__all__ = ["library"]
_NUMBERS = count()


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """Five members, so that one can be voted out of the validators, and an observer."""
    made = Alliance.create(tmp_path_factory.mktemp("packs") / "alliance", 5, 1)
    try:
        made.start()
        yield made
    finally:
        made.close()


def report(alliance: Alliance, name: str, **fields: object) -> str:
    value = f"case{next(_NUMBERS)}@scam-post.net"
    return str(alliance.report(name, kind="email", value=value, **fields)["record_id"])


def vote_out(alliance: Alliance, member: str) -> None:
    """Into the next epoch without this validator; reports make the blocks that it takes."""
    first, *others = [name for name in alliance.validators if name != member]
    govern(alliance, first, "propose", "set-roles", member, "reporter")
    for number, name in enumerate(others, 1):
        until_known(alliance, name, 1)
        until_approvals(alliance, name, 1, number)
        govern(alliance, name, "approve", "1")
    until(lambda: _epoch(alliance, first) == 1 or not report(alliance, first), "epoch 1")


def _epoch(alliance: Alliance, name: str) -> int:
    block = alliance.block(name, "latest")
    assert block is not None
    return Header.decode(bytes.fromhex(block["header"])).epoch


def is_erased(alliance: Alliance, name: str, record_id: str) -> bool:
    answer = alliance.client(name, "auditor").get(f"/v1/indicators/{record_id}")
    return answer.status_code == 200 and bool(answer.json()["erased"])


def pack(alliance: Alliance, name: str, out: Path, *words: str | Path) -> Path:
    bulwark("audit", "pack", "--out", out, *words, "--home", alliance.node(name).home)
    return out


def test_an_observers_pack_verifies_alone_and_a_members_has_the_same_content(
    alliance: Alliance, library: Path, tmp_path: Path
) -> None:
    one, other, *_, gone = alliance.validators
    (observer,) = set(alliance.names) - set(alliance.validators)
    kept = [report(alliance, one) for _ in range(3)] + [report(alliance, other)]
    erased = report(alliance, one)
    vote_out(alliance, gone)
    report(alliance, gone)
    bulwark("erasure", "order", erased, "--home", alliance.node(one).home)
    for name in alliance.names:
        until(lambda name=name: is_erased(alliance, name, erased), f"{name} erased the record")
    last = alliance.height(one)
    alliance.until_final(last)

    # The observer's, on a machine with the verifier alone.
    genesis = alliance.devnet.home / "genesis.json"
    theirs = pack(alliance, observer, tmp_path / "observer.pack", "--to-height", str(last))
    code, output = verify_files(library, theirs, genesis, "--json")
    assert code == 0, output
    found = json.loads(output)
    assert (found["made_by"], found["erased"], found["epochs"]) == (observer, 1, 2)
    assert found["records"] >= len(kept) + 2

    # A member's has the same content, by the same command.
    own = pack(alliance, other, tmp_path / "member.pack", "--to-height", str(last))
    shown = bulwark("verify", "pack", own, "--genesis", genesis, "--json")
    again = json.loads(shown)
    assert again["content_hash"] == found["content_hash"]
    assert again["made_by"] == other
    for hidden in (one, other):
        assert alliance.key(hidden, "auditor") not in shown

    # One record's pack shows nobody else's.
    single = pack(alliance, observer, tmp_path / "one.pack", "--records", kept[0])
    code, output = verify_files(library, single, genesis, "--json")
    assert (code, json.loads(output)["records"]) == (0, 1)

    # The histories of both nodes, and of both packs, are the same.
    homes = [alliance.node(name).home for name in (one, observer)]
    same = json.loads(bulwark("audit", "compare", *homes, "--genesis", genesis, "--json"))
    assert (same["outcome"], len(same["notes"])) == ("same", 2)
    assert "SAME" in bulwark("audit", "compare", theirs, own, "--genesis", genesis)

    # From hand to hand.
    added = bulwark(
        *("audit", "custody", "add", theirs, "--note", "handed to the court"),
        *("--home", alliance.node(observer).home),
    )
    entry = added.split()[-1]
    assert "handed to the court" in bulwark("audit", "custody", "show", theirs)
    expect = ("--expect-custody", entry)
    assert verify_files(library, theirs, genesis, *expect)[0] == 0
    assert verify_files(library, own, genesis, *expect)[0] == 1
