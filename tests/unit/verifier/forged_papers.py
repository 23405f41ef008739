"""Forged proofs, policies, manifests, signatures and custody."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from bulwark.audit.packcustody import custody_document, read_custody
from bulwark.audit.packfiles import (
    CUSTODY,
    HEADERS,
    MANIFEST,
    SIGNATURE,
)
from bulwark.audit.packwriter import custody_entry
from bulwark.ledger.ids import Digest, Height, MemberId
from bulwark.verifier.codes import Code
from node.audit.packport import PackWish
from tests.unit.node.execution.alliance import STRANGER
from tests.unit.node.execution.alliance import make_genesis as other_genesis
from tests.unit.verifier.forging import (
    archived,
    files_of,
    kind,
    manifest_of,
    paperwork,
    signed,
    whole,
)
from tests.unit.verifier.scene import (
    ALPHA,
    AT_MS,
    DELTA,
    POLICY_ID,
    maker,
    packed,
    scene,
)

POLICY_FILE = f"policies/{POLICY_ID.hex()}.json"
EVIDENCE_FILE = f"evidence/{sha256(b'case').hexdigest()}.json"


@kind(
    "proofs swapped",
    Code.PROOF_SWAPPED,
    f"proofs/{min((scene().disputed, scene().erased)).hex()}.json",
)
def proof_swapped() -> bytes:
    ids = (scene().disputed, scene().erased)
    files = files_of(packed(PackWish(records=ids)))
    first, second = (f"proofs/{record.hex()}.json" for record in ids)
    return signed({**files, first: files[second], second: files[first]})


@kind("a proof forged", Code.PROOF_INVALID, f"proofs/{scene().disputed.hex()}.json")
def proof_forged() -> bytes:
    files = files_of(packed(PackWish(records=(scene().disputed,))))
    name = f"proofs/{scene().disputed.hex()}.json"
    proof = json.loads(files[name])
    proof["proof"]["index"] += 1
    return signed({**files, name: json.dumps(proof).encode()})


@kind("a policy document changed", Code.POLICY_CHANGED, POLICY_FILE)
def policy_changed() -> bytes:
    return signed({**whole(), POLICY_FILE: b'{"name":"another"}'})


@kind("a policy missing", Code.POLICY_MISSING, MANIFEST)
def policy_missing() -> bytes:
    files = whole()
    del files[POLICY_FILE]
    return signed(files)


@kind("a schema changed", Code.SCHEMA_CHANGED, "schemas/manifest.json")
def schema_changed() -> bytes:
    return signed({**whole(), "schemas/manifest.json": b"{}"})


@kind("evidence that is no document", Code.FILE_MALFORMED, EVIDENCE_FILE)
def evidence_malformed() -> bytes:
    return signed({**whole(), EVIDENCE_FILE: b"no JSON"})


@kind("a content hash made up", Code.MANIFEST_CONTENT, MANIFEST, "content_hash")
def content_hash_changed() -> bytes:
    document = json.loads(whole()[MANIFEST])
    document["content_hash"] = "00" * 32
    return manifest_signed(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())


def manifest_signed(manifest: bytes) -> bytes:
    return archived({**whole(), **paperwork(manifest, maker(scene().node), 1)})


@kind("a manifest in another spelling", Code.MANIFEST_MALFORMED, MANIFEST)
def manifest_respelled() -> bytes:
    return manifest_signed(json.dumps(json.loads(whole()[MANIFEST]), indent=1).encode())


@kind("a manifest with a field more", Code.MANIFEST_MALFORMED, MANIFEST, "verdict")
def manifest_with_a_field_more() -> bytes:
    document = {**json.loads(whole()[MANIFEST]), "verdict": "true"}
    return manifest_signed(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())


@kind("a manifest changed", Code.SIGNATURE_FORGED, SIGNATURE)
def manifest_changed() -> bytes:
    files = whole()
    return archived({**files, MANIFEST: replace(manifest_of(files), tool_version="9").to_json()})


@kind("a wrong format version", Code.FORMAT_UNKNOWN, MANIFEST, "format")
def format_of_another_version() -> bytes:
    document = {**json.loads(whole()[MANIFEST]), "format": "bulwark-evidence-pack/2"}
    return manifest_signed(json.dumps(document).encode())


@kind("a forged signature", Code.SIGNATURE_FORGED, SIGNATURE)
def signature_of_another_key() -> bytes:
    files = whole()
    signature = json.loads(files[SIGNATURE])
    signature["signature"] = STRANGER.sign(Digest(bytes(32))).hex()
    return archived({**files, SIGNATURE: json.dumps(signature).encode()})


@kind("a signer who is no member", Code.SIGNER_UNKNOWN, SIGNATURE)
def signed_by_a_stranger() -> bytes:
    return signed(whole(), replace(maker(scene().node), key=STRANGER))


@kind("a member signing in another's name", Code.SIGNER_UNKNOWN, SIGNATURE)
def signed_in_anothers_name() -> bytes:
    return signed(whole(), replace(maker(scene().node), member=MemberId("alpha")))


@kind("a signature in another's name", Code.SIGNATURE_MALFORMED, SIGNATURE)
def signature_names_another_member() -> bytes:
    files = whole()
    signature = {**json.loads(files[SIGNATURE]), "member": "alpha"}
    return archived({**files, SIGNATURE: json.dumps(signature).encode()})


@kind("another genesis named", Code.GENESIS_OTHER, MANIFEST, "genesis_hash")
def genesis_of_another_alliance() -> bytes:
    return signed(whole(), genesis_hash=other_genesis(gas_limit=1_000_000).hash)


@kind("the height range lied about", Code.CHAIN_TRUNCATED, HEADERS)
def height_range_lied_about() -> bytes:
    files = whole()
    return signed(files, chain_last=Height(manifest_of(files).chain_last + 5))


@kind("the last block lied about", Code.CHAIN_RANGE, HEADERS)
def block_hash_lied_about() -> bytes:
    return signed(whole(), block_hash=Digest(bytes(32)))


@kind("a selection beyond the chain", Code.CHAIN_RANGE, MANIFEST, "selection")
def selection_beyond_the_chain() -> bytes:
    files = whole()
    asked = manifest_of(files).selection
    return signed(files, selection=replace(asked, last=Height(asked.last + 1)))


def custody(change: Callable[[list[Any]], list[Any]]) -> bytes:
    """Three entries: made by delta, held by alpha, held by delta."""
    files = whole()
    entries = list(read_custody(files[CUSTODY]))
    for member in (ALPHA, DELTA):
        holder = maker(scene().node, member)
        entries.append(
            custody_entry(holder, entries[-1], files[MANIFEST], Height(9), AT_MS, "handed over")
        )
    return archived({**files, CUSTODY: custody_document(change(entries))})


@kind("a custody entry of a stranger", Code.CUSTODY_SIGNER, CUSTODY, "entry 1")
def custody_of_a_stranger() -> bytes:
    files = whole()
    entries = list(read_custody(files[CUSTODY]))
    holder = replace(maker(scene().node, ALPHA), key=STRANGER)
    entries.append(custody_entry(holder, entries[-1], files[MANIFEST], Height(9), AT_MS, ""))
    return archived({**files, CUSTODY: custody_document(entries)})


@kind("a custody begun by another", Code.CUSTODY_MAKER, CUSTODY, "entry 0")
def custody_begun_by_another() -> bytes:
    files = whole()
    entry = custody_entry(maker(scene().node, ALPHA), None, files[MANIFEST], Height(9), AT_MS, "")
    return archived({**files, CUSTODY: custody_document([entry])})


@kind("a custody entry removed", Code.CUSTODY_BROKEN, CUSTODY, "entry 1")
def a_custody_entry_removed() -> bytes:
    return custody(lambda e: [e[0], e[2]])


@kind("custody entries reordered", Code.CUSTODY_BROKEN, CUSTODY, "entry 1")
def custody_entries_reordered() -> bytes:
    return custody(lambda e: [e[0], e[2], e[1]])


@kind("a custody entry changed", Code.CUSTODY_FORGED, CUSTODY, "entry 1")
def a_custody_entry_changed() -> bytes:
    return custody(lambda e: [e[0], replace(e[1], note="never"), e[2]])


@kind("the custody emptied", Code.CUSTODY_MAKER, CUSTODY)
def the_custody_emptied() -> bytes:
    return custody(lambda e: [])


@kind("a custody that is no document", Code.CUSTODY_MALFORMED, CUSTODY)
def a_custody_that_is_no_document() -> bytes:
    return archived({**whole(), CUSTODY: b"[]"})
