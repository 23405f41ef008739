"""Every key of the node's database, in one place.

Rules: the first byte of a key says whose it is; numbers are big-endian, so that byte order is
number order; nobody builds a key by hand elsewhere. Values marked *sealed* end in a checksum
(`node.storage.seal`). Tags occur only in RECORDS_BY_TAG keys and in sidecars: both can be erased.
Consensus, outbox, vault and evaluator keep their own layout under the prefix they own here.
"""

from __future__ import annotations

import struct
from typing import Final

from bulwark.ledger.ids import Address, Digest, Height, RecordId, Tag
from node.storage.values import RecordPlace

FORMAT_VERSION: Final = b"bulwark-store/3"
"""Value under META_FORMAT; an older one is migrated (`node.storage.migrations`), others refused."""

META: Final = b"\x00"
"""Facts about the store itself."""
META_FORMAT: Final = META + b"format"
"""FORMAT_VERSION."""
META_GENESIS: Final = META + b"genesis"
"""Genesis hash, 32 bytes: a store belongs to one alliance."""
META_APPLIED: Final = META + b"applied"
"""Sealed: 8-byte height of the last executed block; flipped in the block's own batch."""
META_FRONTIER: Final = META + b"frontier"
"""Sealed: the record log's right edge after the last executed block."""
META_FINALIZED: Final = META + b"finalized"
"""Sealed: 8-byte height of the highest stored checkpoint certificate."""
META_STATE_FROM: Final = META + b"state"
"""Sealed: 8-byte height below which old states may be missing; absent = no state is missing."""
META_INSTALLED: Final = META + b"installed"
"""Sealed: last block that state sync stored above `applied`, and the record log's edge there."""
META_INSTALLED_EPOCH: Final = META + b"epoch"
"""+ epoch8, sealed: an epoch that begins above `applied`, until its blocks are the chain."""
META_PRUNED_FROM: Final = META + b"pruned"
"""Sealed: 8-byte height below which bodies of blocks may be missing; absent = none is."""
META_STATE_SWEEP: Final = META + b"sweep"
"""Empty: old states are being deleted, so a state node may lack a part of its subtree."""
META_SWEPT_FROM: Final = META + b"swept"
"""Sealed: 8-byte height below which states were deleted; absent = none was."""
META_RESTORED: Final = META + b"restored"
"""Sealed: what a restored database must not forget until it is at the tip (`node.backup`)."""
META_REKEYED: Final = META + b"rekeyed"
"""Sealed: mark8 of the vault key and of the index key that the rows are under."""
META_REKEYING: Final = META + b"rekeying"
"""Sealed: the marks that rows are brought to | phase1 (`node.rotation.rekeying`)."""
META_STAGED: Final = META + b"staged/"
"""+ key -> value: rows on their way to the keys that META_REKEYING names."""

HEADERS: Final = b"h"
"""height8 -> header, sealed."""
HEIGHTS_BY_HASH: Final = b"H"
"""block hash -> height8."""
BATCHES: Final = b"b"
"""height8 -> encoded batch, sealed; none for the genesis block."""
RECEIPTS: Final = b"r"
"""height8 -> receipts in order with the batch position of each transaction, sealed."""
COMMIT_CERTIFICATES: Final = b"c"
"""height8 -> commit certificate of the batch, sealed; may be missing (installed by sync)."""
CHECKPOINTS: Final = b"k"
"""height8 -> checkpoint certificate over the header hash, sealed; missing until final."""
TRANSACTIONS: Final = b"t"
"""transaction hash -> height8 | index4."""
SIDECARS: Final = b"s"
"""root -> encoded sidecar, sealed; entries may be erased."""
PENDING_SIDECARS: Final = b"p"
"""root -> applied height8 when it came: a sidecar that no executed block anchors yet."""
RECORDS: Final = b"i"
"""record id | height8 | transaction index4 | position4 -> height8 | index4 | root32 | position4.

The first one is the record's; a later one is of somebody who anchored a copy."""
RECORDS_BY_TAG: Final = b"g"
"""tag | height8 | transaction index4 | position4 -> id, reporter, time, payload, sealed."""
FOLLOW_UPS: Final = b"f"
"""height8 | transaction index4 | position4 -> record id32 | subject32 | operation1, sealed."""
LOG_NODES: Final = b"l"
"""level1 | index8 -> hash of a full subtree of the record log."""
LOG_LEAVES: Final = b"a"
"""index8 -> encoded anchor, sealed."""
LOG_INDEX: Final = b"A"
"""root or anchor id | index8 -> empty: where in the record log it stands."""
CONSENT_STATES: Final = b"W"
"""anchor id | height8 | transaction index4 | log index4 -> consent event, sealed."""
EVENTS: Final = b"e"
"""address | topic0 (32 zero bytes for none) | height8 -> empty: blocks that hold such a log."""
EPOCHS: Final = b"E"
"""epoch8 -> start, validators, governed parameters, sealed; none for epoch 0."""
STATE: Final = b"n"
"""keccak256 -> trie node or contract code; checked against its hash on every read.

A trie node that is here and is no code has its whole subtree here, codes and storage included,
unless META_STATE_SWEEP is there."""
CODES: Final = b"x"
"""keccak256 of each contract code -> empty: code may be made to look like a trie node."""

CONSENSUS: Final = b"v"
"""Votes, prepared certificates, bodies, view changes: the driver's."""
OUTBOX: Final = b"o"
"""Own transactions and records on their way: the mempool's."""
IDEMPOTENCY: Final = b"d"
"""Idempotency keys and their outcomes: the service's."""
CONSENTS: Final = b"w"
"""Encrypted consent receipts of this member: the vault's."""
EVALUATIONS: Final = b"u"
"""Spent nullifiers and served statements: the evaluator's."""
TAG_CACHE: Final = b"q"
"""Tags that this member asked for, encrypted: the tag cache's."""
OWN_HITS: Final = b"y"
"""Own questions that records answered, encrypted: recall's."""
ERASURES: Final = b"z"
"""Erasures and recalls under way, what was erased by which order: erasure's and recall's."""
DISPUTES: Final = b"j"
"""Reference codes of persons' disputes through this member, encrypted: the dispute desk's."""
BARE_SIDECARS: Final = ERASURES + b"\x04"
"""root -> empty: it came with a bare leaf, and no order that covers all of those is known yet."""
SAMPLES: Final = b"S"
"""block hash -> seed of samples that the delay function made of it, sealed: the audit desk's."""
PUSH: Final = b"P"
"""Events, webhooks and own questions for the retro-hunt, encrypted: the push desk's."""
SCREENING_JOBS: Final = b"J"
"""Screening jobs, how far each is and what they were asked, encrypted: the job desk's."""
EXCHANGE: Final = b"X"
"""What came in from MISP: foreign ids, records, kept values, cursors, encrypted: exchange's."""
INTERACTION: Final = b"I"
"""Customers' reports, cooling-offs, protections, feedback of this member: interaction's."""

IDENTITY: Final = b"U"
"""When API keys were last used, and which keys the access log knows: identity's."""
TAXII: Final = b"T"
"""When what came into TAXII collections, objects of the inbox, encrypted, statuses: TAXII's."""

ALL_PREFIXES: Final = (
    META, HEADERS, HEIGHTS_BY_HASH, BATCHES, RECEIPTS, COMMIT_CERTIFICATES, CHECKPOINTS,
    TRANSACTIONS, SIDECARS, PENDING_SIDECARS, RECORDS, RECORDS_BY_TAG, FOLLOW_UPS, LOG_NODES,
    LOG_LEAVES, LOG_INDEX, CONSENT_STATES, EVENTS, EPOCHS, STATE, CODES, CONSENSUS, OUTBOX,
    IDEMPOTENCY, CONSENTS, EVALUATIONS, TAG_CACHE, OWN_HITS, ERASURES, DISPUTES,
    SAMPLES, PUSH, SCREENING_JOBS, EXCHANGE, INTERACTION,
    IDENTITY, TAXII,
)  # fmt: skip
"""A key that begins with none of these is an orphan."""

NO_TOPIC: Final = bytes(32)
_ORDER: Final = struct.Struct(">QII")


def number8(value: int) -> bytes:
    """A height, index or size as 8 bytes."""
    return value.to_bytes(8, "big")


def header(height: Height) -> bytes:
    """Key of a block header."""
    return HEADERS + number8(height)


def height_by_hash(block_hash: Digest) -> bytes:
    """Key of the height of a block hash."""
    return HEIGHTS_BY_HASH + block_hash


def batch(height: Height) -> bytes:
    """Key of a batch body."""
    return BATCHES + number8(height)


def receipts(height: Height) -> bytes:
    """Key of a block's receipts."""
    return RECEIPTS + number8(height)


def commit_certificate(height: Height) -> bytes:
    """Key of a commit certificate."""
    return COMMIT_CERTIFICATES + number8(height)


def checkpoint(height: Height) -> bytes:
    """Key of a checkpoint certificate."""
    return CHECKPOINTS + number8(height)


def transaction(transaction_hash: Digest) -> bytes:
    """Key of a transaction's place."""
    return TRANSACTIONS + transaction_hash


def sidecar(root: Digest) -> bytes:
    """Key of a sidecar."""
    return SIDECARS + root


def pending_sidecar(root: Digest) -> bytes:
    """Key of the mark that a sidecar is not anchored yet."""
    return PENDING_SIDECARS + root


def bare_sidecar(root: Digest) -> bytes:
    """Key of the mark that a sidecar came with a bare leaf."""
    return BARE_SIDECARS + root


def record(record_id: RecordId) -> bytes:
    """Prefix of a record's places; the first of them is where it stands."""
    return RECORDS + record_id


def records_by_tag(tag: Tag) -> bytes:
    """Prefix of the record ids of a tag."""
    return RECORDS_BY_TAG + tag


def record_by_tag(tag: Tag, place: RecordPlace) -> bytes:
    """Key of one record of a tag."""
    return RECORDS_BY_TAG + tag + _ORDER.pack(place.height, place.transaction_index, place.position)


def last_order(height: Height) -> bytes:
    """Ledger order that nothing up to a height comes after, 16 bytes."""
    return _ORDER.pack(height, 0xFFFFFFFF, 0xFFFFFFFF)


def last_record_by_tag(tag: Tag, height: Height) -> bytes:
    """Key that no record of a tag up to a height comes after."""
    return RECORDS_BY_TAG + tag + _ORDER.pack(height, 0xFFFFFFFF, 0xFFFFFFFF)


def log_node(level: int, index: int) -> bytes:
    """Key of a record-log node."""
    return LOG_NODES + level.to_bytes(1, "big") + number8(index)


def log_leaf(index: int) -> bytes:
    """Key of an anchor in the record log."""
    return LOG_LEAVES + number8(index)


def log_index(name: bytes, index: int) -> bytes:
    """Key that says at which log position a root or anchor id stands."""
    return LOG_INDEX + name + number8(index)


def consent_states(anchor_id: bytes) -> bytes:
    """Prefix of the events of a consent, in the order of the ledger."""
    return CONSENT_STATES + anchor_id


def consent_state(
    anchor_id: bytes, height: Height, transaction_index: int, log_index: int
) -> bytes:
    """Key of one event of a consent."""
    return CONSENT_STATES + anchor_id + _ORDER.pack(height, transaction_index, log_index)


def last_consent_state(anchor_id: bytes, height: Height) -> bytes:
    """Key that no event of a consent up to a height comes after."""
    return consent_state(anchor_id, height, 0xFFFFFFFF, 0xFFFFFFFF)


def event(address: Address, topic: bytes, height: Height) -> bytes:
    """Key that says a block holds a log of this address and first topic."""
    return EVENTS + address + topic + number8(height)


def epoch(number: int) -> bytes:
    """Key of an epoch's record."""
    return EPOCHS + number8(number)


def state(node_hash: bytes) -> bytes:
    """Key of a trie node or contract code."""
    return STATE + node_hash


def code_mark(code_hash: bytes) -> bytes:
    """Key that says that a stored state value is a contract's code."""
    return CODES + code_hash


def installed_epoch(number: int) -> bytes:
    """Key of an epoch that state sync learned and that is not the chain's yet."""
    return META_INSTALLED_EPOCH + number8(number)
