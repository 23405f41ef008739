"""Facts: everything that the rules of diagnosis may look at, as plain frozen values.

Rules: durations and moments are milliseconds (moments since 1970 on this node's clock), sizes are
bytes; validators are named by their position, `Facts.name` gives the member. What is not known is
None, never a guess. Nothing here reads a clock, a socket or a disk.
"""

from __future__ import annotations

from msgspec import Struct

DAY_MS = 86_400_000
START_MS = 15_000
"""After a start, or once a quorum is there, so long is given to connect and to make a block: three
tries of a lost connection and some timeouts."""
UNKNOWN_HEIGHT = 1 << 62
"""As `consensus.amnesia.UNKNOWN`: silent, and the height is not known yet."""


class PeerStatus(Struct, frozen=True):
    """What a validator's last STATUS said, and when it came."""

    view: int
    changing: bool
    """It waits for NEW-VIEW of `view`."""
    executed: int
    stable: int
    silent: bool
    """It lost its records and does not vote yet."""
    at_ms: int


class ClockSample(Struct, frozen=True):
    """A peer's clock against this node's."""

    offset_ms: int
    """Peer minus this node."""
    error_ms: int
    """Half of the round trip: the offset is known no better."""
    at_ms: int


class Refusal(Struct, frozen=True):
    """Why the last try of a connection with a member ended."""

    reason: str
    """Stable word of `node.network.errors.Reason`."""
    detail: str
    at_ms: int


class MemberFacts(Struct, frozen=True):
    """One other member as this node sees it."""

    id: str
    validator: int | None
    """Position among the validators; None for an observer."""
    connected: bool
    changed_ms: int | None = None
    """Since when it is connected, or not."""
    refusal: Refusal | None = None
    status: PeerStatus | None = None
    clock: ClockSample | None = None
    version: str = ""
    """Of its software, empty if it did not say."""
    level: int | None = None
    """Highest protocol level that its build knows; None while it is not connected."""


class SlotFacts(Struct, frozen=True):
    """One height that is not final here."""

    height: int
    phase: str
    """empty, proposed, refused, prepared, committed or executed."""
    prepares: tuple[int, ...] = ()
    commits: tuple[int, ...] = ()
    checkpoints: tuple[int, ...] = ()
    dissent: tuple[int, ...] = ()
    """Validators whose CHECKPOINT names another block than this node executed."""
    has_body: bool = True
    refusal: str = ""
    timely: bool = True


class ConsensusFacts(Struct, frozen=True):
    """A validator's own replica."""

    me: int
    view: int
    changing: bool
    """It left view `view` - 1 or lower and waits for NEW-VIEW of `view`."""
    leader: int
    """Of `view`."""
    proposer: int
    """Of `next_height`."""
    next_height: int
    pending: int
    """Transactions that could be proposed."""
    timeout_ms: int
    attempt: int
    """Views in a row without a block."""
    executing: int | None = None
    syncing: bool = False
    silent_until: int | None = None
    view_changes: tuple[tuple[int, int], ...] = ()
    """Kept VIEW-CHANGEs: who asks for which view."""
    slots: tuple[SlotFacts, ...] = ()


class PoolFacts(Struct, frozen=True):
    """Waiting transactions."""

    count: int = 0
    bytes: int = 0
    most: int = 1
    """Transactions that fit."""
    behind_gap: int = 0
    """Those that wait for another transaction of their sender with a lower nonce."""
    oldest_ms: int | None = None
    """Since when the oldest one that could be proposed waits."""


class SyncFacts(Struct, frozen=True):
    """Block sync under way."""

    target: int
    applied: int
    phase: str = "blocks"
    peer: str = ""
    since_ms: int | None = None
    blocks_per_minute: int | None = None
    moved_ms: int | None = None
    """When it last got further."""
    state_values: int = 0
    """Trie nodes and codes fetched."""
    per_second: int = 0
    """Blocks, or state values, of the phase."""


class SyncLiar(Struct, frozen=True):
    """A member that this node dropped for a wrong answer in block sync."""

    member: str
    reason: str
    at_ms: int


class DiskFacts(Struct, frozen=True):
    """The file system of the database."""

    free: int
    total: int
    path: str = ""


class CertificateFacts(Struct, frozen=True):
    """A TLS certificate of this node or its authority."""

    name: str
    not_after_ms: int
    pin_known: bool = True
    """Whether its key is the pinned one of this node's member entry."""


class EvidenceFacts(Struct, frozen=True):
    """Proof against one member that this node holds."""

    culprit: str
    kinds: tuple[str, ...]
    count: int


class ProposedLevel(Struct, frozen=True):
    """An open proposal to raise the protocol level."""

    proposal: int
    level: int
    lapses_ms: int


class LevelFacts(Struct, frozen=True):
    """Protocol levels: in force, known to this build, voted and proposed."""

    in_force: int = 0
    known: int = 0
    voted: int = 0
    """What the next epoch is under; as `in_force` where nothing was decided."""
    proposed: tuple[ProposedLevel, ...] = ()


class PruningFacts(Struct, frozen=True):
    """Pruning of this node: what is gone, and the run under way."""

    bodies_below: int = 0
    """Transactions and receipts of blocks below may be gone."""
    states_below: int = 0
    phase: str = ""
    """sweeping or compacting; empty while no run is under way."""
    since_ms: int | None = None
    waits: bool = False
    """A run was stopped and goes on later."""
    runs: int = 0
    freed_bytes: int = 0


class RestoreFacts(Struct, frozen=True):
    """A node that came back from a backup and is not in step yet."""

    height: int
    """Last block of the backup."""
    doing: str
    since_ms: int
    moved_ms: int
    """When what it does last changed."""


class Settings(Struct, frozen=True):
    """The alliance's own times."""

    heartbeat_ms: int = 30_000
    base_timeout_ms: int = 1_000
    clock_precision_ms: int = 500
    status_interval_ms: int = 500


class Facts(Struct, frozen=True):
    """A node at one moment."""

    now_ms: int
    own: str
    validators: tuple[str, ...]
    """Members that vote in this epoch, by position."""
    quorum: int
    executed: int
    finalized: int
    tip_ms: int
    """Time of the last block."""
    running: bool = True
    """False when only its home is there to look at."""
    halted: str = ""
    """Why it halted or ended, empty while it runs."""
    started_ms: int = 0
    role_wanted: str = "validator"
    """validator or observer, as the member's roles say."""
    epoch: int = 0
    epoch_end: int | None = None
    """Last height of the epoch, once known."""
    members: tuple[MemberFacts, ...] = ()
    """All other members."""
    consensus: ConsensusFacts | None = None
    """None on an observer."""
    pool: PoolFacts = PoolFacts()
    sync: SyncFacts | None = None
    liars: tuple[SyncLiar, ...] = ()
    """Since the start, also after the sync."""
    disk: DiskFacts | None = None
    certificates: tuple[CertificateFacts, ...] = ()
    evidence: tuple[EvidenceFacts, ...] = ()
    version: str = ""
    clock_moved_ms: int = 0
    """Wall clock against the steady one since the start."""
    clock_held_ms: int = 0
    """By how much the node's clock is ahead of a wall clock that was set back."""
    settings: Settings = Settings()
    level: LevelFacts = LevelFacts()
    pruning: PruningFacts | None = None
    """None for an archive."""
    restore: RestoreFacts | None = None

    def name(self, index: int) -> str:
        """Member at a position among the validators."""
        if 0 <= index < len(self.validators):
            return self.validators[index]
        return f"validator {index}"

    def member(self, name: str) -> MemberFacts | None:
        """Another member."""
        return next((member for member in self.members if member.id == name), None)

    @property
    def peers(self) -> tuple[MemberFacts, ...]:
        """The other validators."""
        return tuple(member for member in self.members if member.validator is not None)

    @property
    def votes_itself(self) -> bool:
        """Whether this node's own votes count."""
        own = self.consensus
        return own is not None and self.running and not self.halted and own.silent_until is None

    def status_age_ms(self, member: MemberFacts) -> int | None:
        """Age of a member's last STATUS."""
        return None if member.status is None else max(0, self.now_ms - member.status.at_ms)

    @property
    def status_patience_ms(self) -> int:
        """A connected validator without STATUS for so long does not take part."""
        return max(2_000, 4 * self.settings.status_interval_ms)

    def hears(self, member: MemberFacts) -> bool:
        """Whether a validator takes part: connected, and on a validator heard lately."""
        if not member.connected:
            return False
        if self.consensus is None:
            return True
        age_ms = self.status_age_ms(member)
        return age_ms is not None and age_ms <= self.status_patience_ms

    @property
    def voters(self) -> tuple[str, ...]:
        """Validators that vote as far as this node sees, in order of position."""
        heard = {
            member.id
            for member in self.peers
            if self.hears(member) and not (member.status is not None and member.status.silent)
        }
        if self.votes_itself:
            heard.add(self.own)
        return tuple(name for name in self.validators if name in heard)

    @property
    def absent(self) -> tuple[str, ...]:
        """The other validators."""
        present = set(self.voters)
        return tuple(name for name in self.validators if name not in present)

    @property
    def settling(self) -> bool:
        """Whether the node has just begun, or reached a quorum just now: others still connect."""
        if self.now_ms - self.started_ms < START_MS:
            return True
        needed = self.quorum - self.votes_itself
        since = sorted(m.changed_ms or self.started_ms for m in self.peers if self.hears(m))
        return 0 < needed <= len(since) and self.now_ms - since[needed - 1] < START_MS

    @property
    def certified(self) -> int:
        """Highest height that anybody says is stable."""
        claims = [member.status.stable for member in self.peers if member.status is not None]
        return max([self.finalized, *claims])

    @property
    def idle_ms(self) -> int:
        """Time since the last block."""
        return max(0, self.now_ms - max(self.tip_ms, self.started_ms))

    @property
    def waiting_ms(self) -> int | None:
        """How long work waits without a block; None when there is no work."""
        own = self.consensus
        moments = [] if self.pool.oldest_ms is None else [self.pool.oldest_ms]
        in_flight = own is not None and any(
            slot.height > self.executed and slot.phase != "empty" for slot in own.slots
        )
        if in_flight or (own is not None and (own.changing or own.executing is not None)):
            moments.append(max(self.tip_ms, self.started_ms))
        if not moments:
            return None
        return max(0, self.now_ms - max(min(moments), self.tip_ms, self.started_ms))
