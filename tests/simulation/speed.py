"""How fast simulated alliances run: `python -m tests.simulation speed [--real]`.

Without `--real`: a calm world with one request a second, so blocks of one second, all checkers on;
printed is simulated time against CPU time for n in 4, 5, 6, 7, 10. With `--real`: CPU of one block
in the pure core with real signatures, every message encoded once, decoded and authenticated by
every receiver; disk, execution and network cost nothing.
"""

from __future__ import annotations

import sys
import time
from collections import deque

from bulwark.ledger.batch import Batch
from bulwark.ledger.ids import Height, TimestampMs, ValidatorIndex
from consensus.authentication import authenticate
from consensus.config import Config
from consensus.effects import Broadcast, CheckBatch, Effect, Execute, NeedProposal, Send
from consensus.events import BatchChecked, Event, Executed, ProposalReady, Received, Start
from consensus.messages import encode_message
from consensus.recovery import Recovery
from consensus.replica import Replica
from tests.simulation.alliance import make_alliance
from tests.simulation.ledger import header_hash
from tests.simulation.options import Options
from tests.simulation.world import World

NOW_MS = 1_700_000_000_000
TRANSACTION_BYTES = 2_000


def measure(n: int, blocks: int, transaction_bytes: int) -> float:
    """Seconds per block and node."""
    alliance = make_alliance(n)
    genesis = alliance.genesis_hash
    replicas = [
        Replica(Config(), alliance.terms, keys, Recovery(Height(0), genesis))
        for keys in alliance.keyrings
    ]
    queue: deque[tuple[int, Event | tuple[int, bytes]]] = deque((i, Start()) for i in range(n))
    heads = [genesis] * n
    done = 0
    began = time.perf_counter()
    while queue and done < blocks * n:
        index, item = queue.popleft()
        if isinstance(item, tuple):
            passed = authenticate(item[1], alliance.terms)
            item = Received(ValidatorIndex(item[0]), passed)
        for effect in replicas[index].step(item, NOW_MS):
            match effect:
                case Execute(height=height, batch=batch):
                    heads[index] = header_hash(heads[index], height, batch)
                    queue.append((index, Executed(height, heads[index])))
                    done += 1
                case _:
                    queue.extend(_answer(n, index, effect, transaction_bytes))
    return (time.perf_counter() - began) / (done or 1)


def _answer(
    n: int, index: int, effect: Effect, size: int
) -> list[tuple[int, Event | tuple[int, bytes]]]:
    match effect:
        case Broadcast(message=message):
            data = encode_message(message)
            return [(i, (index, data)) for i in range(n) if i != index]
        case Send(to=to, message=message):
            return [(to, (index, encode_message(message)))]
        case CheckBatch(digest=digest):
            return [(index, BatchChecked(digest, True))]
        case NeedProposal(view=view, height=height):
            body = height.to_bytes(8, "big") + bytes(size)
            return [(index, ProposalReady(view, height, Batch(TimestampMs(NOW_MS), (body,))))]
        case _:
            return []


def simulated(n: int, blocks: int) -> tuple[float, float]:
    """Simulated seconds and CPU seconds of a calm world with blocks of one second."""
    world = World(Options(n=n, blocks=blocks, seed=1, request_every_ms=1_000))
    began = time.process_time()
    world.run()
    return (world.now - world.began) / 1000, time.process_time() - began


def main(real: bool, blocks: int) -> int:
    """Print the numbers."""
    for n in (4, 5, 6, 7, 10):
        if real:
            seconds = measure(n, blocks, TRANSACTION_BYTES)
            sys.stdout.write(f"n={n}: {seconds * 1000:.2f} ms of CPU per block and node\n")
        else:
            lived, cpu = simulated(n, blocks)
            sys.stdout.write(
                f"n={n}: {lived / cpu:.0f} x real time, "
                f"{cpu / blocks * 1000:.2f} ms of CPU a block\n"
            )
    return 0
