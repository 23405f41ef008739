"""What is left of the catalogue: malformed pieces, broken headers, forks behind a proof."""

from __future__ import annotations

from msgspec.structs import replace

from bulwark.audit.packfiles import (
    ANCHORS,
    BATCHES,
    CERTIFICATES,
    EPOCHS,
    HEADERS,
    MAX_ENTRIES,
    SIGNATURE,
)
from bulwark.audit.packzip import directory, local_header
from bulwark.ledger.ids import Epoch
from bulwark.ledger.proofs import RecordProof
from bulwark.verifier.codes import Code
from node.audit.packport import PackWish
from tests.unit.verifier.forging import (
    archived,
    batches,
    certificates,
    each,
    files_of,
    headers,
    kind,
    measured,
    signed,
    whole,
    with_batches,
    with_certificates,
    with_headers,
    without,
)
from tests.unit.verifier.scene import certify, packed, scene


@kind("a header of another epoch", Code.HEADER_INVALID, HEADERS, "header 3")
def header_of_another_epoch() -> bytes:
    files = whole()
    return signed(
        with_headers(files, each(headers(files), 3, lambda h: replace(h, epoch=Epoch(1))))
    )


@kind("a header with a time before its parent's", Code.HEADER_INVALID, HEADERS, "header 3")
def header_back_in_time() -> bytes:
    files = whole()
    before = headers(files)[2].timestamp_ms
    changed = each(headers(files), 3, lambda h: replace(h, timestamp_ms=before))
    return signed(with_headers(with_certificates(files, without(certificates(files), 2)), changed))


@kind("a header of another version", Code.HEADER_INVALID, HEADERS, "header 0")
def header_of_another_version() -> bytes:
    files = whole()
    return signed({**files, HEADERS: b"\x09" + files[HEADERS][1:]})


@kind("a record log that shrinks", Code.HEADER_INVALID, HEADERS, "header 2")
def shrinking_log() -> bytes:
    files = whole()
    return signed(
        with_headers(files, each(headers(files), 2, lambda h: replace(h, record_log_size=0)))
    )


@kind("an anchor that can not be read", Code.FILE_MALFORMED, ANCHORS, "anchor 0")
def malformed_anchor() -> bytes:
    files = whole()
    return signed({**files, ANCHORS: b"\x09" + files[ANCHORS][1:]})


@kind("an epoch that can not be read", Code.FILE_MALFORMED, EPOCHS, "epoch 1")
def malformed_epoch() -> bytes:
    files = whole()
    return signed({**files, EPOCHS: files[EPOCHS][:-3]})


@kind("a certificate that can not be read", Code.CERTIFICATE_MALFORMED, CERTIFICATES, "byte 0")
def malformed_certificate() -> bytes:
    files = whole()
    return signed({**files, CERTIFICATES: b"\xff" * 4 + files[CERTIFICATES][4:]})


@kind("a batch with a count out of bounds", Code.RECORD_MALFORMED, BATCHES, "byte 0")
def batch_count_out_of_bounds() -> bytes:
    files = whole()
    return signed({**files, BATCHES: bytes(8) + b"\xff" * 4 + files[BATCHES][12:]})


@kind("batches cut inside a record", Code.FILE_MALFORMED, BATCHES)
def batches_cut() -> bytes:
    files = whole()
    return signed({**files, BATCHES: files[BATCHES][:-10]})


@kind("a payload that is none", Code.RECORD_MALFORMED, BATCHES, "byte 0")
def payload_of_another_version() -> bytes:
    files = whole()
    at = 12 + 1 + 32 + 32 + 32
    content = files[BATCHES]
    return signed({**files, BATCHES: content[:at] + b"\x09" + content[at + 1 :]})


@kind("a batch twice", Code.BATCH_PLACE, BATCHES)
def batch_twice() -> bytes:
    files = whole()
    first, *rest = batches(files)
    return signed(with_batches(files, [first, first, *rest]))


@kind("batches in another order", Code.BATCH_MISSING, BATCHES, "anchor 0")
def batches_in_another_order() -> bytes:
    files = whole()
    first, second, *rest = batches(files)
    return signed(with_batches(files, [second, first, *rest]))


@kind("a batch behind the log's end", Code.BATCH_PLACE, BATCHES, "anchor 99")
def batch_behind_the_end() -> bytes:
    files = whole()
    more = replace(batches(files)[-1], position=99)
    return signed(with_batches(files, [*batches(files), more]))


@kind(
    "a proof of a forked chain",
    Code.PROOF_FORK,
    f"proofs/{scene().disputed.hex()}.json",
)
def proof_of_a_fork() -> bytes:
    """Every validator helps the forger: the proof holds by itself and names another block."""
    node, record = scene().node, scene().disputed
    files = files_of(packed(PackWish(records=(record,))))
    name = f"proofs/{record.hex()}.json"
    proof = RecordProof.from_json(files[name])
    sealed = proof.anchored.sealed
    other = replace(sealed.header, gas_used=sealed.header.gas_used + 1)
    forked = replace(sealed, header=other, certificate=certify(node, other))
    anchored = replace(proof.anchored, sealed=forked)
    return signed({**files, name: replace(proof, anchored=anchored).to_json()})


@kind("more files than the format has room for", Code.ARCHIVE_TOO_LARGE, "archive")
def too_many_files() -> bytes:
    files = whole()
    more = {f"documents/{number:05}.txt": b"" for number in range(MAX_ENTRIES)}
    parts, placed, offset = [], [], 0
    for name, content in {**files, **more}.items():
        entry = measured(name, content)
        placed.append((entry, offset))
        parts += [local_header(entry), content]
        offset += len(parts[-2]) + len(content)
    return b"".join(parts) + directory(placed)


@kind("a signature that is no document", Code.SIGNATURE_MALFORMED, SIGNATURE)
def malformed_signature() -> bytes:
    return archived({**whole(), SIGNATURE: b"{}"})
