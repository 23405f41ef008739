"""Parts of an opening: one a validator and sharing, and only of the active sharing."""

from __future__ import annotations

import pytest

from bulwark.ledger.merkle import root_of
from contracts.errors import OutOfRange
from contracts.privacy.bindings import (
    MAX_SEALED_BYTES,
    OPENINGS,
    QUERY_LOG,
    KeyPurpose,
    encode_post_partial,
    encode_statements_anchor,
    read_partial,
)
from tests.contracts.harness import member, signer
from tests.unit.contracts.case_steps import (
    APPROVED,
    CASE,
    LATER,
    LEAVES,
    RESULT,
    SHARING,
    approved,
    ask,
    case,
    opened,
    partial,
    vote,
)
from tests.unit.contracts.ceremony_steps import make_sharing
from tests.unit.contracts.privacy_harness import (
    REGULATOR,
    privacy_alliance,
    validators,
)


def test_partials_are_for_approved_cases_one_a_validator():
    chain = opened()
    assert partial(chain).reason == "bulwark: wrong state"
    chain = approved()
    assert partial(chain).ok
    assert partial(chain).reason == "bulwark: posted already"
    assert partial(chain, "regulator").reason == "bulwark: not a voter"
    zero = encode_post_partial(CASE, b"x", bytes(32), SHARING)
    assert chain.send(signer("m1"), OPENINGS, zero).reason == "bulwark: zero commitment"
    empty = bytearray(encode_post_partial(CASE, b"x", RESULT, SHARING))
    empty[132:196] = bytes(64)
    assert chain.send(signer("m1"), OPENINGS, bytes(empty)).reason == "bulwark: empty partial"
    for length in (0, MAX_SEALED_BYTES + 1):
        with pytest.raises(OutOfRange, match="bytes of a partial"):
            encode_post_partial(CASE, bytes(length), RESULT, SHARING)


def test_partials_of_an_older_sharing_count_no_more_and_are_made_anew():
    chain = approved()
    assert partial(chain).ok
    assert partial(chain, "m1").ok
    chain.council(LATER)
    assert case(chain).partials == 2
    assert partial(chain, "m2").reason == "bulwark: sharing not active"
    assert partial(chain, "m2", session=LATER).ok
    assert (case(chain).partials, case(chain).session) == (1, LATER)
    assert partial(chain, session=LATER).ok
    assert partial(chain, session=LATER).reason == "bulwark: posted already"
    assert (case(chain).partials, case(chain).state) == (2, APPROVED)
    read = chain.state.get_storage
    kept = [read_partial(read, CASE, member(f"m{i}").id) for i in range(3)]
    assert [found.session for found in kept if found] == [LATER, SHARING, LATER]


def test_partials_name_a_sharing_that_a_ceremony_made_active():
    chain = approved()
    chain.council(bytes(32))
    assert partial(chain, session=bytes(32)).reason == "bulwark: zero session"
    assert partial(chain).reason == "bulwark: sharing not active"
    keyed = privacy_alliance([*validators(4), REGULATOR])
    data = encode_statements_anchor(keyed.epoch, 1, len(LEAVES), root_of(LEAVES))
    assert keyed.send(signer("m1"), QUERY_LOG, data).ok
    assert ask(keyed).ok
    for index in range(3):
        assert vote(keyed, index).ok
    session = make_sharing(keyed, purpose=KeyPurpose.COUNCIL)
    assert partial(keyed, session=session).ok
