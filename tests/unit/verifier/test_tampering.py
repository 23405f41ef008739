"""Every kind of tampering with a pack is named: its code, the file, and where in it.

The forgeries are in the forged_*.py files beside this one, each with the code it has to get. Unless
it says otherwise the forger is a member that signs its forgery anew, so that only what the alliance
certified stands against it.
"""

from __future__ import annotations

import pytest

from bulwark.verifier.codes import PackRefused
from tests.unit.verifier import forged_archives, forged_chain, forged_papers, forged_records
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
from tests.unit.verifier.scene import verified

CATALOGUE = (forged_archives, forged_chain, forged_papers, forged_records)


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
