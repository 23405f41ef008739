"""`python -m tests.nets.crook --home HOME`: a node that is dishonest in key ceremonies.

Rules: it is the product's node in all else and votes honestly; what it does is in the file `crook`
of its home, a word for each key, read when it enters a ceremony, so that a run can change it; every
bent post is one line in its log. The words are those of the unit tests' behaviours and two of its
own. Only tests start it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bulwark.privacy.dkg.board import Board
from bulwark.privacy.dkg.participant import Participant
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.session import Session
from contracts.privacy.ceremony import (
    CeremonyPhase,
    KeyPurpose,
    encode_advance,
    encode_confirm,
    encode_fail,
    encode_post,
    encode_publish,
)
from node.ceremony.driver import CALL_GAS, CeremonyDriver
from node.ceremony.room import Room
from node.process import run_node
from tests.unit.privacy.dkg.crooks import BEHAVIOURS
from tests.unit.privacy.dkg.world import Ceremony

CROOK_FILE: Final = "crook"
HONEST: Final = "honest"
MUTE: Final = "mute"
"""Posts nothing and does nothing for the ceremony that anybody may do."""
MEDDLES: Final = "meddles"
"""Sends what is not due or not its own: advance, publish, fail, a second post, another's post."""
WORDS: Final = (HONEST, MUTE, MEDDLES, *BEHAVIOURS)


def told(home: Path, purpose: KeyPurpose) -> str:
    """The word of the moment for a key."""
    path = home / CROOK_FILE
    words = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return str(words.get(purpose.name.lower(), HONEST))


def tell(home: Path, words: Mapping[str, str]) -> None:
    """From the next ceremony on; keys `tag` and `council`. Raises ValueError for another word."""
    for word in words.values():
        if word not in WORDS:
            raise ValueError(f"{word!r} is none of {', '.join(WORDS)}")
    fresh = home / f"{CROOK_FILE}.new"
    fresh.write_text(json.dumps(dict(words)), "utf-8")
    fresh.replace(home / CROOK_FILE)


class Crook:
    """The patches of one process."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._purpose = KeyPurpose.TAG
        """Of the room whose party is being made: a participant does not know it."""
        self._plays: dict[bytes, Ceremony] = {}
        """By session digest: this party alone, with its bends."""
        self._meddled: set[tuple[bytes, Phase]] = set()

    def install(self) -> None:
        """Change the classes of this process."""
        self._bend_party()
        self._bend_driver()

    def _bend_party(self) -> None:
        to_post = Participant.to_post

        def bent(party: Participant, phase: Phase, board: Board) -> bytes | None:
            data = to_post(party, phase, board)
            play = self._plays.get(board.session.digest)
            bend = None if play is None else play.bends.get((party._index, phase))
            if play is None or bend is None or phase is not board.phase:
                return data
            play.board = board
            given = bend(play, data)
            if given != data:
                self._note(phase.name.lower(), board.session.id)
            return given

        setattr(Participant, "to_post", bent)  # noqa: B010 - a method is replaced
        for name in ("begin", "decode"):
            setattr(Participant, name, self._entering(getattr(Participant, name)))

    def _entering(self, make: Callable[..., Participant]) -> Callable[..., Participant]:
        def entered(session: Session, index: int, *rest: Any) -> Participant:
            party = make(session, index, *rest)
            word = told(self._home, self._purpose)
            play = Ceremony(session, {index: party}, {}, (), Board(session))
            if word in BEHAVIOURS:
                BEHAVIOURS[word](play, index)
                self._note(f"enters: {word}", session.id)
            self._plays[session.digest] = play
            return party

        return entered

    def _bend_driver(self) -> None:
        make_party = CeremonyDriver._party

        def party(driver: CeremonyDriver, room: Room, index: int) -> Participant | None:
            self._purpose = room.purpose
            return make_party(driver, room, index)

        setattr(CeremonyDriver, "_party", party)  # noqa: B010 - a method is replaced
        for name in ("_take_part", "_open_if_due", "_close_if_late", "_publish_if_due"):
            setattr(CeremonyDriver, name, self._muted(getattr(CeremonyDriver, name)))
        setattr(CeremonyDriver, "_confirm", self._confirming(CeremonyDriver._confirm))  # noqa: B010

    def _muted(self, act: Callable[..., None]) -> Callable[..., None]:
        def acting(driver: CeremonyDriver, place: Room | KeyPurpose, *rest: int) -> None:
            word = told(self._home, place.purpose if isinstance(place, Room) else place)
            if word == MUTE:
                return
            if word == MEDDLES and isinstance(place, Room):
                self._meddle(driver, place)
            act(driver, place, *rest)

        return acting

    def _confirming(self, confirm: Callable[..., None]) -> Callable[..., None]:
        def confirming(
            driver: CeremonyDriver, room: Room, party: Participant, index: int, data: bytes
        ) -> None:
            found, session = room.result, room.session
            if found is None or session is None or data in (b"", found[0]):
                confirm(driver, room, party, index, data)
                return
            driver._send(encode_confirm(session, index, data), CALL_GAS)
            driver._posted.add((session, Phase.CONFIRM))

        return confirming

    def _meddle(self, driver: CeremonyDriver, room: Room) -> None:
        session, board = room.session, room.board
        if session is None or board is None or (session, board.phase) in self._meddled:
            return
        self._meddled.add((session, board.phase))
        self._note(f"meddles in {board.phase.name.lower()}", session)
        ids = (*board.session.member_ids(), *board.session.leaving)
        own = ids.index(driver._member) + 1 if driver._member in ids else 1
        other = own % len(ids) + 1
        phase = CeremonyPhase(min(board.phase, Phase.RECONSTRUCT))
        for call in (
            encode_advance(session),
            encode_publish(room.purpose, bytes(42 + 32 * (2 * board.session.holders + 1))),
            encode_fail(session, own, b"made up".ljust(32, b"\0")),
            encode_post(session, phase, other, b"in another's name"),
            encode_confirm(session, other, bytes(31) + b"\1"),
        ):
            driver._send(call, 4 * CALL_GAS)

    def _note(self, what: str, session: bytes) -> None:
        line = {"event": "crook", "what": what, "key": self._purpose.name.lower()}
        sys.stderr.write(json.dumps({**line, "session": session.hex()}) + "\n")
        sys.stderr.flush()


def main(home: Path) -> int:
    """Run the node of a home, dishonest in ceremonies; its exit code."""
    Crook(home).install()
    return run_node(home)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
