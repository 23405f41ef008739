"""One line a step of a key ceremony, for its tests."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.privacy.bindings import (
    KEY_CEREMONY,
    CeremonyEvent,
    CeremonyKind,
    CeremonyPhase,
    KeyPurpose,
    SessionState,
    SharingState,
    decode_ceremony_event,
    encode_advance,
    encode_confirm,
    encode_fail,
    encode_open,
    encode_post,
    read_open_session,
    read_session,
    read_sharing,
)
from tests.contracts.harness import Outcome, Signer, signer
from tests.unit.contracts.privacy_harness import PrivacyChain

RESULT = b"\x77" * 32
OTHER = b"\x78" * 32
TAG = KeyPurpose.TAG
PHASES = [phase for phase in CeremonyPhase if phase < CeremonyPhase.CONFIRM]
PHASE_SECONDS = 600


def voter(index: int) -> Signer:
    """The account of the validator that has this index at the start."""
    return signer(f"m{index - 1}")


def open_session(
    chain: PrivacyChain,
    kind: CeremonyKind = CeremonyKind.GENERATE,
    purpose: KeyPurpose = TAG,
    by: Signer | None = None,
) -> bytes:
    outcome = chain.send(by or voter(1), KEY_CEREMONY, encode_open(purpose, kind))
    assert outcome.reason is None
    session = read_open_session(chain.state.get_storage, purpose)
    assert session is not None
    return session


def post(
    chain: PrivacyChain,
    session: bytes,
    phase: CeremonyPhase,
    index: int,
    data: bytes = b"data",
    by: Signer | None = None,
) -> Outcome:
    return chain.send(by or voter(index), KEY_CEREMONY, encode_post(session, phase, index, data))


def confirm(
    chain: PrivacyChain,
    session: bytes,
    index: int,
    result: bytes = RESULT,
    by: Signer | None = None,
) -> Outcome:
    return chain.send(by or voter(index), KEY_CEREMONY, encode_confirm(session, index, result))


def fail(chain: PrivacyChain, session: bytes, index: int, reason: bytes = OTHER) -> Outcome:
    return chain.send(voter(index), KEY_CEREMONY, encode_fail(session, index, reason))


def advance(chain: PrivacyChain, session: bytes, by: Signer | None = None) -> Outcome:
    return chain.send(by or voter(1), KEY_CEREMONY, encode_advance(session))


def events(outcome: Outcome) -> list[CeremonyEvent]:
    found = [decode_ceremony_event(*entry) for entry in outcome.logs]
    assert None not in found
    return [event for event in found if event is not None]


def state(chain: PrivacyChain, session: bytes) -> SessionState:
    found = read_session(chain.state.get_storage, session)
    assert found is not None
    return found


def sharing(chain: PrivacyChain, purpose: KeyPurpose = TAG) -> SharingState | None:
    return read_sharing(chain.state.get_storage, purpose)


def run_to(
    chain: PrivacyChain,
    session: bytes,
    end: CeremonyPhase = CeremonyPhase.CONFIRM,
    accounts: Iterable[Signer] | None = None,
) -> None:
    """Everybody posts in every phase until this one is open."""
    while (phase := state(chain, session).phase) < end:
        now = state(chain, session)
        count = len(now.holders) + len(now.leaving)
        signers = list(accounts) if accounts else [voter(i + 1) for i in range(count)]
        for index, by in enumerate(signers, 1):
            assert post(chain, session, phase, index, by=by).reason is None


def make_sharing(
    chain: PrivacyChain,
    kind: CeremonyKind = CeremonyKind.GENERATE,
    purpose: KeyPurpose = TAG,
    result: bytes = RESULT,
) -> bytes:
    """A whole ceremony of validators m0, m1, ...; the id of its session."""
    session = open_session(chain, kind, purpose)
    run_to(chain, session)
    for index in range(1, len(state(chain, session).holders) + 1):
        assert confirm(chain, session, index, result).reason is None
    assert state(chain, session).phase is CeremonyPhase.ACTIVE
    chain.published(session, purpose)
    return session
