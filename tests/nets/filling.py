"""Fills a ledger over REST, fast: parcels of records, and transactions that make blocks.

Rules: everything goes through the public API as clients send it, each value once. Blocks come of
small transactions (`eth_sendRawTransaction`) that do not wait for each other, so that something
always waits for the next block; their senders grow until more make no more blocks. Nothing is
counted that was not acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from bulwark.ledger.ids import Address
from bulwark.ledger.signing import SigningKey
from bulwark.ledger.transaction import sign_transaction
from tests.nets.access import Access, Unreachable
from tests.nets.checks import CheckFailed

PARCELS = 200
LEAST_PARCEL, MOST_PARCEL = 50, 1_000
"""Records of one upload."""
UPLOADERS = 2
"""A member."""
PATIENCE_S = 60.0
"""One upload."""
PROBE_S = 2.0
PAUSE_S = 0.06
"""Of a sender between two transactions."""
MOST_SENDERS = 8
FULL_PACE = 22.0
"""Blocks a second from which more senders make no more: the product's pace is 25."""
WORSE = 0.8
"""Share of the best rate below which a sender more did harm."""
SAY_S = 5.0
FRAUD_TYPES = ("phishing", "smishing", "vishing", "purchase", "romance")
TRANSFER_GAS = 21_000
NOWHERE = Address(b"\xde\xad" * 10)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill came to."""

    height: int
    records: int
    seconds: float
    transactions: int
    senders: int
    """Clients that sent them, at the end."""
    samples: tuple[str, ...]
    """Some record ids."""

    def line(self) -> str:
        """One line for people."""
        return (
            f"filled: {self.height} blocks, {self.records} records in {self.seconds:.0f} s "
            f"({self.height / self.seconds:.1f} blocks/s, {self.records / self.seconds:.0f} "
            f"records/s; {self.transactions} transactions of {self.senders} senders)"
        )


class Uploads:
    """Parcels through some members at once until enough records are taken."""

    def __init__(self, access: Mapping[str, Access], members: Sequence[str], records: int) -> None:
        self._access = access
        self.left = records
        """Records that nobody took in hand yet."""
        self._parcel = max(LEAST_PARCEL, min(MOST_PARCEL, records // PARCELS))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.taken = 0
        self.samples: list[str] = []
        self.failed: str = ""
        self._threads = [
            threading.Thread(target=self._run, args=(name, number), daemon=True)
            for name in members
            for number in range(UPLOADERS)
        ]

    def __enter__(self) -> Uploads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _run(self, name: str, thread: int) -> None:
        stem = f"{name}.{thread}.{time.time_ns()}"
        number = 0
        while not self._stop.is_set():
            with self._lock:
                count = min(self._parcel, self.left)
                self.left -= count
            if count == 0:
                return
            # One value in some fraud types: the group operations are for the first report of it.
            ring, kind = divmod(number, len(FRAUD_TYPES))
            number += 1
            rows = [
                {
                    "kind": "email",
                    "value": f"ring{ring}-{i}.{stem}@scam-post.net",
                    "fraud_type": FRAUD_TYPES[kind],
                }
                for i in range(count)
            ]
            try:
                self._one(name, rows)
            except (Unreachable, httpx.HTTPError) as error:
                self.failed = f"{name}: {error}"
                return

    def _one(self, name: str, rows: Sequence[Mapping[str, str]]) -> None:
        answer = self._access[name].upload(
            "/v1/indicators/batches?wait=executed", "\n".join(map(json.dumps, rows)), PATIENCE_S
        )
        body = answer.json()
        if answer.status_code not in (200, 202) or body["taken"] != len(rows):
            self.failed = f"{name}: {answer.status_code} {answer.text[:200]}"
            self._stop.set()
            return
        with self._lock:
            self.taken += len(rows)
            self.samples.append(str(body["rows"][0]["record_id"]))


class Sender:
    """One account that sends transactions in nonce order through one member."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._chain_id = int(access.status()["chain_id"])
        self._key = SigningKey(hashlib.sha256(f"{access.name} {time.time_ns()}".encode()).digest())
        self._stop = threading.Event()
        self.sent = 0
        self.failed = ""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._stop.is_set() and not self.failed:
            transaction = sign_transaction(
                self._key,
                chain_id=self._chain_id,
                nonce=self.sent,
                to=NOWHERE,
                data=b"",
                gas=TRANSFER_GAS,
            )
            body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction"}
            params = [f"0x{transaction.raw.hex()}"]
            try:
                answer = self._access.post("/rpc", "operator", {**body, "params": params}, 20.0)
            except Unreachable as error:
                self.failed = str(error)
                return
            if "result" not in answer.json():
                self.failed = f"{self._access.name}: {answer.text[:200]}"
                return
            self.sent += 1
            self._stop.wait(PAUSE_S)


def fill(
    access: Mapping[str, Access],
    members: Sequence[str],
    blocks: int,
    records: int,
    tell: Callable[[str], None],
    within_s: float,
) -> Filled:
    """Until the ledger has that many blocks and records; raises CheckFailed when time is over."""
    began = said = time.monotonic()
    witness = access[members[0]]
    with ExitStack() as running:
        uploads = running.enter_context(Uploads(access, members, records))
        senders = [running.enter_context(Sender(access[name])) for name in members]
        probe = _Probe(witness.seen().executed)
        while True:
            time.sleep(0.2)
            height, now = witness.seen().executed, time.monotonic()
            spent = now - began
            failed = uploads.failed or next((s.failed for s in senders if s.failed), "")
            if failed:
                raise CheckFailed(f"fill failed: {failed}")
            if height >= blocks and uploads.taken >= records:
                break
            if spent > within_s:
                raise CheckFailed(f"{height} blocks, {uploads.taken} records in {spent:.0f} s")
            if not uploads.left and not probe.alone:
                probe = _Probe(height, alone=True)
            if len(senders) < MOST_SENDERS and height < blocks and probe.wants_more(height, now):
                sender = Sender(access[members[len(senders) % len(members)]])
                senders.append(running.enter_context(sender))
            if now - said >= SAY_S:
                said = now
                tell(
                    f"{spent:6.1f} s  {height} of {blocks} blocks ({height / spent:.1f}/s), "
                    f"{uploads.taken} of {records} records ({uploads.taken / spent:.0f}/s), "
                    f"{len(senders)} senders"
                )
    spent = time.monotonic() - began
    sent = sum(sender.sent for sender in senders)
    samples = (*uploads.samples[:3], *uploads.samples[-3:])
    return Filled(witness.seen().executed, uploads.taken, spent, sent, len(senders), samples)


class _Probe:
    """Whether one more sender could make more blocks."""

    def __init__(self, height: int, *, alone: bool = False) -> None:
        self.alone = alone
        """Nothing is uploaded beside it, so what it saw before does not count."""
        self._from = (time.monotonic(), height)
        self._best = 0.0
        self._settled = False

    def wants_more(self, height: int, now: float) -> bool:
        """Looks once in PROBE_S."""
        since, start = self._from
        if self._settled or now - since < PROBE_S:
            return False
        rate = (height - start) / (now - since)
        self._from = (now, height)
        self._settled = rate < self._best * WORSE
        self._best = max(self._best, rate)
        return not self._settled and rate < FULL_PACE
