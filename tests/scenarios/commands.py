"""The commands of scenario files (docs/scenarios.md): each takes a line and yields output lines."""

from __future__ import annotations

from bulwark.ledger.ids import Height
from bulwark.ledger.votes import VoteKind
from consensus.config import Config
from consensus.effects import Effect, Persist
from consensus.errors import RecordsDamaged
from consensus.events import PeerDown, PeerUp, StateInstalled, TimerFired
from consensus.types import TimerName
from tests.scenarios.expectations import check_expectation
from tests.scenarios.forge import Forge
from tests.scenarios.keys import make_keyring, make_terms
from tests.scenarios.machine import Machine
from tests.scenarios.messaging import MessageCommands
from tests.scenarios.script import Args, ScenarioError, parse_command, parse_numbers
from tests.scenarios.stage import Stage
from tests.scenarios.views import show_slots, show_status
from tests.scenarios.words import numbers, record_words

MAX_ROUNDS = 400


class Power:
    """Stands before a machine's effects: power fails, or the disk is full, at the next write."""

    def __init__(self, machine: Machine, why: str) -> None:
        self.machine, self.why = machine, why

    def __call__(self, effect: Effect) -> bool:
        if not isinstance(effect, Persist):
            return True
        del self.machine.before  # type: ignore[attr-defined]
        self.machine.net.note(self.machine.slot, f"STOP {self.why}")  # type: ignore[attr-defined]
        self.machine.stop(self.why)
        return False


class Runner(MessageCommands):
    """Runs one scenario's commands in order."""

    def run(self, line: str) -> list[str]:
        """One command; raises ScenarioError."""
        args = parse_command(line)
        handler = getattr(self, "do_" + args.verb.replace("-", "_"), None)
        if handler is None:
            raise ScenarioError(f"no command {args.verb!r}")
        lines = list(handler(args) or [])
        if self._stage is not None:
            self.stage.look()
            lines = self.stage.take_lines() + lines
        return lines or ["ok"]

    def _machines(self, args: Args, at: int = 0) -> list[Machine]:
        """The machines a word names: 0 or 0,1 or all."""
        word = args.words[at] if len(args.words) > at else "all"
        if word == "all":
            return [m for m in self.stage.machines if m.index not in self.stage.watch.faulty]
        return [self.stage.machines[i] for i in parse_numbers(word)]

    # -- the net -----------------------------------------------------------------------------

    def do_net(self, args: Args) -> list[str]:
        """net n=4 k=1 rotation=16 pipeline=4 byzantine=3 heartbeat=30000: start a net."""
        config = Config(
            checkpoint_interval=args.number("k", 1),
            rotation=args.number("rotation", 16),
            pipeline=args.number("pipeline", 4),
            heartbeat_ms=args.number("heartbeat", 30_000),
        )
        n = args.number("n", 4)
        byzantine = frozenset(args.numbers("byzantine", ()))
        self._stage = Stage(n, config, byzantine)
        for machine in self.stage.machines:
            if machine.index not in byzantine:
                machine.start()
        self.stage.mail.clear()
        self.stage.take_lines()
        validators = self.stage.terms.validators
        return [
            f"n={n} f={validators.faulty} quorum={validators.quorum} window={config.window}"
            + (f" byzantine={numbers(byzantine)}" if byzantine else "")
        ]

    def do_show(self, args: Args) -> None:
        """show persist check turn: also note these effects; show nothing ends it."""
        self.stage.shown = set(args.words) - {"nothing"}

    def do_next_epoch(self, args: Args) -> list[str]:
        """next-epoch n=5: everyone who saw the epoch end starts its core of the next one."""
        stage = self.stage
        old = stage.terms
        end = max(m.disk.stable.subject.height for m in stage.machines if m.disk.stable)
        n = args.number("n", stage.n)
        stage.terms = make_terms(n, old.window, old.domain.epoch + 1, end)
        stage.watch.terms = stage.terms
        stage.n = n
        lines = [f"epoch {stage.terms.domain.epoch} n={n} above h{end}"]
        for machine in stage.machines:
            if machine.replica is not None and len(machine.disk.blocks) >= end:
                machine.terms = stage.terms
                machine.keyring = make_keyring(machine.index, stage.terms)
                machine.disk.records.clear()
                machine.disk.stable = machine.disk.unsynced = None
                machine.start()
        for slot in range(len(stage.machines), n):
            keyring = make_keyring(slot, stage.terms)
            machine = Machine(stage, slot, slot, keyring, stage.terms, stage.config)
            machine.auto = False
            machine.disk.blocks = list(stage.machines[0].disk.blocks[:end])
            stage.add(machine)
            machine.start()
        stage.watch.statements.clear()
        stage.watch.left.clear()
        stage.drop_status()
        return lines

    # -- clients -----------------------------------------------------------------------------

    def do_propose(self, args: Args) -> list[str]:
        """propose 0 a b: validator 0 proposes a batch with requests a and b."""
        machine = self._machines(args)[0]
        if not machine.propose(tuple(word.encode() for word in args.words[1:])):
            return [f"{machine.slot}: not its turn"]
        return []

    def do_submit(self, args: Args) -> None:
        """submit a to=0,1: a request reaches the mempools."""
        stage = self.stage
        for slot in args.numbers("to", tuple(range(len(stage.machines)))):
            stage.machines[slot].submit(args.words[0].encode())

    def do_block(self, args: Args) -> list[str]:
        """block 0 a: propose and deliver everything until nothing is in flight."""
        lines = self.do_propose(args)
        return lines + self.do_stabilize(Args("stabilize", (), args.options))

    def do_blocks(self, args: Args) -> list[str]:
        """blocks 0 count=20: that many blocks with one request each; only the end is shown."""
        before = len(self._machines(args)[0].disk.blocks)
        options = {k: v for k, v in args.options.items() if k in ("only", "not")}
        for number in range(args.number("count", 1)):
            word = f"{args.get('name', 'x')}{before + number + 1}"
            self.do_block(Args("block", (args.words[0], word), options))
        self.stage.take_lines()
        return [f"{args.words[0]} executed {len(self._machines(args)[0].disk.blocks)}"]

    # -- faults ------------------------------------------------------------------------------

    def do_crash(self, args: Args) -> None:
        """crash 1 [at=write | at=full]: power fails now, within the next write, or no space."""
        for machine in self._machines(args):
            when = args.get("at", "now")
            if when == "now":
                machine.stop("crashed")
            else:
                why = "power fails within the write" if when == "write" else "no space on disk"
                machine.before = Power(machine, why)  # type: ignore[method-assign]

    def do_restart(self, args: Args) -> list[str]:
        """restart 1: from its disk."""
        lines = []
        for machine in self._machines(args):
            try:
                machine.start()
            except RecordsDamaged as error:
                lines.append(f"{machine.slot} REFUSES to start: {error}")
        return lines

    def do_turn(self, args: Args) -> None:
        """turn 1: it was honest so far; from now on its messages are forged."""
        for machine in self._machines(args):
            machine.stop("byzantine")
            self.stage.watch.faulty |= {machine.index}

    def do_wipe(self, args: Args) -> None:
        """wipe 1: it crashes, its disk is lost, and it knows."""
        for machine in self._machines(args):
            machine.stop("crashed")
            machine.wipe()

    def do_damage(self, args: Args) -> list[str]:
        """damage 1 vote/: cut the first such record short."""
        disk = self._machines(args)[0].disk
        key = next(k for k in sorted(disk.records) if k.startswith(args.words[1].encode()))
        disk.records[key] = disk.records[key][:-1]
        return [f"cut short: {record_words(key, b'')}"]

    def do_records(self, args: Args) -> list[str]:
        """records 1: what is durable."""
        disk = self._machines(args)[0].disk
        return [", ".join(record_words(key, b"") for key in sorted(disk.records)) or "none"]

    def do_hold(self, args: Args) -> None:
        """hold 1 execute|check: the driver's answers wait."""
        self._machines(args)[0].hold = set(args.words[1:])

    def do_release(self, args: Args) -> None:
        """release 1: the answers come."""
        machine = self._machines(args)[0]
        machine.hold = set()
        machine.release()

    def do_sync(self, args: Args) -> list[str]:
        """sync 3: block sync brings what SyncTo asked for."""
        machine = self._machines(args)[0]
        if machine.sync is None:
            return [f"{machine.slot} asked for no block sync"]
        machine.catch_up()
        return [f"{machine.slot} has blocks to h{len(machine.disk.blocks)}"]

    def do_install(self, args: Args) -> None:
        """install 3 2: block sync says late, and unasked, that height 2 is installed."""
        machine, height = self._machines(args)[0], int(args.words[1])
        certificate = Forge(self.stage).certificate(VoteKind.CHECKPOINT, 0, height)
        hashed = machine.disk.blocks[height - 1].header_hash
        machine.give(StateInstalled(Height(height), hashed, certificate))

    def do_peer_down(self, args: Args) -> None:
        """peer-down 0,1 2: they see the connection to 2 close."""
        for machine in self._machines(args):
            machine.give(PeerDown(self._machines(args, 1)[0].index))

    def do_peer_up(self, args: Args) -> None:
        """peer-up 0,1 2: a connection to 2 is there."""
        for machine in self._machines(args):
            machine.give(PeerUp(self._machines(args, 1)[0].index))

    # -- time --------------------------------------------------------------------------------

    def do_timer(self, args: Args) -> list[str]:
        """timer 1,2 progress: time goes on to when it is due, and it fires."""
        stage = self.stage
        name = TimerName(args.words[1])
        lines = []
        for machine in self._machines(args):
            due = machine.timers.pop(name, None)
            if due is None:
                lines.append(f"{machine.slot} has no {name} timer")
                continue
            stage.now = max(stage.now, due)
            machine.give(TimerFired(name))
        return lines

    def do_timers(self, args: Args) -> list[str]:
        """timers 1: what it waits for, in ms from now."""
        stage = self.stage
        routine = (TimerName.STATUS, TimerName.RESEND)
        lines = []
        for m in self._machines(args):
            waits = {name: at for name, at in sorted(m.timers.items()) if name not in routine}
            words = " ".join(f"{name}+{at - stage.now}" for name, at in waits.items()) or "none"
            lines.append(f"{m.slot:<10}  {words}")
        return lines

    def do_clock(self, args: Args) -> list[str]:
        """clock 500: time goes on, no timer fires."""
        self.stage.now += int(args.words[0])
        return [f"at {self.stage.clock_ms} ms"]

    def do_tick(self, args: Args) -> list[str]:
        """tick: everybody's STATUS timer fires, and all of it is delivered."""
        for _ in range(args.number("times", 1)):
            self.do_timer(parse_command(f"timer {args.words[0] if args.words else 'all'} status"))
            self.do_stabilize(parse_command("stabilize"))
        return []

    def do_run(self, args: Args) -> list[str]:
        """run 5000: the net runs by itself for so many ms; only outcomes are shown."""
        self.stage.run_by_clock(int(args.words[0]))
        return [f"at {self.stage.clock_ms} ms"]

    # -- looking -----------------------------------------------------------------------------

    def do_status(self, args: Args) -> list[str]:
        """status [0,1]: where replicas are."""
        return [show_status(machine) for machine in self._machines(args)]

    def do_slots(self, args: Args) -> list[str]:
        """slots 1: the heights above the executed one."""
        return [line for m in self._machines(args) for line in show_slots(m, self.stage.names)] or [
            "empty"
        ]

    def do_changes(self, args: Args) -> list[str]:
        """changes 1: the VIEW-CHANGEs it keeps."""
        lines = []
        for machine in self._machines(args):
            shot = machine.replica.snapshot() if machine.replica is not None else None
            kept = () if shot is None else shot.view_changes
            words = " ".join(f"{who}:v{view}" for who, view in kept) or "none"
            lines.append(f"{machine.slot:<10}  {words}")
        return lines

    def do_expect(self, args: Args) -> list[str]:
        """expect ...: must hold, also when rewriting."""
        check_expectation(self.stage, args)
        return ["holds"]
