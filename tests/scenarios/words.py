"""Messages and effects in a few words, with names instead of digests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from bulwark.ledger.batch import NULL_BATCH, Batch
from bulwark.ledger.votes import Certificate
from consensus.effects import (
    Broadcast,
    CancelTimer,
    CheckBatch,
    Effect,
    EpochEnded,
    Execute,
    Halt,
    NeedProposal,
    Persist,
    Report,
    Send,
    SetTimer,
    Stable,
    SyncTo,
)
from consensus.messages import (
    Body,
    BodyRequest,
    Decision,
    Message,
    NewView,
    PrePrepare,
    StableProof,
    StatusReport,
    ViewChange,
    ViewChangeRequest,
    Vote,
)

KINDS: dict[str, type[Message]] = {
    "pre-prepare": PrePrepare,
    "view-change": ViewChange,
    "new-view": NewView,
    "status": StatusReport,
    "body-request": BodyRequest,
    "body": Body,
    "vc-request": ViewChangeRequest,
    "decision": Decision,
    "stable-proof": StableProof,
}
_NAMES = {cls: name for name, cls in KINDS.items()}


def kind_of(message: Message) -> str:
    """The word that selects it."""
    if isinstance(message, Vote):
        return message.subject.kind.name.lower()
    return _NAMES[type(message)]


def numbers(values: Iterable[int]) -> str:
    """A short list of validators."""
    return ",".join(str(v) for v in sorted(values)) or "-"


class Names:
    """What digests are called: batches by their requests, headers by height and batch."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {"null": NULL_BATCH}
        self._of: dict[bytes, str] = {NULL_BATCH.digest: "null"}

    def batch(self, batch: Batch) -> str:
        """The batch's name; the first of a name keeps it, others get a prime."""
        known = self._of.get(batch.digest)
        if known is None:
            words = [raw.decode("ascii", "replace") for raw in batch.transactions]
            plain = known = "+".join(words) or "empty"
            count = 1
            while known in self.batches:
                count += 1
                known = f"{plain}#{count}"
            self._of[batch.digest] = known
            self.batches[known] = batch
        return known

    def header(self, digest: bytes, height: int, batch: Batch) -> None:
        """Name a header."""
        self._of.setdefault(digest, f"[{height}:{self.batch(batch)}]")

    def digest(self, digest: bytes) -> str:
        """A digest's name, or its first bytes."""
        return self._of.get(digest, digest[:3].hex())

    # -- messages ----------------------------------------------------------------------------

    def certificate(self, certificate: Certificate) -> str:
        """Height, digest, view."""
        subject = certificate.subject
        return f"{subject.height}:{self.digest(subject.digest)}@{subject.view}"

    def message(self, message: Message) -> str:
        """Kind and what matters."""
        match message:
            case Vote(subject=s):
                view = "" if s.kind.name == "CHECKPOINT" else f" v{s.view}"
                return f"{s.kind.name}{view} h{s.height} {self.digest(s.digest)}"
            case PrePrepare():
                name = self.batch(message.batch)
                return f"PRE-PREPARE v{message.view} h{message.height} {name}"
            case ViewChange(view=view, checkpoint=checkpoint, prepared=prepared):
                base = "start" if checkpoint is None else f"{checkpoint.subject.height}"
                shown = " ".join(self.certificate(c) for c in prepared) or "nothing"
                return f"VIEW-CHANGE v{view} base {base} prepared {shown}"
            case NewView(view=view, view_changes=named, digests=digests):
                shown = " ".join(self.digest(d) for d in digests) or "nothing"
                return f"NEW-VIEW v{view} of {numbers(i for i, _ in named)} O {shown}"
            case StatusReport():
                words = ["changing" if message.changing else "normal"]
                words += ["silent"] if message.silent else []
                return (
                    f"STATUS v{message.view} {' '.join(words)} "
                    f"executed {message.executed} stable {message.stable}"
                )
            case BodyRequest(height=height, digest=digest):
                return f"BODY-REQUEST h{height} {self.digest(digest)}"
            case Body(height=height, batch=batch):
                return f"BODY h{height} {self.batch(batch)}"
            case ViewChangeRequest(view=view, hashes=hashes):
                return f"VC-REQUEST v{view} {len(hashes)} missing"
            case Decision(certificate=certificate):
                s = certificate.subject
                return f"DECISION v{s.view} h{s.height} {self.digest(s.digest)}"
            case StableProof(certificate=certificate):
                s = certificate.subject
                return f"STABLE-PROOF h{s.height} {self.digest(s.digest)}"
            case _:
                assert_never(message)

    # -- effects -----------------------------------------------------------------------------

    def effect(self, effect: Effect) -> str | None:
        """What it does, None for what is not worth a line."""
        match effect:
            case Send(to=to, message=message):
                return f"send to {to}: {self.message(message)}"
            case Broadcast(message=message):
                return f"send: {self.message(message)}"
            case Persist(records=records):
                return "persist " + ", ".join(record_words(k, v) for k, v in records)
            case NeedProposal(view=view, height=height):
                return f"may propose v{view} h{height}"
            case CheckBatch(batch=batch):
                return f"check {self.batch(batch)}"
            case Execute(height=height, batch=batch):
                return f"execute h{height} {self.batch(batch)}"
            case Stable(certificate=certificate):
                s = certificate.subject
                return f"stable h{s.height} {self.digest(s.digest)}"
            case SyncTo(certificate=certificate, from_=source):
                whom = "anyone" if source is None else str(source)
                return f"wants block sync to h{certificate.subject.height} from {whom}"
            case Report(evidence=evidence):
                return f"report {type(evidence).__name__} of {evidence.culprit}"
            case EpochEnded(certificate=certificate):
                return f"epoch ended at h{certificate.subject.height}"
            case Halt(reason=reason):
                return f"HALT {reason}"
            case SetTimer() | CancelTimer():
                return None
            case _:
                assert_never(effect)


def record_words(key: bytes, value: bytes | None) -> str:
    """A record's key for people."""
    name, _, rest = key.partition(b"/")
    text = name.decode()
    if name == b"vote":
        text = f"{('PREPARE', 'COMMIT', 'CHECKPOINT')[rest[0] - 1]} h{int.from_bytes(rest[1:9])}"
    elif rest:
        text += f" h{int.from_bytes(rest[:8])}"
    return text if value is not None else f"-{text}"
