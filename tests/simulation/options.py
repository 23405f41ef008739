"""What a world is like: which faults happen how often. Every seed draws its own mix (swarm).

`Options()` is a calm world; `Options.from_seed` draws everything, so that a seed, n and a number of
blocks are the whole description of a run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bulwark.ledger.validators import max_faulty
from consensus.config import Config
from tests.simulation.network import CALM, PartitionMode, Weather

SKEW_MS = 200
"""Most by which a clock is off at the start; with drift it stays below the precision's half."""


@dataclass(frozen=True)
class Options:
    """One world. Durations are simulated milliseconds; an `every` of 0 means never."""

    n: int = 4
    blocks: int = 40
    seed: int = 0
    weather: Weather = CALM
    gst_ms: int = 0
    """Longest length of the bad phase; it ends early at three quarters of the blocks."""
    crash_every_ms: int = 0
    crash_at_effect: bool = False
    """Crashes strike between two effects of one step instead of between two steps."""
    partition_every_ms: int = 0
    partition_mode: PartitionMode = PartitionMode.UNIFORM_SIZE
    one_way: bool = False
    swizzle_every_ms: int = 0
    clog_every_ms: int = 0
    disk_full_every_ms: int = 0
    """A write fails: the node halts as the driver would, and is restarted later."""
    rot_every_ms: int = 0
    """A record's bit flips while a node is down: it is treated as wiped."""
    freeze_ms: int = 0
    """f + 1 nodes stop for so long, once."""
    byzantine: int = 0
    kinds: tuple[str, ...] = ()
    """Adversary kinds to draw from; empty means all."""
    wipe: bool = False
    """One node loses its disk in the bad phase; it counts as one of the f faulty ones."""
    down_at_end: int = 0
    """Nodes that stay down in the liveness phase; they count as faulty too."""
    epoch_changes: int = 0
    """Governance transactions that change the validator set."""
    request_every_ms: int = 100
    burst: int = 1
    """Requests that come at once."""
    duplicates: float = 0.0
    """Share of requests that clients send again."""
    lonely_client: bool = False
    """Some requests reach one node only, which must pass them on."""
    idle_every_ms: int = 0
    """Clients pause for a while this often."""
    fsync_ms: int = 1
    """Longest fsync."""
    settle_ms: int = 300_000
    """Time after the bad phase within which everything must be done, besides `pace_ms` a block."""
    codec: bool = False
    """Every message is encoded, decoded and authenticated, not only the Byzantine ones."""
    config: Config = field(default_factory=lambda: Config(heartbeat_ms=5_000))

    @property
    def pace_ms(self) -> int:
        """Longest time to a block in calm weather: idle, blocks come as heartbeats."""
        return 1_000 + self.config.heartbeat_ms

    @classmethod
    def from_seed(cls, seed: int, n: int, blocks: int) -> Options:
        """A random world."""
        rng = random.Random(f"options {seed} {n} {blocks}")
        f = max_faulty(n)
        byzantine = rng.choice([0, 1, f]) if f else 0
        spare = f - byzantine
        wipe = spare > 0 and rng.random() < 0.3
        spare -= wipe
        rot = spare > 0 and rng.random() < 0.15
        spare -= rot
        down = rng.randint(0, spare) if rng.random() < 0.3 else 0
        request_every_ms = rng.choice([50, 200, 500, 1_000])
        return cls(
            n=n,
            blocks=blocks,
            seed=seed,
            weather=Weather(
                delay_ms=rng.choice([2, 10, 30, 100]),
                loss=rng.choice([0.0, 0.0, 0.02, 0.1, 0.3]),
                repeat=rng.choice([0.0, 0.1, 0.5]),
                slow=rng.choice([0.0, 0.05]),
            ),
            gst_ms=rng.choice([5_000, 20_000, 60_000]) + blocks * 200,
            crash_every_ms=rng.choice([0, 0, 1_000, 4_000, 15_000]),
            crash_at_effect=rng.random() < 0.5,
            partition_every_ms=rng.choice([0, 0, 3_000, 8_000, 20_000]),
            partition_mode=rng.choice(list(PartitionMode)[1:]),
            one_way=rng.random() < 0.3,
            swizzle_every_ms=rng.choice([0, 0, 0, 15_000]),
            clog_every_ms=rng.choice([0, 0, 1_000, 5_000]),
            disk_full_every_ms=rng.choice([0, 0, 0, 5_000]),
            rot_every_ms=5_000 if rot else 0,
            freeze_ms=rng.choice([5_000, 60_000, 1_800_000]) if rng.random() < 0.04 else 0,
            byzantine=byzantine,
            wipe=wipe,
            down_at_end=down,
            epoch_changes=rng.randint(1, 3) if rng.random() < 0.25 else 0,
            request_every_ms=request_every_ms,
            burst=rng.choice([1, 1, 1, 30]),
            duplicates=rng.choice([0.0, 0.3]),
            lonely_client=rng.random() < 0.3,
            idle_every_ms=rng.choice([0, 0, 20_000]),
            fsync_ms=rng.choice([0, 1, 5, 20]),
            codec=rng.random() < 1 / 16,
            config=Config(
                heartbeat_ms=rng.choice([1_000, 5_000]),
                rotation=rng.choice([1, 4, 16]),
                pipeline=rng.choice([1, 2, 4]),
                checkpoint_interval=rng.choice([1, 1, 1, 2]),
            ),
        )
