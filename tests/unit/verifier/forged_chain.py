"""Forged headers, certificates, epochs and anchors."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec.structs import replace

from bulwark.audit.packfiles import (
    ANCHORS,
    CERTIFICATES,
    EPOCHS,
    HEADERS,
)
from bulwark.ledger.ids import Height
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from bulwark.verifier.codes import Code
from node.audit.packport import PackWish
from tests.unit.node.execution.alliance import STRANGER
from tests.unit.node.execution.alliance import make_genesis as other_genesis
from tests.unit.verifier.forging import (
    anchors,
    certificates,
    each,
    epochs,
    files_of,
    headers,
    kind,
    signed,
    whole,
    with_anchors,
    with_certificates,
    with_epochs,
    with_headers,
    without,
)
from tests.unit.verifier.scene import (
    POLICY_ID,
    certify,
    packed,
    scene,
)

POLICY_FILE = f"policies/{POLICY_ID.hex()}.json"
EVIDENCE_FILE = f"evidence/{sha256(b'case').hexdigest()}.json"


@kind("a header field changed", Code.CERTIFICATE_OTHER, CERTIFICATES, "header 2")
def header_changed() -> bytes:
    files = whole()
    changed = each(headers(files), 2, lambda h: replace(h, gas_used=h.gas_used + 1))
    return signed(with_headers(files, changed))


@kind("a header changed and its certificate taken away", Code.CHAIN_BROKEN, HEADERS, "header 3")
def header_changed_without_certificate() -> bytes:
    files = whole()
    files = with_certificates(files, without(certificates(files), 1))
    changed = each(headers(files), 2, lambda h: replace(h, gas_used=h.gas_used + 1))
    return signed(with_headers(files, changed))


@kind("headers truncated", Code.CHAIN_TRUNCATED, HEADERS)
def headers_truncated() -> bytes:
    files = whole()
    return signed(with_headers(files, headers(files)[:-1]))


@kind("a header dropped", Code.CHAIN_BROKEN, HEADERS, "header 5")
def header_dropped_in_the_middle() -> bytes:
    files = whole()
    kept = without(headers(files), 5)
    return signed(with_headers(files, kept), chain_last=Height(kept[-1].height - 1))


@kind("a header renumbered", Code.CHAIN_BROKEN, HEADERS, "header 4")
def header_of_another_height() -> bytes:
    files = whole()
    return signed(with_headers(files, each(headers(files), 4, lambda h: replace(h, height=9))))


def certificate_changed(at: int, change: Callable[[Certificate], Certificate]) -> bytes:
    files = whole()
    return signed(with_certificates(files, each(certificates(files), at, change)))


@kind("a forged certificate", Code.CERTIFICATE_FORGED, CERTIFICATES, "header 1")
def certificate_forged() -> bytes:
    def change(certificate: Certificate) -> Certificate:
        digest = certificate.subject.signing_digest(scene().node.genesis.domain())
        (first, _), *rest = certificate.signatures
        return replace(certificate, signatures=((first, STRANGER.sign(digest)), *rest))

    return certificate_changed(0, change)


@kind("a certificate of too few", Code.CERTIFICATE_FEW, CERTIFICATES, "header 2")
def certificate_of_too_few() -> bytes:
    return certificate_changed(1, lambda c: replace(c, signatures=c.signatures[:-1]))


@kind("a certificate with one signature for all", Code.CERTIFICATE_FORGED, CERTIFICATES, "header 2")
def certificate_of_one_repeated_signature() -> bytes:
    def change(certificate: Certificate) -> Certificate:
        (_, signature), *_ = certificate.signatures
        return replace(
            certificate, signatures=tuple((i, signature) for i, _ in certificate.signatures)
        )

    return certificate_changed(1, change)


@kind("a certificate of old validators", Code.CERTIFICATE_OLD, CERTIFICATES)
def certificate_of_old_validators() -> bytes:
    at = scene()
    header = at.node.chain.header(Height(at.epoch_end + 1))
    assert header is not None
    return certificate_changed(at.epoch_end, lambda _: certify(at.node, header, epoch=0))


@kind("a certificate of another block", Code.CERTIFICATE_OTHER, CERTIFICATES)
def certificate_of_another_block() -> bytes:
    files = whole()
    made = certificates(files)
    moved = replace(made[2].subject, height=made[1].subject.height)
    return signed(
        with_certificates(files, each(made, 1, lambda _: replace(made[2], subject=moved)))
    )


@kind("the tip's certificate removed", Code.CERTIFICATE_MISSING, CERTIFICATES)
def tip_certificate_removed() -> bytes:
    files = whole()
    return signed(with_certificates(files, certificates(files)[:-1]))


@kind("a certificate beyond the tip", Code.CERTIFICATE_STRAY, CERTIFICATES)
def certificate_beyond_the_tip() -> bytes:
    files = whole()
    last = certificates(files)[-1]
    subject = replace(last.subject, height=last.subject.height + 1)
    return signed(with_certificates(files, [*certificates(files), replace(last, subject=subject)]))


@kind("certificates out of order", Code.CERTIFICATE_MALFORMED, CERTIFICATES)
def certificates_out_of_order() -> bytes:
    files = whole()
    first, second, *rest = certificates(files)
    return signed(with_certificates(files, [second, first, *rest]))


@kind("a commit certificate for finality", Code.CERTIFICATE_MALFORMED, CERTIFICATES)
def commit_certificate_instead() -> bytes:
    def change(certificate: Certificate) -> Certificate:
        from bulwark.ledger.votes import VoteKind

        return replace(certificate, subject=replace(certificate.subject, kind=VoteKind.COMMIT))

    return certificate_changed(1, change)


@kind("the certificate of an epoch's end removed", Code.CERTIFICATE_MISSING, CERTIFICATES)
def epoch_certificate_removed() -> bytes:
    files = whole()
    return signed(with_certificates(files, without(certificates(files), scene().epoch_end - 1)))


@kind("the validators of an epoch swapped", Code.EPOCH_WRONG, EPOCHS, "epoch 1")
def epoch_change_swapped() -> bytes:
    files = whole()
    [(header, validators)] = epochs(files)
    own = replace(validators.validators[0], address=STRANGER.address)
    forged = ValidatorSet(validators.epoch, (own, *validators.validators[1:]))
    return signed(with_epochs(files, [(header, forged)]))


@kind("an epoch change dropped", Code.EPOCH_MISSING, EPOCHS, "epoch 1")
def epoch_change_dropped() -> bytes:
    return signed(with_epochs(whole(), []))


@kind("an epoch change added", Code.EPOCH_EXTRA, EPOCHS, "epoch 2")
def epoch_change_added() -> bytes:
    files = whole()
    [(header, validators)] = epochs(files)
    later = ValidatorSet(validators.epoch + 1, validators.validators)  # type: ignore[arg-type]
    return signed(with_epochs(files, [(header, validators), (headers(files)[-1], later)]))


@kind("a foreign chain", Code.CHAIN_FOREIGN, HEADERS, "header 0")
def foreign_chain() -> bytes:
    files = whole()
    first, *rest = headers(files)
    return signed(with_headers(files, [replace(first, batch_digest=other_genesis().hash), *rest]))


@kind("an anchor dropped", Code.LOG_MISSING, ANCHORS, "anchor 1")
def anchor_dropped() -> bytes:
    files = whole()
    return signed(with_anchors(files, without(anchors(files), 1)))


@kind("anchors reordered", Code.LOG_ORDER, ANCHORS, "anchor 1")
def anchors_reordered() -> bytes:
    files = whole()
    first, second, *rest = anchors(files)
    return signed(with_anchors(files, [second, first, *rest]))


@kind("an anchor changed", Code.LOG_ROOT, ANCHORS)
def anchor_changed() -> bytes:
    files = whole()
    changed = each(anchors(files), 2, lambda a: replace(a, account=STRANGER.address))
    return signed(with_anchors(files, changed))


@kind("the log truncated", Code.LOG_TRUNCATED, ANCHORS, "anchor 6")
def log_truncated() -> bytes:
    files = whole()
    return signed(with_anchors(files, anchors(files)[:-1]))


@kind("the log cut inside an anchor", Code.LOG_TRUNCATED, ANCHORS, "anchor 6")
def log_cut_inside_an_anchor() -> bytes:
    files = whole()
    return signed({**files, ANCHORS: files[ANCHORS][:-7]})


@kind("an anchor added", Code.LOG_EXTRA, ANCHORS, "anchor 7")
def anchor_added_at_the_end() -> bytes:
    files = whole()
    return signed(with_anchors(files, [*anchors(files), anchors(files)[-1]]))


@kind("the log's edge swapped", Code.LOG_FRONTIER, "log/frontier.bin")
def frontier_of_another_height() -> bytes:
    wish = PackWish(from_height=Height(scene().epoch_end + 1))
    files = files_of(packed(wish))
    earlier = files_of(packed(PackWish(from_height=Height(2))))
    return signed({**files, "log/frontier.bin": earlier["log/frontier.bin"]})
