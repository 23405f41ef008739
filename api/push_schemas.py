"""Schemas of events and webhooks of the REST surface, with one model for the data of each type."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from node.push.port import EventType, State

HEX32: Final = "^[0-9a-f]{64}$"
EVENT_ID: Final = "^[0-9a-f]{16}-[0-9]{1,18}$"
WEBHOOK_ID: Final = "^[0-9a-f]{16}$"
Level = Literal["none", "low", "medium", "high", "very_high"]


class Model(BaseModel):
    """Unknown fields are refused, in and out."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class QuestionOut(Model):
    """An own question."""

    id: int = Field(description="this member's own count")
    time_ms: int
    asked_by: str = Field(description="id of the API key that asked")
    case_ref: str = Field(description="the asker's own case reference, as it gave it")


class PastQuestionOut(QuestionOut):
    """A question of the retro-hunt's book."""

    band: Level = Field(description="what its asker was last told")


class ReasonOut(Model):
    """Why a band is what it is."""

    code: str
    weight: int
    text: str


class SaidOut(Model):
    """A record with who made it."""

    record_id: str = Field(pattern=HEX32)
    reporter: str


class RecallData(Model):
    """A record that answered own questions stands no more."""

    recall: int = Field(description="id of the recall in GET /v1/recalls")
    record_id: str = Field(pattern=HEX32)
    reason: Literal["overruled", "retracted", "erased", "consent_withdrawn"]
    questions: list[QuestionOut] = Field(max_length=100)


class RetroHitData(Model):
    """What own questions were about warns more now than it did then."""

    band: Level
    score: int = Field(ge=0, le=100)
    reasons: list[ReasonOut]
    records: list[SaidOut] = Field(description="of the block that raised it", max_length=100)
    questions: list[PastQuestionOut] = Field(
        min_length=1, max_length=100, description="the newest of them"
    )
    count: int = Field(description="of questions in all, up to 1,000")


class DisputeData(Model):
    """What disputes and rulings have in common."""

    record_id: str = Field(pattern=HEX32, description="the record that is disputed")
    follow_up: str = Field(pattern=HEX32, description="the dispute or ruling itself")
    member: str = Field(description="who disputes or rules")
    reporter: str = Field(description="whose record it is")
    concerns: list[Literal["reporter", "disputer", "asker"]] = Field(
        min_length=1, description="why this member is told: what it is to the record"
    )
    state: Literal["active", "disputed", "overruled", "retracted", "expired", "erased"]
    for_person: bool = Field(description="a person disputes it through this member")
    questions: list[QuestionOut] = Field(max_length=100)


class DisputeOpenedData(DisputeData):
    """A dispute."""

    ground: str


class DisputeRuledData(DisputeData):
    """A ruling."""

    ruling: str


class ProposalOpenedData(Model):
    """A member proposed a change of the alliance."""

    proposal: int
    proposer: str
    action: str
    expires_ms: int


class EvidenceFoundData(Model):
    """A case against a validator, new at this node."""

    id: str = Field(pattern=HEX32, description="as in GET /v1/evidence")
    kind: str
    epoch: int
    culprit: str
    holds: bool = Field(description="whether it verifies here")


class ErasureConfirmedData(Model):
    """A member's word that a batch of erasures is done there."""

    batch: str = Field(pattern=HEX32, description="as in GET /v1/erasures/{batch}")
    member: str
    confirmation: str = Field(pattern=HEX32)
    recalled: bool
    records: list[str] = Field(max_length=100, description="own ones, or ordered by this member")
    count: int = Field(description="of them in all")
    missing: list[str] = Field(description="members that did not confirm yet")


class JobFinishedData(Model):
    """A batch job ended."""

    job: str
    state: str
    owner: str = Field(description="id of the API key that began it")
    rows: int
    hits: int
    refused: int


DATA: Final[dict[EventType, type[Model]]] = {
    EventType.RECALL: RecallData,
    EventType.RETRO_HIT: RetroHitData,
    EventType.DISPUTE_OPENED: DisputeOpenedData,
    EventType.DISPUTE_RULED: DisputeRuledData,
    EventType.PROPOSAL_OPENED: ProposalOpenedData,
    EventType.EVIDENCE_FOUND: EvidenceFoundData,
    EventType.ERASURE_CONFIRMED: ErasureConfirmedData,
    EventType.JOB_FINISHED: JobFinishedData,
}
"""The data of an event by its type: docs/events.json is made from this."""


class EventOut(Model):
    """An event: in the list, in a stream and as the body of a delivery."""

    id: str = Field(pattern=EVENT_ID, description="the same at every try and everywhere")
    number: int = Field(ge=1)
    type: EventType
    member: str
    time_ms: int
    height: int | None = Field(description="block that made it so; none for what no block says")
    data: (
        RecallData
        | RetroHitData
        | DisputeOpenedData
        | DisputeRuledData
        | ProposalOpenedData
        | EvidenceFoundData
        | ErasureConfirmedData
        | JobFinishedData
    )


class EventsOut(Model):
    """A page of events."""

    log: str = Field(description="another one after the node's database was made anew")
    events: list[EventOut]
    next: int | None = Field(description="number to go on behind; none where there is no more")
    first: int = Field(description="number of the oldest event that is kept")


class WebhookIn(Model):
    """A subscription."""

    url: str = Field(max_length=2_000)
    types: list[EventType] = Field([], description="empty: all types", max_length=16)
    description: str = Field("", max_length=200)
    after: int | None = Field(
        None, ge=0, lt=10**18, description="number to begin behind; left out: what comes from now"
    )


class WebhookChangeIn(Model):
    """What to change; what is left out stays."""

    url: str | None = Field(None, max_length=2_000)
    types: list[EventType] | None = Field(None, max_length=16)
    description: str | None = Field(None, max_length=200)
    state: Literal["active", "paused"] | None = None


class RotateIn(Model):
    """How to change a secret."""

    overlap_s: int | None = Field(
        None, ge=0, le=2_592_000, description="how long the old one signs too"
    )


class ReplayIn(Model):
    """Which events to put up again: one way of saying so."""

    dead: bool = False
    events: list[int] | None = Field(None, min_length=1, max_length=1_000)
    first: int | None = Field(None, ge=1)
    last: int | None = Field(None, ge=1)
    from_ms: int | None = Field(None, ge=0)
    until_ms: int | None = Field(None, ge=0)


class ReplayOut(Model):
    """How many events were put up."""

    queued: int


class WebhookOut(Model):
    """A subscription as it stands."""

    id: str = Field(pattern=WEBHOOK_ID)
    url: str
    types: list[EventType]
    description: str
    state: State
    reason: str
    created_ms: int
    created_by: str
    secrets: int = Field(description="secrets that sign now")
    configured: bool = Field(description="set in node.toml: not to be changed here")
    cursor: int = Field(description="number of the last event that is settled")
    waiting: int = Field(description="events behind the cursor, wanted or not")
    replaying: int
    tries: int = Field(description="of the next event")
    next_ms: int | None
    dead: int
    delivered: int
    failed: int = Field(description="tries that failed")
    last_status: int | None


class WebhookSecretOut(WebhookOut):
    """A subscription with its new secret, shown this once."""

    secret: str


class WebhooksOut(Model):
    """All subscriptions."""

    webhooks: list[WebhookOut]


class AttemptOut(Model):
    """One try of a delivery."""

    number: int
    event: int = Field(description="number of the event; 0 for a test")
    type: str
    time_ms: int
    tries: int
    status: int | None
    error: str
    latency_ms: int
    taken: bool


class AttemptsOut(Model):
    """The latest tries, newest first."""

    deliveries: list[AttemptOut]
    next: int | None = Field(description="to be given as `before`")


class DeadLetterOut(Model):
    """An event that was given up."""

    event: int
    type: EventType | None = Field(description="none once the log dropped the event")
    time_ms: int
    tries: int
    status: int | None
    error: str


class DeadLettersOut(Model):
    """Dead letters, oldest first."""

    dead: list[DeadLetterOut]
    next: int | None = Field(description="to be given as `after`")


MODELS: Final[tuple[type[BaseModel], ...]] = (
    EventsOut,
    WebhookIn,
    WebhookChangeIn,
    RotateIn,
    ReplayIn,
    ReplayOut,
    WebhookOut,
    WebhookSecretOut,
    WebhooksOut,
    AttemptOut,
    AttemptsOut,
    DeadLettersOut,
)


def events_document() -> dict[str, object]:
    """JSON Schema (2020-12) of an event, its data by type: docs/events.json."""
    definitions: dict[str, object] = {}
    cases: list[object] = []
    for kind, model in DATA.items():
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
        wanted = {"properties": {"data": {"$ref": f"#/$defs/{model.__name__}"}}}
        cases.append({"if": {"properties": {"type": {"const": kind.value}}}, "then": wanted})
    envelope = EventOut.model_json_schema(ref_template="#/$defs/{model}")
    properties = {**envelope["properties"], "data": {"type": "object"}}
    properties["type"] = {"type": "string", "enum": [kind.value for kind in DATA]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of a Bulwark node",
        "type": "object",
        "required": envelope["required"],
        "additionalProperties": False,
        "properties": properties,
        "allOf": cases,
        "$defs": dict(sorted(definitions.items())),
    }
