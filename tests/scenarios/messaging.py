"""The commands about messages: delivered, lost, replayed, forged."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.ids import Height, View
from bulwark.ledger.votes import VoteKind
from consensus.authentication import authenticate
from consensus.errors import AuthenticationFailed
from consensus.messages import Vote
from tests.scenarios.forge import Forge
from tests.scenarios.script import Args, ScenarioError, parse_command
from tests.scenarios.stage import Mail, Stage
from tests.scenarios.words import kind_of, numbers

MAX_ROUNDS = 400


class MessageCommands:
    """What happens to messages on a stage."""

    def __init__(self) -> None:
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """The net; `net` must have come first."""
        if self._stage is None:
            raise ScenarioError("the first command is `net`")
        return self._stage

    # -- messages ----------------------------------------------------------------------------

    def _matches(self, mail: Mail, args: Args) -> bool:
        message = mail.message
        subject = message.subject if isinstance(message, Vote) else message
        kinds = args.get("kind").split(",") if "kind" in args.options else None
        held = args.get("not").split(",")
        if f"{kind_of(message)}>{mail.target}" in held or kind_of(message) in held:
            return False
        tests = {"view": "view", "height": "height", "signer": "signer"}
        for option, field in tests.items():
            source = message if option == "signer" else subject
            if option in args.options and getattr(source, field, None) != args.number(option, 0):
                return False
        return (
            (kinds is None or kind_of(message) in kinds)
            and mail.source in args.numbers("from", (mail.source,))
            and mail.target in args.numbers("to", (mail.target,))
        )

    def _take(self, args: Args) -> list[Mail]:
        """Matching mail out of flight, oldest first."""
        stage = self.stage
        taken = [mail for mail in stage.mail if self._matches(mail, args)]
        gone = {id(mail) for mail in taken}
        kept = [mail for mail in stage.mail if id(mail) not in gone]
        stage.mail.clear()
        stage.mail.extend(kept)
        return taken

    def do_deliver(self, args: Args) -> list[str]:
        """deliver from= to= kind= view= height= signer=: what matches arrives, oldest first."""
        taken = self._take(args)
        for mail in taken:
            self.stage.hand_over(mail)
        return [] if taken else ["nothing matches"]

    def do_drop(self, args: Args) -> list[str]:
        """drop ...: what matches is lost."""
        taken = self._take(args)
        kinds = sorted({kind_of(mail.message) for mail in taken})
        return [f"lost {len(taken)}: {' '.join(kinds)}" if taken else "nothing matches"]

    def do_flight(self, args: Args) -> list[str]:
        """flight ...: what is on its way, grouped."""
        stage = self.stage
        groups: dict[tuple[int, str], list[int]] = {}
        for mail in stage.mail:
            if self._matches(mail, args):
                key = (mail.source, stage.names.message(mail.message))
                groups.setdefault(key, []).append(mail.target)
        lines = [f"{f'{s} > {numbers(to)}':10}  {text}" for (s, text), to in groups.items()]
        return lines or ["nothing in flight"]

    def do_stabilize(self, args: Args) -> list[str]:
        """stabilize only=0,1,2 loud: deliver all until nothing moves; no timer fires."""
        stage = self.stage
        only = args.numbers("only", tuple(range(len(stage.machines))))
        stage.quiet = "loud" not in args.words
        for _ in range(MAX_ROUNDS):
            reach = ",".join(str(i) for i in only)
            taken = self._take(parse_command(f"take from={reach} to={reach} not={args.get('not')}"))
            if not taken:
                break
            for mail in taken:
                stage.hand_over(mail)
        else:
            raise ScenarioError("messages never end")
        stage.quiet = False
        return []

    def do_replay(self, args: Args) -> list[str]:
        """replay kind= from= signer= at=2: what was sent before is sent again, to `at`."""
        stage = self.stage
        chosen = {mail.data: mail for mail in stage.history if self._matches(mail, args)}
        for mail in chosen.values():
            source = args.number("by", mail.source)
            receivers = tuple(i for i in args.numbers("at", (mail.target,)) if i != source)
            stage.put(source, receivers, mail.message)
        return [f"sent again: {len(chosen)}"]

    def do_forge(self, args: Args) -> list[str]:
        """forge KIND by=3 to=0,1 ...: a Byzantine validator sends what it likes."""
        stage = self.stage
        message = Forge(stage).make(args)
        forger = args.number("key", args.number("by", 0))
        stage.watch.on_message(stage.machines[forger], message)
        everyone = tuple(i for i in range(stage.n) if i != forger)
        stage.put(forger, args.numbers("to", everyone), message)
        stage.note(forger, f"forge: {stage.names.message(message)}")
        return []

    def do_alter(self, args: Args) -> list[str]:
        """alter kind=prepare signer=0 as=commit to=1 by=3: another kind, the same signature."""
        stage = self.stage
        found = next(m for m in stage.history if self._matches(m, replace_options(args)))
        vote = found.message
        if not isinstance(vote, Vote):
            raise ScenarioError("only votes are altered")
        subject = vote.subject
        subject = replace(subject, kind=VoteKind[args.get("as", subject.kind.name).upper()])
        subject = replace(subject, height=Height(args.number("new-height", subject.height)))
        subject = replace(subject, view=View(args.number("new-view", subject.view)))
        stage.put(args.number("by", 0), args.numbers("to", ()), replace(vote, subject=subject))
        altered = stage.names.message(replace(vote, subject=subject))
        stage.note(args.number("by", 0), f"alter: {altered}")
        return []

    def do_raw(self, args: Args) -> list[str]:
        """raw 0b00ff: bytes as they come from a peer."""
        data = bytes.fromhex(args.words[0]) * args.number("times", 1)
        try:
            authenticate(data, self.stage.terms)
        except AuthenticationFailed as error:
            return [f"REFUSED {error}"]
        return ["authenticated"]

    def do_flood(self, args: Args) -> list[str]:
        """flood KIND by=3 to=1 count=100 view=5 height=1: as forge, for rising views."""
        rest = {k: v for k, v in args.options.items() if k not in ("count", "view")}
        for number in range(args.number("count", 1)):
            options = {**rest, "view": str(args.number("view", 0) + number)}
            self.do_forge(Args("forge", args.words, options))
        self.stage.take_lines()
        return [f"{args.get('count')} messages"]


def replace_options(args: Args) -> Args:
    """The selectors of `alter` without what it changes."""
    skip = {"as", "to", "by", "new-height", "new-view"}
    return Args(args.verb, args.words, {k: v for k, v in args.options.items() if k not in skip})
