"""The real key ceremony over the contract: boards are built from the ledger's events alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.outcome import Done, Running
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Close, Phase
from bulwark.privacy.dkg.session import Member, Purpose, Session
from bulwark.privacy.group import multiply_base
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.sharing import Share, recover
from bulwark.privacy.threshold import EvaluatorShare
from contracts.bindings import Role, encode_set_roles
from contracts.privacy.bindings import (
    KEY_CEREMONY,
    CeremonyEvent,
    CeremonyKind,
    CeremonyPhase,
    Confirmed,
    GenesisKeys,
    PhaseClosed,
    Posted,
    SessionOpened,
    encode_open,
)
from tests.contracts.harness import Signer, member, signer
from tests.unit.contracts.ceremony_steps import (
    PHASE_SECONDS,
    TAG,
    advance,
    confirm,
    events,
    post,
    sharing,
    state,
)
from tests.unit.contracts.privacy_harness import (
    PrivacyChain,
    privacy_alliance,
    public,
    validators,
)
from tests.unit.privacy.dkg.world import stream

NAMES = {m.id: f"m{i}" for i, m in enumerate(validators(5))}
SEALING = {name: SealingKey.new(stream(f"sealing {name}")) for name in NAMES.values()}


@dataclass
class Alliance:
    """A chain, what is shared on it, and every member's share by name."""

    chain: PrivacyChain
    live: LiveSharing | None = None
    shares: dict[str, EvaluatorShare] = field(default_factory=dict)


def alliance(count: int) -> Alliance:
    members = validators(count)
    keys = [GenesisKeys(m.id, public(NAMES[m.id]), SEALING[NAMES[m.id]].public) for m in members]
    return Alliance(privacy_alliance(members, keys))


def session_of(event: SessionOpened, old: LiveSharing | None) -> Session:
    """The session as any node has it from the opening event."""
    return Session(
        id=event.session,
        purpose=Purpose(event.kind),
        key_id=event.key_id,
        share_epoch=event.share_epoch,
        members=tuple(
            Member(member_id, key)
            for member_id, key in zip(event.holders, event.sealing_keys, strict=True)
        ),
        threshold=event.threshold,
        old=old,
        leaving=event.leaving,
    )


def follow(board: Board, ledger: list[CeremonyEvent]) -> None:
    """What a node does with the events of a block."""
    for event in ledger:
        match event:
            case Posted():
                board.post(event.index, Phase(event.phase), event.data)
            case Confirmed():
                board.post(event.index, Phase.CONFIRM, event.result_hash)
            case PhaseClosed():
                board.advance(Close.DEADLINE)


def run(world: Alliance, kind: CeremonyKind, silent: str = "") -> Board:
    """A whole ceremony; `silent` never posts. The board of a node that only watched."""
    chain = world.chain
    outcome = chain.send(signer("m0"), KEY_CEREMONY, encode_open(TAG, kind))
    (event,) = events(outcome)
    assert isinstance(event, SessionOpened)
    session = session_of(event, world.live)
    ledger: list[CeremonyEvent] = []
    board = Board(session)
    names = [NAMES[member_id] for member_id in (*event.holders, *event.leaving)]
    parties = {
        index: Participant.begin(
            session,
            index,
            SEALING[name] if index <= session.holders else None,
            stream(f"{kind} {name}"),
            world.shares.get(name),
        )
        for index, name in enumerate(names, 1)
        if name != silent
    }
    while state(chain, event.session).phase < CeremonyPhase.ACTIVE:
        phase = Phase(state(chain, event.session).phase)
        said = {index: party.to_post(phase, board) for index, party in parties.items()}
        for index, data in said.items():
            send = _sender(chain, event.session, phase, index, signer(names[index - 1]))
            if data is not None and (phase is not Phase.CONFIRM or data):
                ledger += _followed(board, send(data))
        if state(chain, event.session).phase == phase:
            chain.wait(PHASE_SECONDS)
            ledger += _followed(board, events(advance(chain, event.session)))
    assert state(chain, event.session).phase is CeremonyPhase.ACTIVE
    chain.published(event.session, TAG)
    if isinstance(board.outcome, Running):
        board.advance(Close.DEADLINE)
    watcher = Board(session)
    follow(watcher, ledger)
    if isinstance(watcher.outcome, Running):
        watcher.advance(Close.DEADLINE)
    assert watcher.digest == board.digest
    shares = {
        name: parties[index].share(watcher)
        for index, name in enumerate(names, 1)
        if index in parties and index <= session.holders
    }
    assert isinstance(watcher.outcome, Done)
    world.live, world.shares = watcher.outcome.sharing, shares
    return watcher


def _sender(
    chain: PrivacyChain, session: bytes, phase: Phase, index: int, by: Signer
) -> Callable[[bytes], list[CeremonyEvent]]:
    def send(data: bytes) -> list[CeremonyEvent]:
        if phase is Phase.CONFIRM:
            outcome = confirm(chain, session, index, data, by)
        else:
            outcome = post(chain, session, CeremonyPhase(phase), index, data, by)
        assert outcome.reason is None
        return events(outcome)

    return send


def _followed(board: Board, new: list[CeremonyEvent]) -> list[CeremonyEvent]:
    follow(board, new)
    return new


def secret_is_shared(world: Alliance) -> bool:
    assert world.live is not None
    key = world.live.key
    shares = [Share(s.index, s.secret_share) for s in world.shares.values()]
    return multiply_base(recover(shares[: key.threshold])) == key.public_key


def test_a_key_is_made_refreshed_with_one_silent_and_handed_on_without_changing():
    world = alliance(4)
    run(world, CeremonyKind.GENERATE)
    assert world.live is not None
    made = world.live.key.public_key
    assert secret_is_shared(world)
    first = sharing(world.chain)
    assert first is not None

    world.chain.parameter("refresh_order", 1)
    before = world.shares["m0"]
    board = run(world, CeremonyKind.REFRESH, silent="m3")
    assert isinstance(board.outcome, Done)
    assert board.outcome.unconfirmed == (4,)
    assert world.shares["m0"].secret_share != before.secret_share
    assert world.live.key.public_key == made
    assert secret_is_shared(world)


def test_a_key_is_handed_on_when_a_holder_leaves():
    world = alliance(5)
    run(world, CeremonyKind.GENERATE)
    assert world.live is not None
    made = world.live.key.public_key
    assert world.chain.govern(encode_set_roles(member("m1").id, Role.REPORTER)).ok
    run(world, CeremonyKind.RESHARE)
    assert tuple(world.shares) == ("m0", "m2", "m3", "m4")
    assert (world.live.key.public_key, world.live.share_epoch) == (made, 1)
    assert secret_is_shared(world)
    found = sharing(world.chain)
    assert found is not None
    assert (found.key_id, found.share_epoch) == (1, 1)
