"""This member's part in key ceremonies: what it posts, when it opens, closes and publishes.

Rules: the secret state is on disk before the first post and the share before the confirmation, so
a restart at any moment goes on; a phase gets one post; opening, closing a phase whose time is over
and publishing are anybody's, so members wait their turn (`rank` seconds each) and look again before
they send; a share is used when its sharing is published on the ledger, and the ones before it are
erased then. A node without its share of the sharing in force says so and waits for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from bulwark.ledger.ids import Address
from bulwark.ledger.receipt import Log as Entry
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.dkg.live import LiveSharing
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.session import Session
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.threshold import EvaluatorShare
from contracts.members import read_members
from contracts.privacy.ceremony import (
    KEY_CEREMONY,
    CeremonyPhase,
    KeyPurpose,
    encode_advance,
    encode_confirm,
    encode_open,
    encode_post,
    encode_publish,
)
from contracts.privacy.ceremony_events import (
    CeremonyEvent,
    SessionFailed,
    SharingActivated,
    decode_ceremony_event,
)
from contracts.privacy.ceremony_reads import (
    read_due,
    read_open_session,
    read_published,
    read_session,
    read_sharing,
)
from contracts.privacy.keys import quota_epoch
from contracts.slots import ReadSlot
from node.ceremony.keybook import KeyBook
from node.ceremony.room import Room, published_bytes, result_hash
from node.ceremony.shares import ShareStore
from node.logs import Log
from node.service import Busy

TURN_S: Final = 3
"""How long a member leaves what anybody may do to the one before it."""
GRACE_S: Final = 1
"""After a deadline, before somebody closes the phase: block times are in whole seconds."""
CALL_GAS: Final = 250_000
"""Of any call without its data."""
POST_BYTE_GAS: Final = 60
"""Of a byte that is posted: calldata, event, hash."""
PUBLISH_BYTE_GAS: Final = 800
"""Of a byte that is published: as a post, and a 32nd of a storage slot."""
OPEN_MEMBER_GAS: Final = 60_000
"""Of each member that an opening looks at and lists."""

log = Log("ceremony")


class Lane(Protocol):
    """This member's transactions in nonce order."""

    def send(self, to: Address, data: bytes, *, gas: int = ...) -> Transaction:
        """Sign, make durable and submit a call. Raises Busy."""
        ...


class CeremonyDriver:
    """Follows the ceremonies of all purposes and takes this member's part in them."""

    def __init__(
        self,
        *,
        member: bytes,
        lane: Lane,
        shares: ShareStore,
        keys: KeyBook,
        sealing_keys: Callable[[], Sequence[SealingKey]],
        read_slot: ReadSlot,
        epoch_seconds: int,
        rank: Callable[[], int | None],
        random_bytes: RandomBytes,
    ) -> None:
        """`member` is the 32-byte id; `rank` the place among the validators now, None for others;
        `read_slot` reads the state after the last block."""
        self._member = member
        self._lane = lane
        self._shares = shares
        self._keys = keys
        self._sealing_keys = sealing_keys
        self._read_slot = read_slot
        self._epoch_seconds = epoch_seconds
        self._rank = rank
        self._random_bytes = random_bytes
        self._rooms = {purpose: Room(purpose) for purpose in KeyPurpose}
        self._parties: dict[bytes, Participant] = {}
        self._posted: set[tuple[bytes, Phase]] = set()
        self._asked: dict[tuple[str, bytes], int] = {}
        """When this node last sent something that anybody may send, by what and session."""
        self._since: dict[tuple[str, bytes], int] = {}
        """Since when something that anybody may send is due."""

    # -- following ---------------------------------------------------------------------------

    def follow(self, entries: Iterable[Entry]) -> bool:
        """The logs of a block, in order; whether a ceremony was touched."""
        events = [event for entry in entries if (event := _event(entry)) is not None]
        for event in events:
            for room in self._rooms.values():
                room.take(event, self._keys.sharing(room.purpose))
            if isinstance(event, SharingActivated):
                self._activated(event)
            elif isinstance(event, SessionFailed):
                self._forget(event.session)
        if events:
            self.refresh()
        return bool(events)

    def resume_from(self) -> int | None:
        """First block whose events are needed to follow the open sessions; None if there is none.

        Follow the blocks from there on before anything else.
        """
        opened = []
        for purpose in KeyPurpose:
            for session in self._unfinished(purpose):
                found = read_session(self._read_slot, session)
                if found is not None:
                    opened.append(found.opened_block)
        return min(opened, default=None)

    def _unfinished(self, purpose: KeyPurpose) -> list[bytes]:
        """The open session, and the active sharing's if it still has to be published."""
        found = [read_open_session(self._read_slot, purpose)]
        active, published = (
            read_sharing(self._read_slot, purpose),
            read_published(self._read_slot, purpose),
        )
        if active is not None and (published is None or published.session != active.session):
            found.append(active.session)
        return [session for session in found if session is not None]

    def refresh(self) -> None:
        """Take over what the ledger says is in force, and erase what is not any more."""
        for purpose in KeyPurpose:
            published = read_published(self._read_slot, purpose)
            if published is None:
                continue
            session, data = published.session, published.data
            share = self._shares.share(session)
            if self._keys.take(purpose, session, data, share):
                self._shares.settle(purpose, session)
                self._shares.drop_state(session)
                if share is None:
                    log.warning("this node holds no share", purpose=purpose.name.lower())
            room = self._rooms[purpose]
            if room.session == session:
                self._end(session)
                room.close()

    def _activated(self, event: SharingActivated) -> None:
        """Take the share also if this node did nothing in the ceremony: it was away meanwhile."""
        room = self._rooms[event.purpose]
        index = _party_index(room, self._member)
        if room.session != event.session or room.board is None or index is None:
            return
        if index > room.board.session.holders:
            return
        party = self._party(room, index)
        if party is not None:
            self._keep_share(room, party)

    def _forget(self, session: bytes) -> None:
        """A failed ceremony: its shares are worth nothing."""
        self._end(session)
        self._shares.forget([session])

    def _end(self, session: bytes) -> None:
        party = self._parties.pop(session, None)
        if party is not None:
            party.erase()
        self._posted = {place for place in self._posted if place[0] != session}

    # -- acting ------------------------------------------------------------------------------

    def act(self, now_s: int) -> None:
        """Post and do what is due now; harmless when repeated. Raises KeystoreError."""
        try:
            for room in self._rooms.values():
                if room.session is None:
                    self._open_if_due(room.purpose, now_s)
                else:
                    self._take_part(room)
                    self._close_if_late(room, now_s)
                self._publish_if_due(room, now_s)
        except Busy as error:
            log.warning("ceremony waits", reason=str(error))

    def _take_part(self, room: Room) -> None:
        board, session = room.board, room.session
        if board is None or session is None:
            return
        index = _party_index(room, self._member)
        if index is None or (session, board.phase) in self._posted:
            return
        if index in board.record.posted[board.phase]:
            return
        party = self._party(room, index)
        data = None if party is None else party.to_post(board.phase, board)
        if party is None or data is None:
            return
        if board.phase is Phase.CONFIRM:
            self._confirm(room, party, index, data)
            return
        post = encode_post(session, CeremonyPhase(board.phase), index, data)
        self._send(post, CALL_GAS + POST_BYTE_GAS * len(post))
        self._posted.add((session, board.phase))

    def _confirm(self, room: Room, party: Participant, index: int, data: bytes) -> None:
        found, session = room.result, room.session
        if session is None or found is None or not data or not self._keep_share(room, party):
            return
        self._send(encode_confirm(session, index, result_hash(*found)), CALL_GAS)
        self._posted.add((session, Phase.CONFIRM))

    def _keep_share(self, room: Room, party: Participant) -> bool:
        """Derive the new share and write it, before the ledger counts on it."""
        board, session = room.board, room.session
        if board is None or session is None:
            return False
        if self._shares.share(session) is not None:
            return True
        try:
            share = party.share(board)
        except PrivacyError as error:
            log.warning("no share from the ceremony", reason=str(error))
            return False
        self._shares.keep_share(session, room.purpose, share)
        return True

    def _party(self, room: Room, index: int) -> Participant | None:
        board, session = room.board, room.session
        if board is None or session is None:
            return None
        party = self._parties.get(session)
        if party is not None:
            return party
        own_key = self._own_key(board.session, index)
        old = self._old_share(room.purpose, board.session.old)
        try:
            state = self._shares.state(session)
            if state is not None:
                party = Participant.decode(board.session, index, own_key, state, old)
            else:
                party = Participant.begin(board.session, index, own_key, self._random_bytes, old)
                self._shares.keep_state(session, party.encode())
        except PrivacyError as error:
            log.error("can not take part in the ceremony", reason=str(error))
            return None
        self._parties[session] = party
        return party

    def _own_key(self, session: Session, index: int) -> SealingKey | None:
        """The sealing key to which this ceremony's shares are sealed; a rotation keeps old ones."""
        if index > session.holders:
            return None
        keys = self._sealing_keys()
        named = session.members[index - 1].sealing_key
        return next((key for key in keys if key.public == named), keys[0])

    def _old_share(self, purpose: KeyPurpose, old: LiveSharing | None) -> EvaluatorShare | None:
        return None if old is None else self._keys.share(purpose)

    def _open_if_due(self, purpose: KeyPurpose, now_s: int) -> None:
        epoch = quota_epoch(now_s, self._epoch_seconds)
        kind = read_due(self._read_slot, purpose, now_s, epoch)
        mark = ("open", bytes([purpose]))
        if kind is None or not self._is_my_turn(mark, now_s):
            self._since.pop(mark, None) if kind is None else None
            return
        members = len(read_members(self._read_slot))
        self._send(encode_open(purpose, kind), CALL_GAS + OPEN_MEMBER_GAS * members)

    def _close_if_late(self, room: Room, now_s: int) -> None:
        session = room.session
        mark = ("advance", session or b"")
        if session is None or now_s < room.deadline_s + GRACE_S:
            self._since.pop(mark, None)
            return
        if self._is_my_turn(mark, now_s):
            self._send(encode_advance(session), CALL_GAS)

    def _publish_if_due(self, room: Room, now_s: int) -> None:
        active = read_sharing(self._read_slot, room.purpose)
        found = room.result
        if active is None or found is None or active.session != room.session:
            return
        mark = ("publish", active.session)
        if result_hash(*found) == active.result_hash and self._is_my_turn(mark, now_s):
            publish = encode_publish(room.purpose, published_bytes(*found))
            self._send(publish, CALL_GAS + PUBLISH_BYTE_GAS * len(publish))

    def _is_my_turn(self, mark: tuple[str, bytes], now_s: int) -> bool:
        """Whether this member should send now what anybody may send; then not again for a while."""
        rank = self._rank()
        if rank is None:
            return False
        since = self._since.setdefault(mark, now_s)
        if now_s < since + rank * TURN_S or now_s < self._asked.get(mark, 0) + 10 * TURN_S:
            return False
        self._asked[mark] = now_s
        return True

    def _send(self, data: bytes, gas: int) -> None:
        self._lane.send(Address(KEY_CEREMONY), data, gas=gas)


def _event(entry: Entry) -> CeremonyEvent | None:
    return decode_ceremony_event(entry.address, entry.topics, entry.data)


def _party_index(room: Room, member: bytes) -> int | None:
    """Index of a member among holders and leaving ones."""
    if room.board is None:
        return None
    parties = (*room.board.session.member_ids(), *room.board.session.leaving)
    return parties.index(member) + 1 if member in parties else None
