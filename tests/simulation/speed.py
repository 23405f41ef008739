"""CPU of one block in the pure core with real signatures: `python -m tests.simulation.speed --n 4`.

Every message is encoded once by its sender, decoded and authenticated by every receiver; disk,
execution and network cost nothing. Printed is the time per block and node.
"""

from __future__ import annotations

import argparse
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
from tests.simulation.node import header_hash

NOW_MS = 1_700_000_000_000


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


def main() -> int:
    """Print the number."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.speed")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--bytes", type=int, default=2_000, help="transaction bytes of a block")
    options = parser.parse_args()
    seconds = measure(options.n, options.blocks, options.bytes)
    sys.stdout.write(f"n={options.n}: {seconds * 1000:.2f} ms of CPU per block and node\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
