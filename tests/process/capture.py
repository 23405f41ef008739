"""A whole alliance under the tap: what each party got to see of every guarded question.

The test holds all keystores and all wires, so it knows who asked what. A `Party` is given only what
that member's node received, keeps and owns; the tests play it and try to learn more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulwark.indicators.normalise import normalise
from bulwark.indicators.vocabulary import Kind as IndicatorKind
from bulwark.ledger.ids import MemberId
from bulwark.privacy.group import Scalar, multiply
from bulwark.privacy.oprf import Mode, evaluate
from bulwark.privacy.query import GuardedRequest
from bulwark.privacy.ring.ristretto import decode_proof
from bulwark.privacy.sealing import SealingKey
from bulwark.privacy.sharing import Share, recover
from bulwark.privacy.tags import tag_input
from bulwark.privacy.threshold import EvaluatorShare
from contracts.privacy.ceremony import KeyPurpose
from node.assembly import Home, open_home
from node.guarded.envelope import EnvelopeRefused, Envelopes, open_question
from node.guarded.relay import decode_pass
from node.network.kinds import Kind
from node.network.requests import HEAD_BYTES, ID_BYTES
from node.requests import Topic
from node.storage import schema
from tests.process.support import Alliance
from tests.process.wiretap import Wiretap

TAG_BYTES = 32


@dataclass(frozen=True)
class Passed:
    """A sealed question on its way to a relay."""

    asker: str
    relay: str
    target: str
    sealed: bytes


@dataclass(frozen=True)
class Arrived:
    """A sealed question that reached an evaluator."""

    relay: str
    evaluator: str
    sealed: bytes
    padded: bytes
    question: GuardedRequest


class Capture:
    """Everything that the members of a stopped alliance sent, and their homes."""

    def __init__(self, alliance: Alliance, tap: Wiretap) -> None:
        self.alliance, self.tap = alliance, tap
        self.names = alliance.names
        self.homes: dict[str, Home] = {
            name: open_home(alliance.node(name).home) for name in self.names
        }
        self.envelopes = Envelopes(alliance.genesis.domain())
        self.passed = list(self._passes())
        self.arrived = list(self._arrivals())

    def _requests(self, topic: Topic) -> list[tuple[str, str, bytes]]:
        """(sender, receiver, body) of every request of a topic."""
        found = []
        for sender in self.names:
            for receiver in self.names:
                if sender == receiver:
                    continue
                for kind, payload in self.tap.frames(sender, receiver):
                    if kind is Kind.REQUEST and payload[ID_BYTES] == topic:
                        found.append((sender, receiver, payload[HEAD_BYTES:]))
        return found

    def _passes(self) -> list[Passed]:
        return [
            Passed(asker, relay, *decode_pass(body))
            for asker, relay, body in self._requests(Topic.RELAY)
        ]

    def _arrivals(self) -> list[Arrived]:
        found = []
        for relay, evaluator, sealed in self._requests(Topic.GUARDED):
            padded = self.unseal(sealed, evaluator, evaluator)
            assert padded is not None, "an evaluator can not open what it was sent"
            found.append(Arrived(relay, evaluator, sealed, padded, open_question(padded)))
        return found

    def unseal(self, sealed: bytes, addressee: str, holder: str) -> bytes | None:
        """What a holder's key makes of a question for an addressee; None if it does not open."""
        key = SealingKey(self.homes[holder].secrets.sealing_key)
        try:
            return self.envelopes.unseal_question(sealed, MemberId(addressee), [key])
        except EnvelopeRefused:
            return None

    def asker_of(self, question: Arrived) -> str:
        """Who asked: only who sees all wires knows."""
        (asker,) = {one.asker for one in self.passed if one.sealed == question.sealed}
        return asker

    def share(self, name: str, purpose: KeyPurpose) -> EvaluatorShare:
        """A member's only share of a key, out of its file."""
        kept = self.homes[name].shares._shares.values()
        (share,) = [one.share for one in kept if one.purpose == purpose]
        return share

    def secret(self, names: Sequence[str], purpose: KeyPurpose) -> Scalar:
        """What these members' shares interpolate to: the key if they are t or more."""
        shares = [self.share(name, purpose) for name in names]
        return recover([Share(one.index, one.secret_share) for one in shares])

    def tag(self, secret: Scalar, kind: str, value: str) -> bytes:
        """The tag of a value under a key."""
        normal = normalise(IndicatorKind.parse(kind, "kind"), value, None).value
        version = self.alliance.genesis.oprf.tag_version
        output = evaluate(Mode.VOPRF, secret, tag_input(version, kind, normal))
        return output[:TAG_BYTES]

    def identities(self, name: str) -> dict[bytes, str]:
        """Bytes that name a member: its id, addresses, public keys and TLS pin."""
        member = self.homes[name].member
        given = {
            "id": member.id.encode(),
            "account": bytes(member.account),
            "node": bytes(member.node),
            "ring key": member.ring_key,
            "sealing key": member.sealing_key,
            "TLS pin": bytes(member.tls_pin),
        }
        return {data: f"{words} of {name}" for words, data in given.items() if data}

    def kept_questions(self, name: str) -> bytes:
        """What a node's database holds of questions, without the list of ring keys."""
        with self.alliance.store(name) as store:
            pairs = [
                key + b"\0" + value
                for key, value in store.iterate(schema.EVALUATIONS)
                if not key.startswith(schema.EVALUATIONS + b"\x05")
            ]
        return b"\n".join(pairs)


def opens_to(secret: Scalar, question: GuardedRequest, ring: Sequence[bytes]) -> bool:
    """Whether E2 - secret*E1 of a question's proof is a key of the ring."""
    proof = decode_proof(question.proof, len(ring))
    return (proof.e2 - multiply(secret, proof.e1)).encoding in set(ring)
