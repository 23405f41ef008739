"""Messages that a Byzantine validator makes with its own key, and certificates made by hand.

Certificates are assembled from votes that were really sent, or are forged too if their signers are
Byzantine: a scenario can not have what an adversary could not.
"""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.ledger.batch import Batch
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Digest, Height, TimestampMs, ValidatorIndex, View
from bulwark.ledger.votes import Certificate, VoteKind, VoteSubject
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
    Vote,
)
from consensus.terms import Terms
from tests.reference.new_view import claim_of, reference_o
from tests.scenarios.keys import make_keyring
from tests.scenarios.script import Args, ScenarioError, parse_numbers
from tests.scenarios.stage import Stage


class Forge:
    """Makes messages for one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def terms(self) -> Terms:
        """The stage's epoch."""
        return self.stage.terms

    def make(self, args: Args) -> Message:
        """The message a `forge` command asks for."""
        maker = getattr(self, "_" + args.words[0].replace("-", "_"), None)
        if maker is None:
            raise ScenarioError(f"no message {args.words[0]!r} can be forged")
        message: Message = maker(args, int(args.get("by", "0")))
        return message

    # -- signing -----------------------------------------------------------------------------

    def _key(self, args: Args, signer: int) -> int:
        """Whose key signs: the named signer's, or the forger's own under another's name."""
        key = args.number("key", signer)
        if key not in self.stage.watch.faulty:
            raise ScenarioError(f"nobody can sign with the key of honest {key}")
        return key

    def signed(self, args: Args, message: Message) -> Message:
        """Sign all but votes."""
        if isinstance(message, Vote | Body | Decision | StableProof):
            return message
        keyring = make_keyring(self._key(args, message.signer), self.terms)
        return replace(message, signature=keyring.sign(message.TAG, message.signed_body()))

    def vote(self, args: Args, kind: VoteKind, view: int, height: int, digest: Digest) -> Vote:
        """A signed vote."""
        signer = int(args.get("by", "0"))
        subject = VoteSubject(kind, View(view), Height(height), digest)
        keyring = make_keyring(self._key(args, signer), self.terms)
        return Vote(subject, ValidatorIndex(signer), keyring.sign_vote(subject))

    def batch(self, args: Args) -> Batch:
        """A known batch by its name, else a new one with this one request."""
        name = args.get("batch", "null")
        known = self.stage.names.batches.get(name)
        if known is not None and "time" not in args.options:
            return known
        at_ms = self.stage.now + args.number("time", 0)
        batch = Batch(TimestampMs(at_ms), tuple(part.encode() for part in name.split("+")))
        self.stage.names.batch(batch)
        return batch

    # -- votes and proposals -----------------------------------------------------------------

    def _phase(self, args: Args, kind: VoteKind) -> Vote:
        view, height = args.number("view", 0), args.number("height", 1)
        return self.vote(args, kind, view, height, self.batch(args).digest)

    def _prepare(self, args: Args, by: int) -> Vote:
        return self._phase(args, VoteKind.PREPARE)

    def _commit(self, args: Args, by: int) -> Vote:
        return self._phase(args, VoteKind.COMMIT)

    def _checkpoint(self, args: Args, by: int) -> Vote:
        height = args.number("height", 1)
        digest = self._header(args, height)
        return self.vote(args, VoteKind.CHECKPOINT, 0, height, digest)

    def _header(self, args: Args, height: int) -> Digest:
        block = self.stage.watch.chain.get(height)
        if "lie" in args.options or block is None:
            return sha256(b"lie " + args.get("lie").encode())
        return block.header_hash

    def _pre_prepare(self, args: Args, by: int) -> Message:
        batch = self.batch(args)
        view, height = args.number("view", 0), args.number("height", 1)
        vote = self.vote(args, VoteKind.PREPARE, view, height, batch.digest)
        message = PrePrepare(
            View(view), Height(height), batch.digest, vote.signer, b"", vote.signature, batch
        )
        return self.signed(args, message)

    # -- views -------------------------------------------------------------------------------

    def _view_change(self, args: Args, by: int) -> Message:
        prepared = tuple(self._prepared(part) for part in args.get("prepared").split(",") if part)
        base = args.get("base")
        checkpoint = self.certificate(VoteKind.CHECKPOINT, 0, int(base)) if base else None
        view = View(args.number("view", 1))
        message = ViewChange(view, checkpoint, prepared, ValidatorIndex(by), b"")
        return self.signed(args, message)

    def _prepared(self, text: str) -> Certificate:
        """height:batch@view, with ! behind it for a certificate that does not hold."""
        place, _, view = text.rstrip("!").partition("@")
        height, _, name = place.partition(":")
        found = self.certificate(VoteKind.PREPARE, int(view), int(height), name)
        if text.endswith("!"):
            signer, signature = found.signatures[0]
            broken = (signer, bytes(len(signature)))
            found = Certificate(found.subject, (broken, *found.signatures[1:]))
        return found

    def _new_view(self, args: Args, by: int) -> Message:
        view = args.number("view", 1)
        oldest = args.numbers("oldest", ())
        changes = [self._change(view, i, i in oldest) for i in parse_numbers(args.get("of"))]
        _, digests = reference_o([claim_of(c, self.terms.start) for c in changes])
        if "o" in args.options:
            names = [part for part in args.get("o").split(",") if part != "-"]
            batches = self.stage.names.batches
            digests = [
                batches[name].digest if name in batches else sha256(name.encode()) for name in names
            ]
        message = NewView(
            View(view),
            tuple((change.signer, change.hash()) for change in changes),
            tuple(Digest(digest) for digest in digests),
            ValidatorIndex(by),
            b"",
        )
        return self.signed(args, message)

    def _change(self, view: int, signer: int, oldest: bool) -> ViewChange:
        """The last VIEW-CHANGE that a validator sent for a view, or the first one."""
        history = self.stage.history
        for mail in history if oldest else reversed(history):
            message = mail.message
            if isinstance(message, ViewChange) and (message.view, message.signer) == (view, signer):
                return message
        raise ScenarioError(f"{signer} sent no VIEW-CHANGE for view {view}")

    # -- the rest ----------------------------------------------------------------------------

    def _status(self, args: Args, by: int) -> Message:
        message = StatusReport(
            View(args.number("view", 0)),
            "changing" in args.words,
            Height(args.number("executed", 0)),
            Height(args.number("stable", 0)),
            "silent" in args.words,
            (),
            ValidatorIndex(by),
            b"",
        )
        return self.signed(args, message)

    def _body(self, args: Args, by: int) -> Message:
        return Body(Height(args.number("height", 1)), self.batch(args))

    def _body_request(self, args: Args, by: int) -> Message:
        height, digest = Height(args.number("height", 1)), self.batch(args).digest
        return self.signed(args, BodyRequest(height, digest, ValidatorIndex(by), b""))

    def _decision(self, args: Args, by: int) -> Message:
        view, height = args.number("view", 0), args.number("height", 1)
        name = args.get("batch")
        signers = parse_numbers(args.get("signers")) if "signers" in args.options else None
        kind = VoteKind[args.get("of", "commit").upper()]
        certificate = self.certificate(kind, view, height, name, signers)
        return Decision(certificate, self.batch(args))

    def _stable_proof(self, args: Args, by: int) -> Message:
        height = args.number("height", 1)
        signers = parse_numbers(args.get("signers")) if "signers" in args.options else None
        return StableProof(self.certificate(VoteKind.CHECKPOINT, 0, height, "", signers))

    def certificate(
        self,
        kind: VoteKind,
        view: int,
        height: int,
        name: str = "",
        signers: tuple[int, ...] | None = None,
    ) -> Certificate:
        """Put together from votes that were sent; with `signers`, exactly theirs in this order."""
        votes = self.sent_votes(kind, view, height, name)
        quorum = self.terms.validators.quorum
        chosen = tuple(sorted(votes))[:quorum] if signers is None else signers
        missing = [i for i in chosen if i not in votes]
        if missing or not chosen or (signers is None and len(chosen) < quorum):
            raise ScenarioError(f"no {kind.name} votes of {missing or 'a quorum'} at h{height}")
        subject = votes[chosen[0]].subject
        pairs = tuple((ValidatorIndex(i), votes[i].signature) for i in chosen)
        return Certificate(subject, pairs)

    def sent_votes(self, kind: VoteKind, view: int, height: int, name: str) -> dict[int, Vote]:
        """Votes by signer; PREPAREs inside PRE-PREPAREs count."""
        found: dict[int, Vote] = {}
        for mail in self.stage.history:
            vote = mail.message
            if isinstance(vote, PrePrepare):
                subject = VoteSubject(VoteKind.PREPARE, vote.view, vote.height, vote.digest)
                vote = Vote(subject, vote.signer, vote.vote_signature)
            if not isinstance(vote, Vote):
                continue
            s = vote.subject
            if (s.kind, s.view, s.height) != (kind, view, height):
                continue
            if not name or self.stage.names.digest(s.digest) == name:
                found.setdefault(vote.signer, vote)
        return found
