"""The text log of a world: one line of fixed columns an event, for reading a failing seed.

Columns: milliseconds since the start, node, epoch, view, executed height, event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from consensus.events import (
    BatchChecked,
    Event,
    Executed,
    PeerDown,
    PeerUp,
    ProposalReady,
    Received,
    StateInstalled,
    TimerFired,
    TxPending,
)
from consensus.messages import (
    Decision,
    Message,
    NewView,
    PrePrepare,
    StableProof,
    StatusReport,
    ViewChange,
    Vote,
)

if TYPE_CHECKING:
    from tests.simulation.node import SimNode
    from tests.simulation.world import World

HEAD = "   time ms node epoch  view height event"


class Tracer:
    """Writes the log."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        out.write(HEAD + "\n")

    def step(self, world: World, node: SimNode, event: Event) -> None:
        """A replica handled an event."""
        self.note(world, node, describe_event(event))

    def note(self, world: World, node: SimNode, text: str) -> None:
        """Something happened to a node."""
        shot = None if node.replica is None else node.replica.snapshot()
        view = "-" if shot is None else f"{shot.view}{'*' if shot.status == 'changing' else ''}"
        self._out.write(
            f"{world.now - world.began:10d} {node.index:4d} {node.span.number:5d} {view:>5} "
            f"{node.ledger.height:6d} {text}\n"
        )


def describe_event(event: Event) -> str:
    """One event in a few words."""
    match event:
        case Received(sender=sender, message=authenticated):
            return f"<- {sender} {describe_message(authenticated.message)}"
        case TimerFired(name=name):
            return f"timer {name}"
        case ProposalReady(view=view, height=height, batch=batch):
            return f"propose {view}/{height} {batch.digest[:4].hex()} {len(batch.transactions)} tx"
        case BatchChecked(digest=digest, ok=ok):
            return f"checked {digest[:4].hex()} {'ok' if ok else 'refused'}"
        case Executed(height=height, header_hash=hashed, epoch_end=end):
            return f"executed {height} {hashed[:4].hex()}" + (f" end {end}" if end else "")
        case StateInstalled(height=height):
            return f"installed {height}"
        case TxPending(count=count):
            return f"pending {count}"
        case PeerUp(index=index):
            return f"up {index}"
        case PeerDown(index=index):
            return f"down {index}"
        case _:
            return type(event).__name__


def describe_message(message: Message) -> str:
    """One message in a few words."""
    match message:
        case Vote(subject=s, signer=signer):
            return f"{s.kind.name} {s.view}/{s.height} {s.digest[:4].hex()} of {signer}"
        case PrePrepare(view=view, height=height, digest=digest, signer=signer):
            return f"PRE-PREPARE {view}/{height} {digest[:4].hex()} of {signer}"
        case ViewChange(view=view, signer=signer, prepared=prepared):
            base = message.base_above(0)  # type: ignore[arg-type]
            shown = " ".join(
                f"{c.subject.view}/{c.subject.height}:{c.subject.digest[:4].hex()}"
                for c in prepared
            )
            return f"VIEW-CHANGE {view} of {signer} base {base} prepared [{shown}]"
        case NewView(view=view, signer=signer, digests=digests):
            shown = " ".join(d[:4].hex() for d in digests)
            return f"NEW-VIEW {view} of {signer} O [{shown}]"
        case StatusReport(view=view, executed=executed, stable=stable, silent=silent):
            quiet = " silent" if silent else ""
            return f"STATUS view {view} executed {executed} stable {stable}{quiet}"
        case Decision(certificate=c):
            return f"DECISION {c.subject.height} {c.subject.digest[:4].hex()}"
        case StableProof(certificate=c):
            return f"STABLE-PROOF {c.subject.height}"
        case _:
            return type(message).__name__
