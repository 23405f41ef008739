"""The hello without sockets: every field is bound, every order but the right one is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bulwark.ledger.codec import Reader
from bulwark.ledger.ids import Address, MemberId
from node.network.errors import PeerRefused, Reason
from node.network.hello import Greeter, Handshake, Opening, ready_payload, refuse_payload
from node.network.identity import LocalIdentity, MemberTable
from tests.unit.node.network.harness import (
    MEMBERS,
    OTHER_DOMAIN,
    A,
    B,
    C,
    certificate_of,
    local_of,
    member_of,
)


def greeter(local: LocalIdentity) -> Greeter:
    instance = local.id.encode().ljust(16, b"\0")
    return Greeter(local, MemberTable(MEMBERS), member_of(local.id).pins[0], instance)


def der(member: MemberId) -> bytes:
    return certificate_of(member).public_bytes(serialization.Encoding.DER)


def pair(dialler: LocalIdentity | None = None) -> tuple[Handshake, Handshake]:
    """bank-a dials bank-b."""
    one = Handshake(greeter(dialler or local_of(A)), der(B), nonce=b"1" * 32, height=5, dialled=B)
    two = Handshake(greeter(local_of(B)), der(A), nonce=b"2" * 32, height=9, dialled=None)
    return one, two


def refusal(shake: Handshake, payload: bytes) -> Reason:
    with pytest.raises(PeerRefused) as caught:
        shake.receive(payload)
    return caught.value.reason


def proofs(one: Handshake, two: Handshake) -> tuple[bytes, bytes]:
    from_two = two.receive(one.opening())
    from_one = one.receive(two.opening())
    assert from_one is not None and from_two is not None
    return from_one, from_two


def test_both_ends_know_each_other_and_the_dialler_waits_for_ready() -> None:
    one, two = pair()
    from_one, from_two = proofs(one, two)
    assert one.receive(from_two) is None and two.receive(from_one) is None
    assert (one.proved, one.ready, two.proved, two.ready) == (True, False, True, True)
    assert one.receive(ready_payload()) is None
    assert one.ready
    assert one.peer is not None and (one.peer.member, one.peer.height) == (B, 9)
    assert two.peer is not None and (two.peer.member, two.peer.height) == (A, 5)


def test_own_proof_sent_back_is_refused() -> None:
    one, two = pair()
    from_one, _ = proofs(one, two)
    assert refusal(one, from_one) is Reason.HELLO_SIGNATURE


def test_proof_for_another_nonce_height_or_instance_is_refused() -> None:
    for change in ({"nonce": b"3" * 32}, {"height": 6}, {"instance": b"i" * 16}):
        one, two = pair()
        opening = Opening.read(Reader(one.opening()[1:], "hello"))
        two.receive(replace(opening, **change).encode())
        from_one = one.receive(two.opening())
        assert from_one is not None
        assert refusal(two, from_one) is Reason.HELLO_SIGNATURE


def test_proof_made_for_another_tls_key_is_refused() -> None:
    one, two = pair()
    one._greeter = replace(one._greeter, own_pin=b"p" * 32)
    from_one, _ = proofs(one, two)
    assert refusal(two, from_one) is Reason.HELLO_SIGNATURE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"oldest": 2, "newest": 9}, Reason.OTHER_VERSION),
        ({"oldest": 0, "newest": 0}, Reason.OTHER_VERSION),
        ({"chain_id": 1}, Reason.OTHER_CHAIN),
        ({"genesis_hash": OTHER_DOMAIN.genesis_hash}, Reason.OTHER_GENESIS),
        ({"instance": b"bank-b".ljust(16, b"\0")}, Reason.SELF_CONNECTION),
        ({"member": B}, Reason.WRONG_MEMBER),
        ({"member": C}, Reason.WRONG_MEMBER),
        ({"member": MemberId("nobody")}, Reason.WRONG_MEMBER),
        ({"address": Address(bytes(20))}, Reason.WRONG_ADDRESS),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_each_field_that_differs_has_its_reason(change: dict[str, object], reason: Reason) -> None:
    one, two = pair()
    opening = Opening.read(Reader(one.opening()[1:], "hello"))
    assert refusal(two, replace(opening, **change).encode()) is reason


def test_duplicate_is_called_one_only_after_both_keys_are_proved() -> None:
    twin = replace(greeter(local_of(B)), instance=b"another run".ljust(16))
    one = Handshake(twin, der(B), nonce=b"1" * 32, height=0, dialled=B)
    two = Handshake(greeter(local_of(B)), der(B), nonce=b"2" * 32, height=0, dialled=None)
    from_one, _ = proofs(one, two)
    wrong = from_one[:-1] + bytes((from_one[-1] ^ 1,))
    assert refusal(two, wrong) is Reason.HELLO_SIGNATURE
    assert refusal(two, from_one) is Reason.DUPLICATE_IDENTITY


def test_hello_of_a_newer_version_with_more_fields_is_understood_and_signed() -> None:
    one, two = pair()
    longer = one.opening() + b"a field of the future"
    one._own_bytes = longer
    from_two = two.receive(longer)
    from_one = one.receive(two.opening())
    assert from_one is not None and from_two is not None
    two.receive(from_one)
    one.receive(from_two)
    assert one.proved and two.proved


def test_steps_out_of_order_are_refused() -> None:
    one, two = pair()
    from_one, from_two = proofs(one, two)
    assert refusal(pair()[1], from_one) is Reason.HELLO_MALFORMED
    assert refusal(two, one.opening()) is Reason.HELLO_MALFORMED
    assert refusal(one, ready_payload()) is Reason.HELLO_MALFORMED
    two.receive(from_one)
    assert refusal(two, ready_payload()) is Reason.HELLO_MALFORMED
    assert refusal(two, from_one) is Reason.HELLO_MALFORMED
    one.receive(from_two)
    one.receive(ready_payload())
    assert refusal(one, ready_payload()) is Reason.HELLO_MALFORMED


def test_refusal_of_the_other_end_carries_its_reason_and_no_free_text() -> None:
    with pytest.raises(PeerRefused, match="refused-by-peer: other-genesis"):
        pair()[0].receive(refuse_payload(Reason.OTHER_GENESIS))
    with pytest.raises(PeerRefused, match="refused-by-peer: unreadable"):
        pair()[0].receive(b"\x04\x00\x00\x00\x05\x1b[31m")


@pytest.mark.parametrize("dialled", [B, None])
def test_certificate_of_another_member_than_dialled_is_refused(dialled: MemberId | None) -> None:
    with pytest.raises(PeerRefused) as caught:
        Handshake(greeter(local_of(A)), der(C), nonce=b"1" * 32, height=0, dialled=B)
    assert caught.value.reason is Reason.WRONG_PIN
    for junk in (b"", b"\x30\x03\x02\x01\x01", der(B)[:-1]):
        with pytest.raises(PeerRefused) as caught:
            Handshake(greeter(local_of(A)), junk, nonce=b"1" * 32, height=0, dialled=dialled)
        assert caught.value.reason is Reason.TLS


def test_next_pin_of_a_member_is_as_good_as_the_current_one() -> None:
    current = b"c" * 32
    members = [replace(m, pins=(current, *m.pins)) if m.id == B else m for m in MEMBERS]
    base = greeter(local_of(A))
    shake = Handshake(
        replace(base, members=MemberTable(members)), der(B), nonce=b"1" * 32, height=0, dialled=B
    )
    assert shake.member.id == B


@given(st.binary(max_size=300), st.booleans())
@settings(deadline=None, max_examples=300)
def test_any_payload_is_answered_or_refused(payload: bytes, opened: bool) -> None:
    one, two = pair()
    if opened:
        two.receive(one.opening())
    with suppress(PeerRefused):
        two.receive(payload)
    assert not two.proved


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_changed_byte_anywhere_keeps_the_hello_from_completing(data: st.DataObject) -> None:
    one, two = pair()
    opening = bytearray(one.opening())
    place = data.draw(st.integers(0, len(opening) - 1))
    opening[place] ^= data.draw(st.integers(1, 255))
    with suppress(PeerRefused):
        two.receive(bytes(opening))
        from_one = one.receive(two.opening())
        assert from_one is not None
        two.receive(from_one)
    assert not two.proved
