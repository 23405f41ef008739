"""BulwarkClient: an integrator's async client of its own member's node.

Rules: every write carries an Idempotency-Key (random unless given), so that a repetition after a
lost answer does nothing twice; batches are NDJSON of at most MAX_ROWS rows; durations are seconds.
Clear-text identifiers go to the member's own node only. It keeps nothing between calls.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Final, TypeVar

import httpx
import orjson

from bulwark.client.calls import MAX_ROWS as MAX_ROWS
from bulwark.client.calls import CallInvalid as CallInvalid
from bulwark.client.calls import Row as Row
from bulwark.client.calls import ndjson, segment
from bulwark.client.calls import record_id as as_record_id
from bulwark.client.errors import ApiProblem, TimedOut
from bulwark.client.policy import RetryPolicy
from bulwark.client.results import (
    Block,
    Consent,
    Member,
    MembersDocument,
    Record,
    ReportBatch,
    Reported,
    Screening,
    ScreeningBatch,
    ScreeningBatchDocument,
    ScreeningDocument,
    Stage,
    decoded,
)
from bulwark.client.transport import Request, Transport

NDJSON: Final = "application/x-ndjson"
_POLL_S: Final = 0.1
_LONGEST_POLL_S: Final = 1.0

T = TypeVar("T")


class BulwarkClient:
    """Connections to one node; use it as an async context manager, or call close()."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        timeout_s: float = 60.0,
        batch_timeout_s: float = 900.0,
        retry: RetryPolicy | None = None,
        verify: ssl.SSLContext | bool = True,
        use_environment_proxies: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`url` is the node's root, as http://127.0.0.1:8000; raises ConnectionInvalid.

        `verify` is an SSL context with the member's own CA, or False in tests only. `transport`
        and `sleep` replace network and clock.
        """
        self._timeout_s = timeout_s
        self._batch_timeout_s = batch_timeout_s
        self._sleep = sleep
        self._transport = Transport(
            url,
            api_key,
            policy=retry or RetryPolicy(),
            verify=verify,
            use_environment_proxies=use_environment_proxies,
            inner=transport,
            sleep=sleep,
        )

    @property
    def url(self) -> str:
        """Root address of the node."""
        return self._transport.url

    def __repr__(self) -> str:
        return f"BulwarkClient({self.url})"

    async def __aenter__(self) -> BulwarkClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def report(
        self,
        indicator: Mapping[str, object],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> Reported:
        """Report one indicator: kind, value, fraud_type and what else is known.

        Raises ApiProblem 422 with the rules that it broke.
        """
        body = await self._write(
            "/v1/indicators", orjson.dumps(dict(indicator)), wait, idempotency_key
        )
        return decoded(body, Reported, "the answer to a report")

    async def report_many(
        self,
        rows: Iterable[Row],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> ReportBatch:
        """Report up to MAX_ROWS indicators; refused rows are named by line and stop no other.

        Raises CallInvalid for none or too many rows.
        """
        body = await self._write(
            "/v1/indicators/batches",
            ndjson(rows),
            wait,
            idempotency_key,
            content_type=NDJSON,
            timeout_s=self._batch_timeout_s,
        )
        return decoded(body, ReportBatch, "the answer to a batch of reports")

    async def screen(
        self, question: Mapping[str, object], *, at_height: int | None = None
    ) -> Screening:
        """Ask about one identifier: kind, value, purpose, lawful_basis; as after a block, if given.

        Raises ApiProblem 404 for a block that the node has not executed.
        """
        asked = dict(question) if at_height is None else {**question, "height": at_height}
        request = Request(
            "POST",
            "/v1/screenings",
            orjson.dumps(asked),
            timeout_s=self._timeout_s,
        )
        body = await self._transport.send(request)
        return decoded(body, ScreeningDocument, "the answer to a screening").read()

    async def screen_many(self, rows: Iterable[Row], *, correlator: str = "") -> ScreeningBatch:
        """Ask about up to MAX_ROWS identifiers; raises CallInvalid for none or too many rows.

        With a `correlator` of 1 to 128 characters `look` shows meanwhile how far it is.
        """
        request = Request(
            "POST",
            "/v1/screenings/batches",
            ndjson(rows),
            NDJSON,
            correlator=correlator,
            timeout_s=self._batch_timeout_s,
        )
        body = await self._transport.send(request)
        return decoded(body, ScreeningBatchDocument, "the answer to a batch of screenings").read()

    async def give_consent(
        self,
        document: Mapping[str, object],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> Consent:
        """Have a consent receipt made, kept by the node and anchored."""
        body = await self._write(
            "/v1/consents", orjson.dumps(dict(document)), wait, idempotency_key
        )
        return decoded(body, Consent, "a consent")

    async def withdraw_consent(
        self,
        consent_id: str,
        reason: str = "withdrawn",
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> Consent:
        """Anchor the withdrawal of a consent; raises ApiProblem 409 for a second one."""
        path = f"/v1/consents/{segment(consent_id)}/withdrawal"
        body = await self._write(path, orjson.dumps({"reason": reason}), wait, idempotency_key)
        return decoded(body, Consent, "a consent")

    async def consent(self, consent_id: str) -> Consent:
        """A consent of this member; raises ApiProblem 404."""
        body = await self._get(f"/v1/consents/{segment(consent_id)}")
        return decoded(body, Consent, "a consent")

    async def consent_proof(self, consent_id: str) -> bytes:
        """Proof of a finalized consent anchor for verify_consent_proof; 409 while not final."""
        return await self._get(f"/v1/consents/{segment(consent_id)}/proof")

    async def record(self, record_id: str) -> Record:
        """A record of any member; raises ApiProblem 404."""
        body = await self._get(f"/v1/indicators/{as_record_id(record_id)}")
        return Record.of(decoded(body, dict[str, object], "a record"))

    async def record_proof(self, record_id: str) -> bytes:
        """Proof of a finalized record for verify_record_proof; ApiProblem 409 while not final."""
        return await self._get(f"/v1/records/{as_record_id(record_id)}/proof")

    async def block(self, at: int | str = "latest") -> Block:
        """A block by height, `latest` or `finalized`; raises ApiProblem 404."""
        return decoded(await self._get(f"/v1/blocks/{segment(str(at))}"), Block, "a block")

    async def members(self) -> tuple[Member, ...]:
        """All members in ledger order."""
        body = await self._get("/v1/members")
        return decoded(body, MembersDocument, "the members").members

    async def node(self) -> dict[str, object]:
        """State of the node (role operator)."""
        return decoded(await self._get("/v1/node"), dict[str, object], "the node's state")

    async def diagnosis(self) -> dict[str, object]:
        """Why there is no block, or that all is well (role operator)."""
        body = await self._get("/v1/node/diagnosis")
        return decoded(body, dict[str, object], "a diagnosis")

    async def evidence(self) -> dict[str, object]:
        """The cases against validators that the node holds, under `evidence`."""
        return decoded(await self._get("/v1/evidence"), dict[str, object], "the evidence")

    async def evidence_document(self, evidence_id: str) -> bytes:
        """One case with its signed messages, as `bulwark evidence verify` reads it; 404."""
        return await self._get(f"/v1/evidence/{as_record_id(evidence_id)}")

    async def post_evidence(self, evidence_id: str) -> dict[str, object]:
        """Post a case to the ledger, once; raises ApiProblem 404, 409 (role admin)."""
        path = f"/v1/evidence/{as_record_id(evidence_id)}/post"
        body = await self._transport.send(Request("POST", path, b"{}", timeout_s=self._timeout_s))
        return decoded(body, dict[str, object], "the posted evidence")

    async def governance(self, path: str) -> dict[str, object]:
        """What is at /v1/governance/`path`: members, parameters, proposals, proposals/N."""
        body = await self._get(f"/v1/governance/{path}")
        return decoded(body, dict[str, object], "an answer about governance")

    async def dry_run(self, action: Mapping[str, object]) -> dict[str, object]:
        """What an action would do, without proposing it."""
        body = orjson.dumps({"action": dict(action)})
        request = Request(
            "POST", "/v1/governance/dry-run", body, "application/json", timeout_s=self._timeout_s
        )
        return decoded(await self._transport.send(request), dict[str, object], "a dry run")

    async def govern(
        self,
        path: str,
        document: Mapping[str, object],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> dict[str, object]:
        """Propose or vote at /v1/governance/`path` (role admin); raises ApiProblem 403, 409."""
        body = await self._write(
            f"/v1/governance/{path}", orjson.dumps(dict(document)), wait, idempotency_key
        )
        return decoded(body, dict[str, object], "the outcome of a vote")

    async def openings(self, path: str = "", *, open_only: bool = False) -> dict[str, object]:
        """What is at /v1/openings/`path`: all cases (or the open ones), ID, ID/record."""
        query = {"state": "open"} if open_only else {}
        place = f"/v1/openings/{path}".rstrip("/")
        request = Request("GET", place, query=query, timeout_s=self._timeout_s)
        body = await self._transport.send(request)
        return decoded(body, dict[str, object], "an answer about openings")

    async def query_log(self, member: str, cursor: str | None = None) -> dict[str, object]:
        """A page of an evaluator's served statements, verified by the node; 503 if not shown."""
        query = {} if cursor is None else {"cursor": cursor}
        place = f"/v1/query-logs/{segment(member)}"
        request = Request("GET", place, query=query, timeout_s=self._timeout_s)
        body = await self._transport.send(request)
        return decoded(body, dict[str, object], "a page of a query log")

    async def look(
        self, path: str, *, after: int = 0, query: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """What is at /v1/`path`: access-log, access-anchors/MEMBER, audit/reports/NAME, ..."""
        asked = {"after": str(after)} if after else {}
        asked |= query or {}
        request = Request("GET", f"/v1/{path}", query=asked, timeout_s=self._timeout_s)
        body = await self._transport.send(request)
        return decoded(body, dict[str, object], "what the node shows")

    async def act(
        self,
        path: str,
        document: Mapping[str, object],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> dict[str, object]:
        """Write at /v1/`path`: policies, openings/ID/vote, ...; raises ApiProblem 403, 404, 409."""
        body = await self._write(f"/v1/{path}", orjson.dumps(dict(document)), wait, idempotency_key)
        return decoded(body, dict[str, object], "the outcome of a write")

    async def ask(
        self, path: str, document: Mapping[str, object] | None, *, method: str = "POST"
    ) -> dict[str, object]:
        """What /v1/`path` answers to a body, or to none: consents/search, webhooks/ID, ..."""
        body = b"" if document is None else orjson.dumps(dict(document))
        request = Request(method, f"/v1/{path}", body, timeout_s=self._timeout_s)
        answer = await self._transport.send(request)
        return decoded(answer, dict[str, object], "an answer") if answer else {}

    async def act_on_opening(
        self,
        path: str,
        document: Mapping[str, object],
        *,
        wait: Stage = Stage.EXECUTED,
        idempotency_key: str | None = None,
    ) -> dict[str, object]:
        """Ask (no path), vote (ID/vote) or finish (ID/finish); raises ApiProblem 403, 404, 409."""
        place = f"openings/{path}".rstrip("/")
        return await self.act(place, document, wait=wait, idempotency_key=idempotency_key)

    async def wait_final(self, record_id: str, timeout_s: float = 60.0) -> Record:
        """The record once it is finalized; raises TimedOut."""

        async def reached() -> Record | None:
            try:
                record = await self.record(record_id)
            except ApiProblem as problem:
                if problem.status != 404:  # not executed here yet
                    raise
                return None
            return record if record.stage.includes(Stage.FINALIZED) else None

        return await self._until(reached, "finality of the record", timeout_s)

    async def wait_final_height(self, height: int, timeout_s: float = 60.0) -> Block:
        """The highest finalized block, once it is at `height` or above; raises TimedOut."""

        async def reached() -> Block | None:
            block = await self.block("finalized")
            return block if block.height >= height else None

        return await self._until(reached, f"finality of block {height}", timeout_s)

    async def _until(
        self, ask: Callable[[], Awaitable[T | None]], what: str, timeout_s: float
    ) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        pause = _POLL_S
        while True:
            found = await ask()
            if found is not None:
                return found
            if loop.time() + pause > deadline:
                raise TimedOut(what, timeout_s)
            await self._sleep(pause)
            pause = min(_LONGEST_POLL_S, pause * 1.5)

    async def _get(self, path: str) -> bytes:
        return await self._transport.send(Request("GET", path, timeout_s=self._timeout_s))

    async def _write(
        self,
        path: str,
        body: bytes,
        wait: Stage,
        idempotency_key: str | None,
        *,
        content_type: str = "application/json",
        timeout_s: float | None = None,
    ) -> bytes:
        request = Request(
            "POST",
            path,
            body,
            content_type,
            {"wait": str(wait)},
            idempotency_key or secrets.token_urlsafe(24),
            self._timeout_s if timeout_s is None else timeout_s,
        )
        return await self._transport.send(request)
