"""Two histories of one alliance: equal ones, longer ones, and a fork with who signed both sides."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from api.server import create_app
from bulwark.audit.packcompare import FORK_FORMAT, Comparison, Outcome, compare, read_fork
from bulwark.client import BulwarkClient
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Height, MemberId
from bulwark.ledger.proofs import SealedHeader
from bulwark.verifier.codes import Code, PackRefused
from bulwark.verifier.history import PackHistory
from node.audit.packport import PackWish
from node.cli.audit import command
from node.cli.audit_compare import NodeHistory
from node.service import BlockView, Role
from tests.unit.api.fake_chain import FakeChain
from tests.unit.api.fake_node import FakeNode
from tests.unit.api.test_packs import make_desk
from tests.unit.api.world import World
from tests.unit.node.execution.alliance import Node, make_genesis, make_sidecar
from tests.unit.verifier.forging import files_of, signed
from tests.unit.verifier.scene import ALPHA, certify, packed, report, scene

PART = 6
"""Blocks that both chains below share."""


def grown(*seeds: str) -> Node:
    """A chain with one batch a block, all of it certified by the same validators."""
    node = Node()
    for seed in seeds:
        report(node, ALPHA, make_sidecar(2, seed))
    for height in range(1, node.chain.applied + 1):
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    return node


SHARED = tuple(f"shared {number}" for number in range(PART))


def pack_of(node: Node, wish: PackWish = PackWish()) -> bytes:
    return packed(wish, at=dataclasses.replace(scene(), node=node))


def history(name: str, data: bytes) -> PackHistory:
    return PackHistory(name, io.BytesIO(data), make_genesis())


def forked() -> tuple[PackHistory, PackHistory]:
    one = grown(*SHARED, "one", "one more")
    other = grown(*SHARED, "other", "other more", "and another")
    return history("one", pack_of(one)), history("other", pack_of(other))


async def compared(one: object, other: object) -> Comparison:
    return await compare(one, other, make_genesis())  # type: ignore[arg-type]


async def test_two_packs_of_one_chain_are_the_same_at_every_common_height() -> None:
    node = grown(*SHARED)
    whole = history("whole", pack_of(node))
    part = history("part", pack_of(node, PackWish(from_height=Height(3), to_height=Height(4))))
    found = await compared(whole, part)
    assert (found.outcome, found.first, found.last) == (Outcome.SAME, 2, 4)


async def test_packs_without_a_common_height_are_not_called_the_same() -> None:
    node = grown(*SHARED)
    early = history("early", pack_of(node, PackWish(to_height=Height(2))))
    late = history("late", pack_of(node, PackWish(from_height=Height(5))))
    assert (await compared(early, late)).outcome is Outcome.APART


async def test_a_fork_is_found_at_its_first_block_and_names_who_signed_both() -> None:
    one, other = forked()
    found = await compared(one, other)
    assert (found.outcome, found.differs) == (Outcome.FORK, PART + 1)
    fork = found.fork
    assert fork is not None
    assert (fork.height, fork.equivocators) == (PART + 1, ("alpha", "bravo", "charlie"))
    assert len(fork.equivocators) > fork.faulty
    kept = fork.to_json(make_genesis())
    assert read_fork(kept, make_genesis()) == fork


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "bulwark-fork/2"),
        ("genesis_hash", "00" * 32),
        ("height", 3),
        ("equivocators", ["delta"]),
        ("one", None),
    ],
)
async def test_changed_evidence_of_a_fork_is_refused(field: str, value: object) -> None:
    one, other = forked()
    fork = (await compared(one, other)).fork
    assert fork is not None
    document = json.loads(fork.to_json(make_genesis()))
    assert document["format"] == FORK_FORMAT
    document[field] = document["other"] if field == "one" else value
    with pytest.raises(ProofInvalid):
        read_fork(json.dumps(document).encode(), make_genesis())


class Liar:
    """Shows the headers of one history under the seals of another."""

    def __init__(self, headers: PackHistory, seals: PackHistory) -> None:
        self._headers, self._seals = headers, seals
        self.name = "liar"
        self.first, self.last = headers.first, headers.last

    async def header(self, height: Height) -> Header:
        return await self._headers.header(height)

    async def sealed(self, height: Height) -> SealedHeader | None:
        return await self._seals.sealed(height)


async def test_a_side_whose_certificates_do_not_cover_its_headers_is_named() -> None:
    one, other = forked()
    found = await compared(one, Liar(other, one))
    assert (found.outcome, found.uncertified) == (Outcome.ONE_SIDE, "liar")
    assert "certificate" in found.reason


async def test_a_side_without_a_valid_certificate_is_named() -> None:
    one, other = forked()
    height = other.last
    sealed = await other.sealed(height)
    assert sealed is not None
    few = replace(sealed.certificate, signatures=sealed.certificate.signatures[:2])

    class Few(Liar):
        async def sealed(self, height: Height) -> SealedHeader | None:
            return SealedHeader((await self._seals.sealed(height)).header, few)  # type: ignore[union-attr]

    found = await compared(one, Few(other, other))
    assert (found.outcome, found.uncertified) == (Outcome.ONE_SIDE, "liar")


def test_a_pack_that_does_not_hold_is_no_side_of_a_comparison() -> None:
    files = files_of(pack_of(grown(*SHARED)))
    with pytest.raises(PackRefused) as raised:
        history("cut", signed(files, chain_last=Height(PART + 3)))
    assert raised.value.code is not Code.ARCHIVE_TRUNCATED


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)
    return done.exit_code, done.output


def written(folder: Path) -> tuple[Path, Path, Path]:
    """Packs of the two sides of a fork, and the genesis document."""
    paths = folder / "one.pack", folder / "other.pack", folder / "genesis.json"
    paths[0].write_bytes(pack_of(grown(*SHARED, "one")))
    paths[1].write_bytes(pack_of(grown(*SHARED, "other")))
    paths[2].write_bytes(make_genesis().to_json())
    return paths


def test_the_command_keeps_the_evidence_of_a_fork_and_exits_with_1(tmp_path: Path) -> None:
    one, other, genesis = written(tmp_path)
    kept = tmp_path / "fork.json"
    code, output = run("compare", one, other, "--genesis", genesis, "--evidence", kept)
    assert code == 1
    assert f"first_difference         {PART + 1}" in output
    assert "alpha, bravo, charlie" in output
    fork = read_fork(kept.read_bytes(), make_genesis())
    assert MemberId("alpha") in fork.equivocators


def test_the_command_says_same_and_exits_with_0(tmp_path: Path) -> None:
    one, _, genesis = written(tmp_path)
    code, output = run("compare", one, one, "--genesis", genesis, "--json")
    assert code == 0
    assert json.loads(output)["outcome"] == "same"


def test_a_side_that_is_nothing_is_refused_with_2(tmp_path: Path) -> None:
    one, _, genesis = written(tmp_path)
    code, output = run("compare", one, tmp_path / "nothing", "--genesis", genesis)
    assert code == 2
    assert "neither a URL" in output


class ChainNode(FakeNode):
    """The API's node with the blocks of a real chain."""

    def __init__(self, node: Node) -> None:
        super().__init__(FakeChain())
        self._node = node

    async def block(self, at: int | str) -> BlockView:
        height = self._node.chain.finalized if at == "finalized" else int(at)
        header = self._node.chain.header(Height(height))
        assert header is not None
        return BlockView(header, header.hash(), (), 0, None)


def served(node: Node, name: str) -> NodeHistory:
    """What the real API shows of a chain."""
    world = World()
    app = create_app(
        ChainNode(node), world.chain, world.keys, world.settings,
        packs=make_desk(node), random_bytes=world.random,
    )  # fmt: skip
    client = BulwarkClient(
        "http://node", world.clear[Role.AUDITOR], transport=httpx.ASGITransport(app)
    )
    return NodeHistory(name, client, node.chain.finalized)


async def test_two_nodes_of_one_chain_are_the_same_however_far_each_is() -> None:
    node, behind = grown(*SHARED), grown(*SHARED[:4])
    one, other = served(node, "one"), served(behind, "behind")
    found = await compared(one, other)
    assert (found.outcome, found.last) == (Outcome.SAME, 4)
    await one.consistent_from(found.last, make_genesis())


async def test_two_nodes_that_forked_are_told_apart_like_their_packs() -> None:
    one = served(grown(*SHARED, "one", "more"), "one")
    other = served(grown(*SHARED, "other", "more"), "other")
    found = await compared(one, other)
    assert (found.outcome, found.differs) == (Outcome.FORK, PART + 1)
    assert found.fork is not None
    assert found.fork.equivocators == ("alpha", "bravo", "charlie")


async def test_a_certificate_some_blocks_above_covers_the_last_common_one() -> None:
    """Certificates every third block only, as with a checkpoint interval of three."""
    node = Node()
    for seed in SHARED:
        report(node, ALPHA, make_sidecar(2, seed))
    for height in (3, 6):
        header = node.chain.header(Height(height))
        assert header is not None
        node.chain.store_checkpoint(certify(node, header))
    behind = grown(*SHARED[:4])
    found = await compared(served(node, "sparse"), served(behind, "behind"))
    assert (found.outcome, found.last) == (Outcome.SAME, 4)
    part = history("part", pack_of(node, PackWish(to_height=Height(4))))
    assert part.last == 6
    assert (await compared(part, served(behind, "behind"))).outcome is Outcome.SAME
