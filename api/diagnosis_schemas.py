"""Schemas of diagnosis and evidence, for the API's documentation and its tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Digest, Document
from node.diagnosis.text import FORMAT as DIAGNOSIS_FORMAT
from node.evidence import FORMAT as EVIDENCE_FORMAT

EVIDENCE_KIND = Literal[
    "double-vote",
    "wrong-new-view",
    "double-view-change",
    "double-new-view",
    "forgotten-commit",
    "wrong-evaluation",
]


class FindingOut(Document):
    """One thing that diagnosis found."""

    code: str = Field(description="Stable; docs/diagnosis.md lists all", examples=["quorum.lost"])
    severity: Literal["info", "warning", "critical"]
    subject: str = Field(description="The member that it is about; empty for the alliance")
    seen: str = Field(description="What was seen, numbers with units")
    values: dict[str, int | str] = Field(description="The numbers again, units in their names")
    since_ms: int | None = Field(description="Since when as far as known, ms since 1970")
    advice: str = Field(description="What to do")


class DiagnosisOut(Document):
    """Why there is no block, or that all is well."""

    format: Literal["bulwark-diagnosis/1"] = Field(examples=[DIAGNOSIS_FORMAT])
    verdict: Literal[
        "healthy",
        "idle",
        "slow",
        "stuck",
        "starting",
        "catching up",
        "silent after a wipe",
        "halted",
    ]
    well: bool = Field(description="Healthy or idle, and no finding above info")
    headline: str
    height: int = Field(ge=0)
    epoch: int = Field(ge=0)
    view: int | None = Field(description="null on an observer")
    at_ms: int
    findings: list[FindingOut]


class EvidenceSummaryOut(Document):
    """A case against a validator, in one line."""

    id: Digest
    kind: EVIDENCE_KIND
    epoch: int = Field(ge=0, description="Of a wrong evaluation the share epoch")
    culprit: str = Field(description="Member behind the vote key in that epoch, or the share")
    culprit_index: int = Field(ge=0, description="Its position among the validators, or holders")
    node: str = Field(description="Vote address or account that signed; empty if unknown")
    holds: bool = Field(description="Whether it verifies here")
    posted: str | None = Field(description="Transaction that posted it from this node")
    ledger_case: Digest | None = Field(
        description="Id under which the ledger files it once posted; a suspension names it"
    )


class EvidenceListOut(Document):
    """Every case that this node holds."""

    evidence: list[EvidenceSummaryOut]


class EvidenceOut(EvidenceSummaryOut):
    """A whole case, for `bulwark evidence verify FILE --genesis FILE`."""

    format: Literal["bulwark-evidence/1"] = Field(examples=[EVIDENCE_FORMAT])
    messages: list[dict[str, Any]] = Field(description="The signed messages, decoded and as hex")
    encoded: str = Field(pattern="^[0-9a-f]+$", description="The case as bytes, hex")
    epoch_changes: list[str] = Field(description="From genesis to its epoch, each as hex")


class EvidencePostIn(BaseModel):
    """Nothing: the path says which case is posted."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
