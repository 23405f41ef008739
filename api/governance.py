"""Governance: members, parameters, proposals, votes and dry runs over REST.

Rules: an admin's key votes for this member, auditors and operators read; a vote answers 201 once it
is executed and 202 before; what the ledger or a dry run refuses is 409 with the reason.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import asdict

from api import documentation as doc
from api import governance_schemas as schemas
from api.bodies import known
from api.exchange import JSON_TYPE, Exchange, Reply, Route, json_reply
from api.governance_schemas import DEFAULT_LIFETIME_S
from api.indicators import read_object
from api.problems import FieldProblem, invalid, refused
from api.query import word
from api.settings import ApiSettings
from api.views import timestamp
from api.writes import BodyDigest, write_status
from contracts.actions import Action
from contracts.governance import MAX_LIFETIME_S
from node.governance.documents import ActionInvalid, action_of
from node.governance.port import (
    DryRun,
    GovernanceService,
    GovernedMember,
    ParameterView,
    ProposalView,
    Quorum,
    VoteOutcome,
)
from node.service import Role

ADMINS: Final = frozenset({Role.ADMIN})
READERS: Final = frozenset({Role.ADMIN, Role.OPERATOR, Role.AUDITOR})
_ID: Final = re.compile(r"[1-9][0-9]{0,17}\Z")
_WRITE: Final = (doc.WAIT, doc.IDEMPOTENCY)
_OPEN: Final = {
    "name": "state",
    "in": "query",
    "description": "Which proposals",
    "schema": {"type": "string", "enum": ["open", "all"], "default": "all"},
}


_ONE: Final = "/v1/governance/proposals/{proposal_id}"
_READS: Final = {
    "members": doc.operation(
        "governedMembers",
        "governance",
        "Show the members that the ledger has now",
        {200: schemas.GovernedMembersOut},
    ),
    "parameters": doc.operation(
        "governedParameters",
        "governance",
        "Show the parameters that votes may change",
        {200: schemas.ParametersOut},
    ),
    "proposals": doc.operation(
        "listProposals",
        "governance",
        "List proposals, newest first",
        {200: schemas.ProposalsOut},
        parameters=(_OPEN,),
    ),
    "proposal": doc.operation(
        "showProposal",
        "governance",
        "Show a proposal",
        {200: schemas.ProposalOut},
        path=["proposal_id"],
        problems=(404,),
    ),
    "dry_run": doc.operation(
        "dryRun",
        "governance",
        "Show what an action would do, without proposing it",
        {200: schemas.DryRunOut},
        body=doc.json_body(schemas.DryRunIn),
    ),
}
_VOTE: Final = {201: schemas.VoteOut, 202: schemas.VoteOut}
_WRITES: Final = {
    "propose": doc.operation(
        "propose",
        "governance",
        "Propose an action and approve it for this member",
        _VOTE,
        body=doc.json_body(schemas.ProposalIn),
        parameters=_WRITE,
        problems=(409,),
    ),
    "approve": doc.operation(
        "approveProposal",
        "governance",
        "Approve a proposal for this member; the approval that makes two thirds carries it out",
        _VOTE,
        body=doc.json_body(schemas.ApprovalIn, required=False),
        parameters=_WRITE,
        path=["proposal_id"],
        problems=(404, 409),
    ),
    "withdraw": doc.operation(
        "withdrawApproval",
        "governance",
        "Take this member's approval back",
        _VOTE,
        body=doc.json_body(schemas.NothingIn, required=False),
        parameters=_WRITE,
        path=["proposal_id"],
        problems=(404, 409),
    ),
}


class GovernanceRoutes:
    """Handlers of /v1/governance."""

    def __init__(self, service: GovernanceService, settings: ApiSettings) -> None:
        self._service = service
        self._settings = settings

    async def members(self, exchange: Exchange) -> Reply:
        """GET /v1/governance/members."""
        exchange.query()
        return json_reply(200, {"members": [_member(m) for m in self._service.members()]})

    async def parameters(self, exchange: Exchange) -> Reply:
        """GET /v1/governance/parameters."""
        exchange.query()
        return json_reply(200, {"parameters": [_parameter(p) for p in self._service.parameters()]})

    async def proposals(self, exchange: Exchange) -> Reply:
        """GET /v1/governance/proposals."""
        state = word(exchange.query("state"), "state", ("all", "open"))
        found = self._service.proposals(open_only=state == "open")
        return json_reply(200, {"proposals": [proposal_document(p) for p in found]})

    async def proposal(self, exchange: Exchange) -> Reply:
        """GET /v1/governance/proposals/{proposal_id}."""
        exchange.query()
        return json_reply(200, proposal_document(self._service.proposal(_id(exchange))))

    async def dry_run(self, exchange: Exchange) -> Reply:
        """POST /v1/governance/dry-run."""
        exchange.content_type(JSON_TYPE)
        exchange.query()
        body = read_object(await exchange.body(self._settings.max_body_bytes))
        known(body, "action")
        return json_reply(200, _dry_run(self._service.dry_run(_action(body))))

    async def propose(self, exchange: Exchange) -> Reply:
        """POST /v1/governance/proposals."""
        exchange.content_type(JSON_TYPE)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw = await exchange.body(self._settings.max_body_bytes)
        body = read_object(raw)
        known(body, "action", "lifetime_s", "force")
        outcome = await self._service.propose(
            _action(body),
            lifetime_s=_lifetime(body),
            force=_force(body),
            wait=wait,
            idempotency=digest.idempotency(raw),
        )
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if outcome.proposal is not None:
            headers = ((b"location", b"/v1/governance/proposals/%d" % outcome.proposal.id),)
        return json_reply(write_status(outcome.stage), vote_document(outcome), *headers)

    async def approve(self, exchange: Exchange) -> Reply:
        """POST /v1/governance/proposals/{proposal_id}/approve."""
        proposal_id = _id(exchange)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw, body = await self._optional(exchange)
        known(body, "force")
        outcome = await self._service.approve(
            proposal_id, force=_force(body), wait=wait, idempotency=digest.idempotency(raw)
        )
        return json_reply(write_status(outcome.stage), vote_document(outcome))

    async def withdraw(self, exchange: Exchange) -> Reply:
        """POST /v1/governance/proposals/{proposal_id}/withdraw."""
        proposal_id = _id(exchange)
        wait, digest = exchange.wait(), BodyDigest(exchange)
        raw, body = await self._optional(exchange)
        known(body)
        outcome = await self._service.withdraw(
            proposal_id, wait=wait, idempotency=digest.idempotency(raw)
        )
        return json_reply(write_status(outcome.stage), vote_document(outcome))

    async def _optional(self, exchange: Exchange) -> tuple[bytes, dict[str, object]]:
        """A body that may be left out."""
        raw = await exchange.body(self._settings.max_body_bytes)
        if not raw:
            return raw, {}
        exchange.content_type(JSON_TYPE)
        return raw, read_object(raw)


def governance_routes(at: GovernanceRoutes, settings: ApiSettings) -> list[Route]:
    """The routes with who may use them and what the documentation says."""
    limit = settings.request_timeout_ms
    base = "/v1/governance"
    return [
        Route("GET", f"{base}/members", at.members, READERS, _READS["members"], limit),
        Route("GET", f"{base}/parameters", at.parameters, READERS, _READS["parameters"], limit),
        Route("GET", f"{base}/proposals", at.proposals, READERS, _READS["proposals"], limit),
        Route("GET", _ONE, at.proposal, READERS, _READS["proposal"], limit),
        Route("POST", f"{base}/dry-run", at.dry_run, READERS, _READS["dry_run"], limit),
        Route("POST", f"{base}/proposals", at.propose, ADMINS, _WRITES["propose"], limit),
        Route("POST", f"{_ONE}/approve", at.approve, ADMINS, _WRITES["approve"], limit),
        Route("POST", f"{_ONE}/withdraw", at.withdraw, ADMINS, _WRITES["withdraw"], limit),
    ]


def _id(exchange: Exchange) -> int:
    text = exchange.params["proposal_id"]
    if _ID.match(text) is None:
        raise refused("proposal_id", "a number from 1")
    return int(text)


def _action(body: dict[str, object]) -> Action:
    try:
        return action_of(body.get("action"))
    except ActionInvalid as error:
        field = error.field if error.field == "action" else f"action.{error.field}"
        raise invalid(FieldProblem(field, error.detail)) from None


def _force(body: dict[str, object]) -> bool:
    force = body.get("force", False)
    if not isinstance(force, bool):
        raise invalid(FieldProblem("force", "true or false"))
    return force


def _lifetime(body: dict[str, object]) -> int:
    lifetime = body.get("lifetime_s", DEFAULT_LIFETIME_S)
    if not isinstance(lifetime, int) or isinstance(lifetime, bool):
        lifetime = 0
    if not 1 <= lifetime < MAX_LIFETIME_S:
        raise invalid(FieldProblem("lifetime_s", f"whole seconds, 1 to {MAX_LIFETIME_S - 1}"))
    return lifetime


def _member(view: GovernedMember) -> dict[str, object]:
    return {
        "id": view.id,
        "node": view.node,
        "account": view.account,
        "roles": list(view.roles),
        "oprf_key": view.oprf_key,
        "tls_pin": view.tls_pin,
        "next_tls_pin": view.next_tls_pin,
        "votes": view.votes,
        "connected": view.connected,
    }


def _parameter(view: ParameterView) -> dict[str, object]:
    return {
        "name": view.name,
        "value": view.value,
        "by_vote": view.by_vote,
        "least": view.least,
        "most": view.most,
        "coming": view.coming,
    }


def proposal_document(view: ProposalView) -> dict[str, object]:
    """A proposal."""
    return {
        "id": view.id,
        "state": view.state,
        "proposer": view.proposer,
        "expires": timestamp(view.expires_ms),
        "action": dict(view.action),
        "approvals": list(view.approvals),
        "needed": view.needed,
        "voters": view.voters,
        "failure": view.failure,
    }


def vote_document(outcome: VoteOutcome) -> dict[str, object]:
    """What became of a vote."""
    return {
        "transaction": f"0x{outcome.transaction.hex()}",
        "stage": outcome.stage.label,
        "height": outcome.height,
        "proposal": None if outcome.proposal is None else proposal_document(outcome.proposal),
    }


def _quorum(view: Quorum) -> dict[str, object]:
    return {
        "validators": view.validators,
        "quorum": view.quorum,
        "faulty": view.faulty,
        "approvals": view.approvals,
    }


def _dry_run(run: DryRun) -> dict[str, object]:
    return {
        "allowed": run.verdict() is None,
        "before": _quorum(run.before),
        "after": _quorum(run.after),
        "connected": list(run.connected),
        "missing": list(run.missing),
        "findings": [
            {"weight": f.weight.value, "code": f.code, "detail": f.detail} for f in run.findings
        ],
        "parameter": None if run.parameter is None else asdict(run.parameter),
    }
