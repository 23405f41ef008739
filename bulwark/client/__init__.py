"""Client of an alliance's node: async REST client and offline verifier."""

from bulwark.client.client import BulwarkClient
from bulwark.client.errors import (
    ApiProblem,
    ClientError,
    FieldRefusal,
    TimedOut,
    UnexpectedAnswer,
    Unreachable,
    VerificationFailed,
)
from bulwark.client.results import (
    Block,
    Consent,
    Member,
    Record,
    ReportBatch,
    Reported,
    ReportRow,
    Screening,
    ScreeningBatch,
    ScreeningReason,
    ScreeningRow,
    Stage,
)
from bulwark.client.verify import VerifiedRecord, verify_record_proof

__all__ = [
    "ApiProblem",
    "Block",
    "BulwarkClient",
    "ClientError",
    "Consent",
    "FieldRefusal",
    "Member",
    "Record",
    "ReportBatch",
    "ReportRow",
    "Reported",
    "Screening",
    "ScreeningBatch",
    "ScreeningReason",
    "ScreeningRow",
    "Stage",
    "TimedOut",
    "UnexpectedAnswer",
    "Unreachable",
    "VerificationFailed",
    "VerifiedRecord",
    "verify_record_proof",
]
