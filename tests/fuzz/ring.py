"""A ring of real replicas for the fuzzer: honest ones at work, insiders whose hands are free.

Rules: nothing happens by itself; each step is asked for (deliver, drop, fire a timer, restart), so
bytes can steer it. Effects are carried out at once and in order, which is one allowed schedule.
Signatures are a cheap scheme through the `Check` seam. After every step the promises are checked:
no halt, one block a height, evidence only against insiders and true, bounded memory.
"""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.errors import SignatureInvalid
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address, Digest, Height, TimestampMs, ValidatorIndex
from bulwark.ledger.signing import SigningDomain
from bulwark.ledger.votes import Certificate, VoteSubject
from consensus.authentication import authenticate
from consensus.config import Config
from consensus.effects import (
    Broadcast,
    CancelTimer,
    CheckBatch,
    Effect,
    Execute,
    Halt,
    NeedProposal,
    Persist,
    Report,
    Send,
    SetTimer,
    Stable,
    SyncTo,
)
from consensus.errors import AuthenticationFailed
from consensus.events import (
    BatchChecked,
    Event,
    Executed,
    ProposalReady,
    Received,
    Start,
    StateInstalled,
    SyncFailed,
    TimerFired,
    TxPending,
)
from consensus.messages import Message, encode_message
from consensus.recovery import Recovery
from consensus.replica import Replica
from consensus.types import TimerName
from tests.fuzz.target import Finding
from tests.simulation.alliance import make_alliance

START_MS = 1_700_000_000_000
MAX_EFFECTS = 4_096
"""Effects of one step: more is amplification."""
MAX_QUEUE = 512
"""Messages under way between two; older ones are lost, as on a bounded lane."""


def cheap_check(signer: Address, digest: Digest, signature: bytes, what: str) -> None:
    """The ring's signature scheme: a hash of who and what."""
    if signature != cheap_signature(signer, digest):
        raise SignatureInvalid(what, "not by this signer")


def cheap_signature(signer: Address, digest: Digest) -> bytes:
    """65 bytes."""
    return sha256(signer + digest) + bytes(33)


class CheapKeyring:
    """A Keyring of the cheap scheme."""

    def __init__(self, address: Address, domain: SigningDomain) -> None:
        self._address, self._domain = address, domain

    @property
    def address(self) -> Address:
        return self._address

    def sign(self, tag: bytes, body: bytes) -> bytes:
        return cheap_signature(self._address, self._domain.digest(tag, body))

    def sign_vote(self, subject: VoteSubject) -> bytes:
        return cheap_signature(self._address, subject.signing_digest(self._domain))


class Member:
    """One honest validator with its disk, mempool and executor."""

    def __init__(self, ring: Ring, index: int) -> None:
        self.ring, self.index = ring, ValidatorIndex(index)
        self.records: dict[bytes, bytes] = {}
        self.blocks: list[tuple[Digest, Batch, Certificate | None]] = []
        self.stable: Certificate | None = None
        self.mempool: dict[bytes, int] = {}
        self.done: set[bytes] = set()
        self.start()

    def start(self) -> None:
        """From what is on disk."""
        ring = self.ring
        recovery = Recovery.from_records(
            self.records.items(),
            applied_height=Height(len(self.blocks)),
            applied_hash=self.tip,
            stable=self.stable,
        )
        self.timers: dict[TimerName, int] = {}
        self.need: NeedProposal | None = None
        self.replica = Replica(ring.config, ring.terms, ring.keyrings[self.index], recovery)
        self.give(Start())
        self.pending()

    @property
    def tip(self) -> Digest:
        """Hash of the last header."""
        return self.blocks[-1][0] if self.blocks else self.ring.alliance.genesis_hash

    def give(self, event: Event) -> None:
        """One step and whatever follows from it on this node."""
        events = deque([event])
        while events:
            effects = self.replica.step(events.popleft(), self.ring.now)
            if len(effects) > MAX_EFFECTS:
                raise Finding(f"{len(effects)} effects of one step")
            for effect in effects:
                answer = self._perform(effect)
                if answer is not None:
                    events.append(answer)
            if not events and (proposal := self._proposal()) is not None:
                events.append(proposal)

    def submit(self, transaction: bytes) -> None:
        """A client's request."""
        if transaction not in self.done:
            self.mempool.setdefault(transaction, self.ring.now)
            self.pending()

    def pending(self) -> None:
        """Tell the core about the mempool."""
        self.give(TxPending(min(self.mempool.values(), default=None), len(self.mempool)))

    def _proposal(self) -> Event | None:
        need = self.need
        if need is None:
            return None
        flying = {tx for batch in need.in_flight for tx in batch.transactions}
        chosen = tuple(tx for tx in self.mempool if tx not in flying)[:4]
        if not chosen and not need.allow_empty:
            return None
        self.need = None
        return ProposalReady(need.view, need.height, Batch(TimestampMs(self.ring.now), chosen))

    def _perform(self, effect: Effect) -> Event | None:
        match effect:
            case Persist(records=records):
                for key, value in records:
                    if value is None:
                        self.records.pop(key, None)
                    else:
                        self.records[key] = value
            case Send(to=to, message=message):
                self.ring.send(self.index, to, message)
            case Broadcast(message=message):
                for other in range(self.ring.n):
                    if other != self.index:
                        self.ring.send(self.index, other, message)
            case SetTimer(name=name, at_ms=at_ms):
                self.timers[name] = at_ms
            case CancelTimer(name=name):
                self.timers.pop(name, None)
            case NeedProposal():
                self.need = effect
            case CheckBatch(digest=digest, batch=batch):
                ok = all(tx.startswith(b"tx") for tx in batch.transactions)
                return BatchChecked(digest, ok, "toy")
            case Execute(height=height, batch=batch, commit_certificate=certificate):
                return self._execute(height, batch, certificate)
            case Stable(certificate=certificate):
                self.stable = certificate
            case SyncTo(certificate=certificate):
                return self._sync(certificate)
            case Report(evidence=evidence):
                if evidence.culprit < self.ring.honest:
                    raise Finding(f"an honest validator is accused: {type(evidence).__name__}")
                if not evidence.holds(self.ring.terms):
                    raise Finding(f"evidence that does not hold: {type(evidence).__name__}")
            case Halt(reason=reason):
                raise Finding(f"halted: {reason}")
        return None

    def _execute(self, height: Height, batch: Batch, certificate: Certificate) -> Event | None:
        if height != len(self.blocks) + 1:
            return None
        hashed = sha256(self.tip + height.to_bytes(8, "big") + batch.digest)
        self._append(hashed, batch, certificate)
        return Executed(height, hashed)

    def _append(self, hashed: Digest, batch: Batch, certificate: Certificate | None) -> None:
        self.ring.agreed(len(self.blocks) + 1, hashed)
        self.blocks.append((hashed, batch, certificate))
        for transaction in batch.transactions:
            self.done.add(transaction)
            self.mempool.pop(transaction, None)

    def _sync(self, certificate: Certificate) -> Event:
        height = certificate.subject.height
        for other in self.ring.members:
            if other is self or len(other.blocks) < height:
                continue
            for block in other.blocks[len(self.blocks) : height]:
                self._append(*block)
            if len(self.blocks) == height:
                self.stable = certificate
                return StateInstalled(height, self.tip, certificate)
        return SyncFailed()

    def check(self) -> None:
        """Bounds of memory, as the snapshot shows them."""
        snapshot = self.replica.snapshot()
        window = self.ring.config.window
        if len(snapshot.slots) > 2 * window:
            raise Finding(f"{len(snapshot.slots)} slots with a window of {window}")
        # Each insider has its bound; honest senders are far below theirs here.
        if snapshot.buffered > (self.ring.n - self.ring.honest) * 6 * window + 6 * window // 4:
            raise Finding(f"{snapshot.buffered} messages buffered")
        if snapshot.live_records > 24 * window:
            raise Finding(f"{snapshot.live_records} live records")
        if len(snapshot.view_changes) > self.ring.n or len(snapshot.peers) > self.ring.n:
            raise Finding("more VIEW-CHANGEs or peers than validators")


class Ring:
    """n validators of which the last f are the fuzzer's."""

    def __init__(self, n: int = 4, config: Config | None = None) -> None:
        self.n = n
        self.config = config or Config()
        self.alliance = make_alliance(n)
        self.terms = replace(self.alliance.terms, window=self.config.window, check=cheap_check)
        self.honest = n - self.terms.validators.faulty
        addresses = [self.terms.validators.address_of(ValidatorIndex(i)) for i in range(n)]
        self.keyrings = [CheapKeyring(a, self.terms.domain) for a in addresses]
        self.now = START_MS
        self.chain: list[Digest] = []
        self.queues: dict[tuple[int, int], deque[bytes]] = {}
        self.heard: deque[Message] = deque(maxlen=48)
        """What insiders were sent, for imitation."""
        self.members: list[Member] = []
        for index in range(self.honest):
            self.members.append(Member(self, index))

    def send(self, sender: int, to: int, message: Message) -> None:
        """Put a message on its way."""
        if to >= self.honest:
            self.heard.append(message)
            return
        queue = self.queues.setdefault((sender, to), deque(maxlen=MAX_QUEUE))
        queue.append(encode_message(message))

    def agreed(self, height: int, hashed: Digest) -> None:
        """One block a height."""
        if height <= len(self.chain):
            if self.chain[height - 1] != hashed:
                raise Finding(f"two blocks of height {height}")
        else:
            self.chain.append(hashed)

    def arrive(self, sender: int, to: int, data: bytes) -> None:
        """Bytes reach a member: authenticated, then stepped."""
        message = authenticate(data, self.terms)
        self.members[to].give(Received(ValidatorIndex(sender), message))

    def deliver(self, pair: tuple[int, int], most: int) -> None:
        """The next messages from one to another."""
        queue = self.queues.get(pair)
        for _ in range(most):
            if not queue:
                return
            try:
                self.arrive(*pair, queue.popleft())
            except AuthenticationFailed as error:
                raise Finding(f"an honest message is refused: {error}") from error

    def deliver_all(self, rounds: int = 4) -> None:
        """Everything under way, and what it causes, for some rounds."""
        for _ in range(rounds):
            for pair in sorted(self.queues):
                self.deliver(pair, MAX_QUEUE)

    def fire(self, member: Member) -> None:
        """The member's next timer, when its time has come."""
        due = [(at, name) for name, at in member.timers.items() if at <= self.now]
        if due:
            _, name = min(due)
            del member.timers[name]
            member.give(TimerFired(name))

    def advance(self, ms: int) -> None:
        """Time passes; every member's due timers fire, each at most four times."""
        self.now += ms
        for _ in range(4):
            for member in self.members:
                self.fire(member)

    def insider(self, sender: int, to: int, message: Message) -> str:
        """An insider says something to one member; a word for what became of it."""
        try:
            self.arrive(sender, to, encode_message(message))
        except AuthenticationFailed as error:
            return type(error.__cause__ or error).__name__
        return "taken"

    def check(self) -> None:
        """Look at every member's bounds."""
        for member in self.members:
            member.check()

    def settle(self) -> bool:
        """A quiet network: whether a new request is executed everywhere in simulated minutes."""
        mark = b"tx of the end"
        for _ in range(400):
            for member in self.members:
                if mark not in member.mempool and mark not in member.done:
                    member.submit(mark)
            self.deliver_all(2)
            self.advance(250)
            if all(mark in member.done for member in self.members):
                return True
        return False
