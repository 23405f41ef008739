"""Rules about what surrounds a node: disk, waiting transactions, certificates, evidence, versions.

Rules owned: disk.low, disk.full, mempool.gap, mempool.full, tls.expires, tls.expired, tls.pin,
evidence.known, version.differs.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import DAY_MS, Facts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import duration, size, some

LOW_BYTES = 2 << 30
"""Free space from which an operator should act."""
FULL_BYTES = 200 << 20
"""Free space from which the next compaction of the database may fail."""
WRONG_EVALUATION = "wrong-evaluation"
"""Word of the one kind of evidence that is not about votes, as `node.evidence` has it."""
WARN_DAYS = 30
"""Days before the end of a certificate from which it is time to renew it."""


def disk(facts: Facts) -> Iterator[Finding]:
    """disk.low and disk.full: the node halts when a write fails."""
    found = facts.disk
    if found is None or found.free >= LOW_BYTES:
        return
    full = found.free < FULL_BYTES
    yield Finding(
        "disk.full" if full else "disk.low",
        Severity.CRITICAL if full else Severity.WARNING,
        facts.own,
        f"{size(found.free)} of {size(found.total)} free at {found.path or 'the database'}",
        "free or add disk space now: the node halts when a write fails",
        (("free_bytes", found.free), ("total_bytes", found.total)),
    )


def waiting(facts: Facts) -> Iterator[Finding]:
    """mempool.gap and mempool.full: transactions that wait for another reason than a proposer."""
    pool = facts.pool
    if pool.behind_gap > 0 and pool.oldest_ms is None:
        yield Finding(
            "mempool.gap",
            Severity.WARNING,
            "",
            f"all {pool.behind_gap} waiting transactions stand behind a nonce that is missing, so "
            "there is nothing to propose",
            "their sender has to send the missing nonce (eth_getTransactionCount names it)",
            (("behind_gap", pool.behind_gap), ("waiting", pool.count)),
        )
    elif pool.behind_gap > 0:
        yield Finding(
            "mempool.gap",
            Severity.INFO,
            "",
            f"{pool.behind_gap} of {pool.count} waiting transactions stand behind a missing nonce",
            "their sender has to send the missing nonce",
            (("behind_gap", pool.behind_gap), ("waiting", pool.count)),
        )
    if pool.count >= pool.most > 0:
        yield Finding(
            "mempool.full",
            Severity.WARNING,
            facts.own,
            f"{pool.count} transactions wait and {pool.most} fit; new ones are refused",
            "wait for blocks; else raise mempool.max_transactions",
            (("waiting", pool.count), ("most", pool.most)),
        )


def certificates(facts: Facts) -> Iterator[Finding]:
    """tls.expires, tls.expired and tls.pin: without TLS nobody is connected."""
    for found in facts.certificates:
        left_ms = found.not_after_ms - facts.now_ms
        if left_ms <= 0:
            yield Finding(
                "tls.expired",
                Severity.CRITICAL,
                facts.own,
                f"the certificate {found.name} ended {duration(-left_ms)} ago",
                "install a new one of the alliance's authority (docs/keys.md, TLS key) and reload",
                (("left_ms", left_ms),),
            )
        elif left_ms < WARN_DAYS * DAY_MS:
            yield Finding(
                "tls.expires",
                Severity.WARNING,
                facts.own,
                f"the certificate {found.name} ends in {duration(left_ms)}",
                "install a new one of the alliance's authority (docs/keys.md, TLS key) and reload",
                (("left_ms", left_ms),),
            )
        if not found.pin_known:
            yield Finding(
                "tls.pin",
                Severity.CRITICAL,
                facts.own,
                f"the key of the certificate {found.name} is not the pinned one of {facts.own}",
                "use the pinned key, or have the pin changed by vote",
            )


def misconduct(facts: Facts) -> Iterator[Finding]:
    """evidence.known: signed proof that a member broke the protocol."""
    for found in facts.evidence:
        pieces = "1 piece" if found.count == 1 else f"{found.count} pieces"
        yield Finding(
            "evidence.known",
            Severity.CRITICAL,
            found.culprit,
            f"{pieces} of evidence against {found.culprit}: {some(found.kinds)}",
            _speak_of(found.kinds),
            (("pieces", found.count), ("kinds", " ".join(found.kinds))),
        )


def _speak_of(kinds: tuple[str, ...]) -> str:
    told = []
    if any(kind != WRONG_EVALUATION for kind in kinds):
        told.append(
            "look at GET /v1/evidence, post it to the ledger, and speak with the member: its vote "
            "key was used twice, by mistake (a copied database) or on purpose"
        )
    if WRONG_EVALUATION in kinds:
        told.append(
            "it signed answers to questions that its own share key refutes: questions are answered "
            "by the others; ask its operator for the share it uses (an old backup, or worse); "
            "nodes file this case by themselves"
        )
    return "; ".join(told)


def versions(facts: Facts) -> Iterator[Finding]:
    """version.differs: members that run other software."""
    if not facts.version:
        return
    for member in facts.members:
        if member.version and member.version != facts.version and member.connected:
            yield Finding(
                "version.differs",
                Severity.INFO,
                member.id,
                f"{member.id} runs version {member.version}, this node {facts.version}",
                "update the older one when it suits",
                (("version", member.version), ("own_version", facts.version)),
            )
