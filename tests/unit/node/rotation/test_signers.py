"""Of several keys of a member the one signs that the ledger names."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bulwark.ledger.hashing import keccak256
from bulwark.ledger.signing import SigningKey, recover
from node.keys import NodeSecrets
from node.rotation.keyset import KeySet, KeysRefused
from node.rotation.secretsmoves import (
    in_use,
    line_of,
    with_new,
    with_next_in_use,
    without_former,
)
from node.rotation.signers import SignerAtWork, chosen
from node.sparekeys import LINES, KeyKind

A, B, C = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
DIGEST = keccak256(b"what is signed")
SECRETS = NodeSecrets.generate(random.Random(4).randbytes)


def test_the_key_whose_address_counts_signs_and_goes_on_until_another_one_counts() -> None:
    signer = SignerAtWork([A, B])
    assert signer.address == A.address
    signer.choose(lambda address: address == B.address)
    assert recover(DIGEST, signer.sign(DIGEST)) == B.address
    signer.choose(lambda address: address in (A.address, B.address))
    assert signer.address == B.address
    signer.choose(lambda address: address == C.address)
    assert signer.address == B.address


def test_a_key_taken_for_an_epoch_stays_that_key() -> None:
    signer = SignerAtWork([A, B])
    taken = chosen(signer, lambda address: address == A.address)
    signer.choose(lambda address: address == B.address)
    assert recover(DIGEST, taken.sign(DIGEST)) == A.address
    assert chosen(C, lambda _: False) is C


def test_a_set_of_keys_without_the_one_that_signs_is_refused() -> None:
    signer = SignerAtWork([A, B])
    with pytest.raises(ValueError, match="missing"):
        signer.adopt([B, C])
    signer.adopt([C, A])
    assert (signer.address, signer.addresses) == (A.address, (C.address, A.address))


def test_a_changed_keystore_is_taken_over_while_the_old_keys_go_on_signing() -> None:
    keys = KeySet(SECRETS)
    changed = with_new(with_new(SECRETS, KeyKind.VOTE, 1), KeyKind.ACCOUNT, 1)
    assert keys.adopt(changed)
    assert not keys.adopt(changed)
    assert keys.vote.address == SigningKey(SECRETS.vote_key).address
    assert len(keys.vote.addresses) == len(keys.account.addresses) == 2
    promoted = with_next_in_use(changed, KeyKind.VOTE, 2)
    keys.adopt(promoted)
    assert keys.vote.address == SigningKey(SECRETS.vote_key).address
    with pytest.raises(KeysRefused, match="vote key that signs now"):
        keys.adopt(without_former(promoted, KeyKind.VOTE))
    keys.vote.choose(lambda address: address == SigningKey(promoted.vote_key).address)
    keys.adopt(without_former(promoted, KeyKind.VOTE))
    assert len(keys.vote.addresses) == 1


def test_a_rotated_vault_or_index_key_waits_for_the_next_start() -> None:
    keys = KeySet(SECRETS)
    for kind in LINES:
        changed = with_next_in_use(with_new(SECRETS, kind, 1), kind, 2)
        assert keys.adopt(changed)
        assert in_use(keys.secrets, kind) == in_use(SECRETS, kind)
        assert line_of(changed, kind).former == (in_use(SECRETS, kind),)


def test_other_vault_or_index_keys_are_not_taken_over_by_a_running_node() -> None:
    keys = KeySet(SECRETS)
    for name in ("vault_key", "index_key"):
        with pytest.raises(KeysRefused, match=name.removesuffix("_key")):
            keys.adopt(replace(SECRETS, **{name: b"\x05" * 32}))
    assert keys.secrets is SECRETS


def test_the_ledger_is_to_have_the_ring_and_sealing_key_to_come() -> None:
    keys = KeySet(SECRETS)
    assert keys.wanted_ring() == keys.ring_secrets()[0]
    changed = with_new(with_new(SECRETS, KeyKind.RING, 1), KeyKind.SEALING, 1)
    keys.adopt(changed)
    assert keys.wanted_ring() == keys.ring_secrets()[1]
    assert keys.wanted_sealing().public == keys.sealing_keys()[1].public
    used = with_next_in_use(changed, KeyKind.SEALING, 2)
    keys.adopt(used)
    assert keys.wanted_sealing().secret == in_use(used, KeyKind.SEALING)
    assert len(keys.sealing_keys()) == 2
