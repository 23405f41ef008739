"""Ring: what proving and verifying membership costs, by the number of members.

Rules: times are CPU time of one thread, the least of some runs (what is above it, the machine did
meanwhile), from a decoded proof to its verdict (`ring.64.decode` is what bytes cost besides); a
batch is of 16 proofs for 16 slots and counts per proof. `ring.multiply` is one multiplication of an
element, by which figures of two machines compare. Nothing here needs an alliance.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bench.figures import Figure
from bulwark.privacy.errors import ProofRefused
from bulwark.privacy.group import Scalar, multiply, multiply_base, random_scalar
from bulwark.privacy.ring.batch import verify_batch
from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import Statement, decode_proof, member_ring
from bulwark.privacy.ring.statement import RingStatement
from bulwark.privacy.ring.verifier import verify

MEMBERS: Final = (4, 16, 64, 256)
BATCH: Final = 16
RUNS: Final = 11
MULTIPLICATIONS: Final = 200


def ring_figures(members: Sequence[int] = MEMBERS, runs: int = RUNS) -> list[Figure]:
    """`ring.multiply` in us; `ring.N.prove`, `.verify`, `.batch`, `.decode` in ms, `.bytes`."""
    element, scalar = multiply_base(random_scalar(os.urandom)), random_scalar(os.urandom)

    def multiplications() -> None:
        for _ in range(MULTIPLICATIONS):
            multiply(scalar, element)

    one_us = _least_ms(runs, multiplications) / MULTIPLICATIONS * 1000
    rings = [figure for count in members for figure in _figures(count, runs)]
    return [Figure("ring.multiply", one_us), *rings]


def _figures(members: int, runs: int) -> list[Figure]:
    secrets, statement = _alliance(members)
    index = members // 2
    pairs = [
        (one, prove(one, secrets[index], index, os.urandom))
        for one in (replace(statement, slot=slot) for slot in range(BATCH))
    ]
    encoded = pairs[0][1].encode()

    def batch() -> None:
        refused = [verdict for verdict in verify_batch(pairs, os.urandom) if verdict]
        if refused:
            raise ProofRefused(f"{len(refused)} of {BATCH} honest proofs")

    note = f"{runs} runs, CPU time"
    prefix = f"ring.{members}"
    times = {
        "prove": _least_ms(runs, lambda: prove(statement, secrets[index], index, os.urandom)),
        "verify": _least_ms(runs, lambda: verify(*pairs[0], os.urandom)),
        "batch": _least_ms(max(3, runs // 3), batch) / BATCH,
        "decode": _least_ms(runs, lambda: decode_proof(encoded, members)),
    }
    figures = [Figure(f"{prefix}.{name}", value, note) for name, value in times.items()]
    return [*figures, Figure(f"{prefix}.bytes", len(encoded))]


def _alliance(members: int) -> tuple[list[Scalar], Statement]:
    secrets = [random_scalar(os.urandom) for _ in range(members)]
    statement = RingStatement(
        chain_id=1337,
        genesis_hash=hashlib.sha256(b"bench").digest(),
        ring_height=1,
        ring=member_ring([multiply_base(secret) for secret in secrets]),
        opener=multiply_base(random_scalar(os.urandom)),
        opener_epoch=0,
        epoch=20_000,
        scope=1,
        slot=0,
        message=hashlib.sha512(b"request").digest(),
    )
    return secrets, statement


def _least_ms(runs: int, work: Callable[[], object]) -> float:
    """Least CPU time of `runs` runs after one that warms up, milliseconds."""
    work()
    samples = []
    for _ in range(runs):
        begin = time.thread_time_ns()
        work()
        samples.append((time.thread_time_ns() - begin) / 1e6)
    return min(samples)
