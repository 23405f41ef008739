"""A session that contradicts itself is refused, and its digest covers every part of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.session import (
    Member,
    Purpose,
    Session,
    max_faults,
    quorum_threshold,
    session_id,
)
from bulwark.privacy.errors import InputRefused, SessionRefused
from bulwark.privacy.group import Scalar
from tests.unit.privacy.dkg.world import ceremony, dealt, member_id, names

OLD = dealt(Scalar.from_int(11), 3, names(4)).sharing


def session(**changes: Any) -> Session:
    members = tuple(Member(member_id(name), member_id(f"key of {name}")) for name in names(4))
    parts: dict[str, Any] = {
        "id": bytes(32),
        "purpose": Purpose.GENERATE,
        "key_id": 7,
        "share_epoch": 0,
        "members": members,
        "threshold": 3,
    }
    return Session(**(parts | changes))


def next_one(purpose: Purpose, **changes: Any) -> Session:
    return session(**({"purpose": purpose, "share_epoch": 1, "old": OLD} | changes))


MEMBERS = session().members
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("session id of 31 bytes", {"id": bytes(31)}),
    ("key id -1", {"key_id": -1}),
    ("key id 4294967296", {"key_id": 1 << 32}),
    ("share epoch 0", {"share_epoch": 1}),
    ("0 holders", {"members": ()}),
    ("129 holders", {"members": tuple(Member(member_id(n), bytes(32)) for n in names(129))}),
    ("a member comes twice", {"members": (*MEMBERS[:3], MEMBERS[0])}),
    ("a member id", {"members": (*MEMBERS[:3], Member(b"short", bytes(32)))}),
    ("a sealing key", {"members": (*MEMBERS[:3], Member(member_id("x"), bytes(31)))}),
    ("threshold 1, allowed 2 to 3", {"threshold": 1}),
    ("threshold 4, allowed 2 to 3", {"threshold": 4}),
    ("no old sharing", {"old": OLD}),
    ("nobody leaving", {"leaving": (member_id("x"),)}),
]
NEXT_REFUSED: list[tuple[str, Purpose, dict[str, Any]]] = [
    ("needs the old sharing", Purpose.REFRESH, {"old": None}),
    ("needs the old sharing", Purpose.RESHARE, {"old": None}),
    ("key id 8", Purpose.REFRESH, {"key_id": 8}),
    ("does not follow", Purpose.REFRESH, {"share_epoch": 0}),
    ("does not follow", Purpose.RESHARE, {"share_epoch": 2}),
    ("a refresh keeps", Purpose.REFRESH, {"members": MEMBERS[::-1]}),
    ("a refresh keeps", Purpose.REFRESH, {"threshold": 2}),
    ("a refresh keeps", Purpose.REFRESH, {"leaving": (member_id("x"),)}),
    ("must hold an old share", Purpose.RESHARE, {"leaving": (member_id("x"),)}),
    ("must hold an old share", Purpose.RESHARE, {"leaving": (MEMBERS[0].id,)}),
    ("needed 3", Purpose.RESHARE, {"members": MEMBERS[:2], "threshold": 1}),
    (
        "comes twice",
        Purpose.RESHARE,
        {"members": MEMBERS[:3], "threshold": 1, "leaving": (MEMBERS[3].id,) * 2},
    ),
    ("leaving dealers", Purpose.RESHARE, {"leaving": tuple(map(member_id, names(128)))}),
]


@pytest.mark.parametrize(("reason", "changes"), REFUSED, ids=[reason for reason, _ in REFUSED])
def test_generation_is_refused_with(reason: str, changes: dict[str, Any]) -> None:
    with pytest.raises(SessionRefused, match=reason):
        session(**changes)


@pytest.mark.parametrize(("reason", "purpose", "changes"), NEXT_REFUSED)
def test_next_sharing_is_refused_with(
    reason: str, purpose: Purpose, changes: dict[str, Any]
) -> None:
    with pytest.raises(SessionRefused, match=reason):
        next_one(purpose, **changes)


def test_digest_changes_with_every_part() -> None:
    swapped = (MEMBERS[1], MEMBERS[0], *MEMBERS[2:])
    rekeyed = (Member(MEMBERS[0].id, member_id("new key")), *MEMBERS[1:])
    older = structs.replace(OLD, share_epoch=4)
    sessions = [
        session(),
        session(id=b"\x01" * 32),
        session(key_id=8),
        session(members=swapped),
        session(members=rekeyed),
        session(members=MEMBERS[:3], threshold=1),
        session(threshold=2),
        next_one(Purpose.REFRESH),
        next_one(Purpose.RESHARE),
        next_one(Purpose.RESHARE, threshold=2),
        next_one(Purpose.RESHARE, share_epoch=5, old=older),
        next_one(Purpose.RESHARE, members=MEMBERS[:3], threshold=1),
        next_one(Purpose.RESHARE, members=MEMBERS[:3], threshold=1, leaving=(MEMBERS[3].id,)),
    ]
    assert len({made.digest for made in sessions}) == len(sessions)
    assert session() == session() and session().digest == session().digest


def test_quorums_of_the_alliance_are_allowed_thresholds() -> None:
    for holders in range(1, 129):
        faults = max_faults(holders)
        threshold = quorum_threshold(holders)
        assert faults < threshold <= holders - faults
        # Two sets of t - 1 others share more than the f - 1 whom a dishonest asker may have.
        if faults:
            assert 2 * (threshold - 1) - (holders - 1) > faults - 1
    assert [quorum_threshold(n) for n in (1, 2, 3, 4, 5, 7, 10, 16)] == [1, 2, 2, 3, 4, 5, 7, 11]
    for holders in (0, 129):
        with pytest.raises(SessionRefused):
            quorum_threshold(holders)


def test_needed_dealers_are_n_minus_f_and_the_old_threshold_in_a_reshare() -> None:
    assert session().needed_dealers == 3
    old = dealt(Scalar.from_int(5), 5, names(7))
    made = ceremony(Purpose.RESHARE, names(10), old=old)
    assert made.session.needed_dealers == 5
    assert made.session.dealers == tuple(range(1, 8))


def test_session_ids_differ_by_chain_genesis_height_and_number() -> None:
    ids = {
        session_id(1, bytes(32), 5, 6),
        session_id(2, bytes(32), 5, 6),
        session_id(1, b"\x01" * 32, 5, 6),
        session_id(1, bytes(32), 6, 6),
        session_id(1, bytes(32), 5, 7),
        session_id(1, bytes(32), 6, 5),
    }
    assert len(ids) == 6 and {len(made) for made in ids} == {32}
    with pytest.raises(SessionRefused):
        session_id(1, bytes(31), 5, 6)
    with pytest.raises(InputRefused):
        session_id(-1, bytes(32), 5, 6)


def test_live_sharing_needs_one_share_key_a_member() -> None:
    with pytest.raises(SessionRefused, match="3 members and 4 share keys"):
        LiveSharing(7, 0, OLD.members[:3], OLD.key)
    assert OLD.index_of(member_id("nobody")) is None
