"""A query whose ring proof was checked: the safe way from an archived query to an opening.

A statement hash names what was asked and not the ciphertext, so an anchored leaf alone may pair it
with any E1 and E2. A `ProvenQuery` exists only if the ring proof holds for the statement, and takes
nullifier, E1 and E2 from that proof: a council member, a regulator and a court that start from here
open no pair but the one its asker made for itself.

Rules owned here: statement and opener must agree (PK, opener epoch), or the parts would decrypt
with another key than the query was made for. The weights of the check are hashed from the proof, so
everybody who checks comes to the same answer.

It does not know the ledger: that the statement's ring, opener and genesis hash are those of the
statement's ring height is for the caller to compare.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.privacy.errors import CaseRefused
from bulwark.privacy.exculpation import DisputedQuery
from bulwark.privacy.openingcase import (
    Anchor,
    Anchorage,
    CommittedStatement,
    Opener,
    OpeningCase,
    statement_leaf,
)
from bulwark.privacy.openingresult import LedgerFacts
from bulwark.privacy.ring.ristretto import Proof, Statement
from bulwark.privacy.ring.verifier import claim, hashed_weights


class ProvenQuery(Struct, frozen=True):
    """A statement and a proof that holds for it. Raises `ProofRefused`."""

    statement: Statement
    proof: Proof

    def __post_init__(self) -> None:
        claimed = claim(self.statement, self.proof)
        claimed.check_all(hashed_weights((claimed,)))

    @property
    def leaf(self) -> bytes:
        """What stands for the query in the logs of the evaluators that served it, 32 bytes."""
        proof = self.proof
        return statement_leaf(self.statement.statement_hash(), proof.nullifier, proof.e1, proof.e2)

    def committed(self, anchorage: Anchorage) -> CommittedStatement:
        """The query with its place under an anchored root. Raises `CaseRefused`."""
        proof = self.proof
        return CommittedStatement(
            self.statement.statement_hash(), proof.nullifier, proof.e1, proof.e2, anchorage
        )

    def case(self, case_id: bytes, anchorage: Anchorage, opener: Opener) -> OpeningCase:
        """The case that opens this query.

        Raises `CaseRefused` for a query that is not under the root or was made for another opener,
        `InputRefused`.
        """
        self._check_opener(opener)
        statement = self.statement
        return OpeningCase(
            statement.chain_id,
            statement.genesis_hash,
            case_id,
            self.committed(anchorage),
            opener,
        )

    def facts(self, case_id: bytes, anchor: Anchor, opener: Opener) -> LedgerFacts:
        """What a record of this query's opening is checked against; `anchor` from the ledger.

        Raises `CaseRefused` for another opener than the query was made for.
        """
        self._check_opener(opener)
        statement = self.statement
        return LedgerFacts(
            chain_id=statement.chain_id,
            genesis_hash=statement.genesis_hash,
            case_id=case_id,
            statement_hash=statement.statement_hash(),
            opener=opener,
            anchor=anchor,
            ring=statement.ring.keys,
        )

    def disputed(self) -> DisputedQuery:
        """The query as a member clears itself of it, with U computed from scope and slot."""
        statement = self.statement
        return DisputedQuery(
            statement.chain_id,
            statement.genesis_hash,
            statement.statement_hash(),
            statement.scope_point,
            self.proof.nullifier,
        )

    def _check_opener(self, opener: Opener) -> None:
        if opener.epoch != self.statement.opener_epoch:
            raise CaseRefused(
                f"the query was made for opener epoch {self.statement.opener_epoch}, "
                f"not {opener.epoch}"
            )
        if opener.public_key != self.statement.opener:
            raise CaseRefused("the query was made for another opener's key")
