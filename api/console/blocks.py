"""Blocks: the list, a block with what is in it, its certificate, and a transaction.

Rules: a certificate's signatures are checked again whenever its page is made, against the
validators that this node has for the block's epoch; lists are paged so that no page is long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from api.console.source import Source
from api.console.visit import View, Visit
from bulwark.ledger.errors import LedgerError
from bulwark.ledger.ids import Address, Digest, Height, ValidatorIndex
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from contracts.bindings import ConsentState, decode_consent_anchored, decode_records_anchored
from contracts.consents import CONSENT_REGISTRY
from contracts.evidence import EVIDENCE_REGISTRY
from contracts.governance import GOVERNANCE
from contracts.members import MEMBER_REGISTRY
from contracts.policies import POLICY_REGISTRY
from contracts.privacy.ceremony import KEY_CEREMONY
from contracts.privacy.keys import PRIVACY_KEYS
from contracts.privacy.openings import OPENINGS
from contracts.privacy.query_log import QUERY_LOG
from contracts.records import RECORD_REGISTRY
from node.ethereum import LogPlace, TooMany
from node.service import MemberView, NotFound

BLOCKS: Final = 25
"""Blocks of one page of the list."""
TRANSACTIONS: Final = 100
"""Transactions of a block that its page lists; all are counted."""
ANCHORS: Final = 200
"""Anchors of a block that its page lists."""
CONTRACTS: Final[Mapping[bytes, str]] = {
    MEMBER_REGISTRY: "Members",
    RECORD_REGISTRY: "Records",
    CONSENT_REGISTRY: "Consents",
    GOVERNANCE: "Governance",
    EVIDENCE_REGISTRY: "Evidence",
    POLICY_REGISTRY: "Policies",
    PRIVACY_KEYS: "Privacy keys",
    KEY_CEREMONY: "Key ceremonies",
    QUERY_LOG: "Query log",
    OPENINGS: "Openings",
}
"""Address of a contract of genesis -> what it is for."""
_CONSENT_WORDS: Final = {
    ConsentState.GIVEN: "consent given",
    ConsentState.WITHDRAWN: "consent withdrawn",
}


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """One anchor as a block's page lists it."""

    kind: str
    digest: bytes
    count: int | None
    """Records of a batch."""
    account: str
    member: str | None


@dataclass(frozen=True, slots=True)
class SignerRow:
    """One validator and whether a certificate has its signature."""

    position: int
    member: str
    address: str
    signature: bytes | None


class BlockPages:
    """Handlers of /console/blocks and /console/transactions."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def every(self, visit: Visit) -> View:
        """GET /console/blocks."""
        wanted = visit.page_number("from")
        tip = await self._source.tip()
        first = tip if wanted is None else min(wanted, tip)
        last = max(0, first - BLOCKS + 1)
        heights = range(first, last - 1, -1)
        blocks = [await self._source.service.block(height) for height in heights]
        values = {
            "blocks": blocks,
            "first": first,
            "last": last,
            "newer": min(tip, first + BLOCKS) if first < tip else None,
            "older": last - 1 if last > 0 else None,
        }
        return View("blocks.html", "Blocks", values)

    async def show(self, visit: Visit) -> View:
        """GET /console/blocks/{height}."""
        visit.exchange.query()
        height = visit.number("height")
        view = await self._source.service.block(height)
        anchors, is_cut = self._anchors(view.header.height)
        tip = await self._source.tip()
        terms = self._source.service.epoch_at(view.header.height)
        values = {
            "block": view,
            "header": view.header,
            "anchors": anchors,
            "anchors_cut": is_cut,
            "transactions": view.transaction_hashes[:TRANSACTIONS],
            "signed": 0 if view.checkpoint is None else len(view.checkpoint.signatures),
            "validators": len(terms.validators),
            "quorum": terms.validators.quorum,
            "previous": height - 1 if height > 0 else None,
            "next": height + 1 if height < tip else None,
        }
        return View("block.html", f"Block {height:,}", values, (("Blocks", "/console/blocks"),))

    async def certificate(self, visit: Visit) -> View:
        """GET /console/blocks/{height}/certificate."""
        visit.exchange.query()
        height = visit.number("height")
        view = await self._source.service.block(height)
        terms = self._source.service.epoch_at(view.header.height)
        fault = None
        if view.checkpoint is not None:
            try:
                terms.verify(view.header, view.checkpoint)
            except LedgerError as error:
                fault = str(error)
        rows = _signers(view.checkpoint, terms.validators)
        values = {
            "block": view,
            "height": height,
            "terms": terms,
            "rows": rows,
            "signed": sum(row.signature is not None for row in rows),
            "fault": fault,
            "encoded": None if view.checkpoint is None else view.checkpoint.encode(),
        }
        crumbs = (("Blocks", "/console/blocks"), (f"Block {height:,}", f"/console/blocks/{height}"))
        return View("certificate.html", f"Certificate of block {height:,}", values, crumbs)

    async def transaction(self, visit: Visit) -> View:
        """GET /console/transactions/{hash}."""
        visit.exchange.query()
        place = self._source.ethereum.transaction(Digest(visit.digest("hash")))
        if place is None:
            raise NotFound("no executed block of this node has such a transaction")
        found = self._source.ethereum.block(place.height)
        if found is None:
            raise NotFound("the block of this transaction is not kept here")
        receipt = found.receipts[place.index]
        transaction = place.transaction
        sender = f"0x{transaction.sender.hex()}"
        values = {
            "place": place,
            "transaction": transaction,
            "receipt": receipt,
            "sender": sender,
            "member": self._source.names_by_account().get(sender),
            "contract": contract_name(transaction.to),
            "events": [(contract_name(log.address), log) for log in receipt.logs],
            "timestamp_ms": found.header.timestamp_ms,
        }
        height = place.height
        crumbs = (("Blocks", "/console/blocks"), (f"Block {height:,}", f"/console/blocks/{height}"))
        return View("transaction.html", "Transaction", values, crumbs)

    def _anchors(self, height: Height) -> tuple[list[AnchorRow], bool]:
        """Anchors of a block, and whether there are more than are listed."""
        registries = [Address(RECORD_REGISTRY), Address(CONSENT_REGISTRY)]
        ethereum = self._source.ethereum
        try:
            logs = ethereum.logs(height, height, registries, (), ANCHORS)
        except TooMany:
            return [], True
        return list(_anchor_rows(logs, self._source.names_by_account())), False


def contract_name(address: bytes | None) -> str:
    """What a contract is for; its address for one that the node does not know."""
    if address is None:
        return "a new contract"
    return CONTRACTS.get(bytes(address), f"0x{address.hex()}")


def _anchor_rows(logs: list[LogPlace], names: Mapping[str, MemberView]) -> Iterator[AnchorRow]:
    for place in logs:
        log = place.log
        records = decode_records_anchored(log.address, log.topics, log.data)
        if records is not None:
            account = f"0x{records.reporter.hex()}"
            member = names.get(account)
            name = None if member is None else member.id
            yield AnchorRow("batch of records", records.root, records.count, account, name)
            continue
        consent = decode_consent_anchored(log.address, log.topics, log.data)
        if consent is not None:
            account = f"0x{consent.issuer.hex()}"
            member = names.get(account)
            kind = _CONSENT_WORDS.get(consent.event_kind, "consent event")
            name = None if member is None else member.id
            yield AnchorRow(kind, consent.anchor_id, None, account, name)


def _signers(certificate: Certificate | None, validators: ValidatorSet) -> list[SignerRow]:
    """Every validator of an epoch, in the order in which its certificates name them."""
    signed = {} if certificate is None else dict(certificate.signatures)
    return [
        SignerRow(
            at, validator.member, f"0x{validator.address.hex()}", signed.get(ValidatorIndex(at))
        )
        for at, validator in enumerate(validators.validators)
    ]
