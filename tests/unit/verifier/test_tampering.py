"""Every kind of tampering with a pack is named: its code, the file, and where in it.

The forgeries are in the forged_*.py files beside this one, each with the code it has to get. Unless
it says otherwise the forger is a member that signs its forgery anew, so that only what the alliance
certified stands against it.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bulwark.verifier.codes import Code, PackRefused
from bulwark.verifier.pack import Expectations, read_genesis
from tests.unit.node.execution.alliance import STRANGER, VOTE_KEYS
from tests.unit.verifier import (
    forged_archives,
    forged_chain,
    forged_papers,
    forged_records,
    forged_rest,
)
from tests.unit.verifier.forged_papers import custody
from tests.unit.verifier.forging import (
    KINDS,
    Tampering,
    anchors,
    batches,
    certificates,
    epochs,
    headers,
    signed,
    whole,
    with_anchors,
    with_batches,
    with_certificates,
    with_epochs,
    with_headers,
)
from tests.unit.verifier.scene import ALPHA, DELTA, maker, packed, scene, verified

CATALOGUE = (forged_archives, forged_chain, forged_papers, forged_records, forged_rest)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what)
def test_tampering_is_named(kind: Tampering) -> None:
    with pytest.raises(PackRefused) as raised:
        verified(kind.forge())
    found = raised.value
    assert (found.code, found.file) == (kind.code, kind.file), str(found)
    assert kind.place in found.place, str(found)
    assert found.expected


def test_an_untouched_pack_that_was_signed_again_holds() -> None:
    """The forger's tools change nothing by themselves, so the refusals above are of the change."""
    files = whole()
    plain = with_epochs(
        with_certificates(with_anchors(files, anchors(files)), certificates(files)), epochs(files)
    )
    assert (
        verified(signed(with_batches(with_headers(plain, headers(files)), batches(files))))
        is not None
    )
    assert verified(custody(lambda entries: entries)).custody[2].member == "delta"


def test_every_code_is_the_name_of_some_tampering_here() -> None:
    """Three codes need something besides a pack: they have tests of their own below."""
    named = {kind.code for kind in KINDS}
    apart = {Code.SIGNER_UNEXPECTED, Code.CUSTODY_UNEXPECTED, Code.GENESIS_INVALID}
    assert set(Code) - named == apart
    assert len({kind.what for kind in KINDS}) == len(KINDS) >= 90


def test_a_pack_of_another_maker_than_expected_is_refused() -> None:
    assert verified(packed(), Expectations(signer=VOTE_KEYS[DELTA].address)) is not None
    with pytest.raises(PackRefused) as raised:
        verified(packed(), Expectations(signer=VOTE_KEYS[ALPHA].address))
    assert raised.value.code is Code.SIGNER_UNEXPECTED


def test_a_maker_that_the_reader_expects_needs_no_place_in_genesis() -> None:
    """A member that joined by vote and has no validator: genesis and epochs do not know its key."""
    data = signed(whole(), replace(maker(scene().node), key=STRANGER))
    assert verified(data, Expectations(signer=STRANGER.address)).manifest.key == STRANGER.address


def test_custody_entries_taken_off_the_end_are_missed_by_who_kept_their_hash() -> None:
    data = custody(lambda entries: entries)
    kept = verified(data).custody[2].hash
    assert verified(data, Expectations(custody=kept)) is not None
    cut = custody(lambda entries: entries[:2])
    assert verified(cut) is not None
    with pytest.raises(PackRefused) as raised:
        verified(cut, Expectations(custody=kept))
    assert raised.value.code is Code.CUSTODY_UNEXPECTED


def test_a_genesis_document_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(PackRefused) as raised:
        read_genesis(b"{}")
    assert raised.value.code is Code.GENESIS_INVALID
