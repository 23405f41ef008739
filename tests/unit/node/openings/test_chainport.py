"""A start catches up on the blocks with openings; a court's file takes the last certified one."""

from __future__ import annotations

from bulwark.ledger.batch import NULL_BATCH
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Address, Digest, Height
from bulwark.ledger.receipt import Log, Receipt
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import sign_transaction
from bulwark.ledger.votes import Certificate
from contracts.privacy.openings import OPENINGS
from node.chain.store import StoredBlock
from node.guarded.atrest import AtRest
from node.openings.casebook import CaseBook
from node.openings.chainport import calls_of, catch_up, final_state
from node.storage.memory import MemoryStore
from node.storage.schema import event
from tests.contracts.harness import CHAIN_ID
from tests.unit.node.openings.opening_scene import NAMES, REGULATOR, Scene, TrieNodes, asked

KEY = SigningKey(b"\x07" * 32)


def raw_of(to: bytes, data: bytes) -> bytes:
    made = sign_transaction(KEY, chain_id=CHAIN_ID, nonce=0, to=Address(to), data=data, gas=100_000)
    return made.raw


class Blocks:
    """A chain store over a dictionary."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.blocks: dict[int, StoredBlock] = {}
        self.read: list[int] = []
        self.finalized = Height(0)

    def add(self, height: int, store: MemoryStore, *calls: tuple[bytes, bytes, list[Log]]) -> None:
        self.scene.finalize()
        header = self.scene.final.sealed.header if self.scene.final else None
        assert header is not None
        receipts = tuple(Receipt(2, True, 1, tuple(logs)) for _, _, logs in calls)
        raws = tuple(raw_of(to, data) for to, data, _ in calls)
        self.blocks[height] = StoredBlock(header, NULL_BATCH, receipts, raws)
        for _, _, logs in calls:
            for log in logs:
                store.write({event(log.address, log.topics[0], Height(height)): b""}, sync=False)

    def block(self, height: Height) -> StoredBlock | None:
        self.read.append(height)
        return self.blocks.get(height)

    def certified_from(self, height: Height) -> tuple[Header, Certificate] | None:
        final = self.scene.final
        return None if final is None else (final.sealed.header, final.sealed.certificate)


async def test_a_start_sees_what_a_node_that_stayed_saw(scene: Scene) -> None:
    await scene.anchored(asked(1, 1))
    await scene.approved(asked(1, 1))
    await scene.act()
    stayed = scene.nodes["m0"].book
    store = MemoryStore()
    chain = Blocks(scene)
    other = Log(Address(b"\x01" * 20), (Digest(b"\x02" * 32),), b"")
    sent = [(name, made) for name in (*NAMES, REGULATOR) for made in scene.nodes[name].lane.sent]
    for height, (sender, made) in enumerate(sent, start=1):
        to, data = bytes(made.to or b""), made.data
        logs = [other]
        if to == OPENINGS:
            logs += scene.logs[sender, data]
        chain.add(height, store, (to, data, logs))
    at_rest = AtRest(b"\x05" * 32, b"openings", lambda count: bytes(count))
    assert catch_up(CaseBook(store, at_rest), chain, store) > 0
    late = CaseBook(store, at_rest)
    assert late.cases() == stayed.cases()
    (case_id,) = late.cases()
    assert late.place(case_id) == stayed.place(case_id)
    assert set(late.partials(case_id)) == set(stayed.partials(case_id))
    chain.read.clear()
    catch_up(late, chain, store)
    assert len(chain.read) == 1, "only the block it stopped at is read again"


def test_calls_of_others_and_through_others_are_no_calls(scene: Scene) -> None:
    chain, store = Blocks(scene), MemoryStore()
    mine = Log(Address(OPENINGS), (Digest(b"\x02" * 32),), b"")
    other = Log(Address(b"\x01" * 20), (Digest(b"\x02" * 32),), b"")
    chain.add(
        1,
        store,
        (OPENINGS, b"direct", [mine]),
        (b"\x01" * 20, b"through another contract", [mine]),
        (OPENINGS, b"without a log of its own", [other]),
        (OPENINGS, b"reverted", []),
    )
    assert [data for data, _ in calls_of(chain.blocks[1])] == [b"direct"]


def test_the_final_state_is_that_of_the_certified_header(scene: Scene) -> None:
    chain = Blocks(scene)

    class Epochs:
        def changes(self, before: int) -> tuple[()]:
            return ()

    source = TrieNodes(scene.chain)
    assert final_state(chain, Epochs(), source) is None  # type: ignore[arg-type]
    scene.finalize()
    found = final_state(chain, Epochs(), source)  # type: ignore[arg-type]
    assert found is not None
    assert scene.final is not None
    assert found.sealed == scene.final.sealed
