"""A net that is run by hand: a message waits in flight until a scenario says what becomes of it.

Validators named `byzantine` run nothing: a scenario forges their messages with their own keys.
What happens is noted in `lines`, grouped: who delivered what to whom, then who did what.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from consensus.authentication import Authenticated, authenticate
from consensus.config import Config
from consensus.effects import Broadcast, CheckBatch, Effect, NeedProposal, Persist, Send
from consensus.errors import AuthenticationFailed
from consensus.events import Received
from consensus.messages import Message, decode_message, encode_message
from tests.scenarios.machine import Block, Machine
from tests.scenarios.net import START_MS, Letter, Net
from tests.scenarios.words import Names, kind_of, numbers

WHO_WIDTH = 10


@dataclass
class Mail:
    """A message somebody sent, with where it may still go."""

    source: int
    target: int
    message: Message
    data: bytes


class Stage(Net):
    """A net under a scenario's hands."""

    def __init__(self, n: int, config: Config, byzantine: frozenset[int]) -> None:
        super().__init__(n, config, latency_ms=10, faulty=byzantine)
        self.names = Names()
        self.mail: deque[Mail] = deque()
        self.history: list[Mail] = []
        self.quiet = False
        """Whether sends are noted."""
        self.shown: set[str] = set()
        """Effects that are noted although they seldom matter: persist, check, turn."""
        self.by_clock = False
        """Whether the net runs by itself now."""
        self._heard: dict[tuple[int, str, str], list[int]] = {}
        self._done: dict[str, list[int]] = {}
        self._views: dict[int, str] = {}
        for machine in self.machines:
            machine.auto = False

    # -- noting ------------------------------------------------------------------------------

    def saw(self, machine: Machine, effect: Effect) -> None:
        """Note an effect unless it is of a silent kind."""
        super().saw(machine, effect)
        if isinstance(effect, Send | Broadcast) and self.quiet:
            return
        hidden = {Persist: "persist", CheckBatch: "check", NeedProposal: "turn"}
        word = hidden.get(type(effect))
        if word is not None and word not in self.shown:
            return
        text = self.names.effect(effect)
        if text is not None and not (isinstance(effect, Broadcast) and "STATUS" in text):
            self.note(machine.slot, text)

    def note(self, slot: int, text: str) -> None:
        """Somebody did something."""
        who = self._done.setdefault(text, [])
        if slot not in who:
            who.append(slot)

    def stored(self, machine: Machine, block: Block) -> None:
        """Learn the header's name."""
        super().stored(machine, block)
        self.names.header(block.header_hash, block.height, block.batch)

    def look(self) -> None:
        """Note whose view changed."""
        for machine in self.machines:
            shot = machine.replica.snapshot() if machine.replica is not None else None
            if shot is None:
                continue
            word = f"enter view {shot.view}"
            if shot.view != shot.active_view:
                word = f"leave for view {shot.view}"
            if self._views.get(machine.slot, "enter view 0") != word:
                self.note(machine.slot, word)
            self._views[machine.slot] = word

    def take_lines(self) -> list[str]:
        """What was noted since the last call."""
        lines = []
        for (source, text, fate), targets in self._heard.items():
            way = f"{source} > {numbers(targets)}"
            lines.append(f"{way:{WHO_WIDTH}}  {text}{fate}")
        for text, who in self._done.items():
            lines.append(f"{numbers(who):{WHO_WIDTH}}  {text}")
        self._heard, self._done = {}, {}
        return lines

    # -- mail --------------------------------------------------------------------------------

    def post(self, machine: Machine, receivers: tuple[int, ...], message: Message) -> None:
        """Put a message into flight, for each receiver alone."""
        self.watch.on_message(machine, message)
        self.put(machine.slot, receivers, message)

    def put(self, source: int, receivers: tuple[int, ...], message: Message) -> None:
        """Also for what is forged and replayed."""
        data = encode_message(message)
        if decode_message(data) != message:
            raise AssertionError(f"codec changes {message}")
        for receiver in receivers:
            mail = Mail(source, receiver, message, data)
            self.history.append(mail)
            if self.by_clock:
                self.flying.append(
                    Letter(self.now + self.latency_ms, source, receiver, Authenticated(message))
                )
            else:
                self.mail.append(mail)

    def hand_over(self, mail: Mail) -> None:
        """A message arrives: authenticated by its receiver's own terms."""
        target = self.machines[mail.target]
        fate = ""
        if target.replica is None:
            fate = "  (down)" if mail.target not in self.watch.faulty else "  (byzantine)"
        text = self.names.message(mail.message)
        try:
            if target.replica is not None:
                passed = authenticate(mail.data, target.terms)
        except AuthenticationFailed as error:
            fate = f"  REFUSED {error}"
        signer = getattr(mail.message, "signer", mail.source)
        whose = "" if signer == mail.source else f" (of {signer})"
        if not self.quiet or "REFUSED" in fate:
            self._heard.setdefault((mail.source, text + whose, fate), []).append(mail.target)
        if not fate:
            target.give(Received(self.machines[mail.source].index, passed))
            self.look()

    def deliver(self, letter: Letter) -> None:
        """The clock delivers."""
        if self.cut is not None and self.cut(letter.source, letter.target):
            return
        data = encode_message(letter.message)
        self.hand_over(Mail(letter.source, letter.target, letter.message, data))

    def run_by_clock(self, duration_ms: int) -> None:
        """Everything in flight and every timer for a while; drivers propose and sync."""
        self.by_clock = self.quiet = True
        for machine in self.machines:
            machine.auto = True
        for mail in self.mail:
            self.flying.append(
                Letter(self.now, mail.source, mail.target, Authenticated(mail.message))
            )
        self.mail.clear()
        for machine in self.machines:
            machine.propose()
            machine.catch_up()
        before = [len(machine.disk.blocks) for machine in self.machines]
        self.run(self.now + duration_ms)
        self._shorten(before)
        for letter in self.flying:
            data = encode_message(letter.message)
            self.mail.append(Mail(letter.source, letter.target, letter.message, data))
        self.flying.clear()
        self.by_clock = self.quiet = False
        for machine in self.machines:
            machine.auto = False
        self.look()

    def _shorten(self, before: list[int]) -> None:
        """One line for all the blocks of a run."""
        for text in [t for t in self._done if t.startswith(("execute h", "stable h"))]:
            del self._done[text]
        for machine, count in zip(self.machines, before, strict=True):
            if len(machine.disk.blocks) > count:
                top = len(machine.disk.blocks)
                span = f"h{count + 1}" if top == count + 1 else f"h{count + 1} to h{top}"
                self.note(machine.slot, f"execute {span}")

    def add(self, machine: Machine) -> None:
        """A new member's machine."""
        self.machines.append(machine)
        self._slots.append([machine.slot])

    def drop_status(self) -> None:
        """Forget STATUS messages in flight: they say what everybody knows."""
        kept = [mail for mail in self.mail if kind_of(mail.message) != "status"]
        self.mail.clear()
        self.mail.extend(kept)

    @property
    def clock_ms(self) -> int:
        """Time since the scenario began."""
        return self.now - START_MS
