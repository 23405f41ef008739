"""Privacy contracts made without an EVM equal those that the real constructors leave."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.bindings import Member, governed_contracts
from contracts.errors import OutOfRange, UnknownParameter, WrongLength
from contracts.privacy.bindings import (
    PRIVACY_PARAMETERS,
    BadKeys,
    CeremonyKind,
    GenesisKeys,
    KeyPurpose,
    RegulatorKey,
    privacy_contracts,
    privacy_parameter_slot,
    read_due,
    read_privacy_parameters,
)
from tests.contracts.harness import PARAMETERS
from tests.unit.contracts.ceremony_steps import make_sharing, sharing
from tests.unit.contracts.privacy_harness import (
    DAY,
    PrivacyChain,
    genesis_keys,
    privacy_alliance,
    public,
    validators,
)

HOLDER = RegulatorKey(public("opener"), b"\x05" * 32, 0)
KEYS = genesis_keys(validators(2))


def placed(
    members: list[Member], keys: list[GenesisKeys], regulator: RegulatorKey | None
) -> PrivacyChain:
    chain = PrivacyChain()
    contracts = (
        *governed_contracts(members, PARAMETERS),
        *privacy_contracts(keys, regulator, DAY),
    )
    for contract in contracts:
        chain.state.set_nonce(contract.address, contract.nonce)
        chain.state.set_code(contract.address, contract.code)
        for slot, value in contract.storage.items():
            chain.state.set_storage(contract.address, slot, value)
    chain.state.lock_changes()
    chain.next_block()
    return chain


@pytest.mark.parametrize("count", [0, 1, 4, 17])
@pytest.mark.parametrize("regulator", [None, HOLDER])
def test_state_root_is_that_of_the_constructors(count, regulator):
    members = validators(count)
    keys = genesis_keys(members)
    made = privacy_alliance(members, keys, regulator)
    assert placed(members, keys, regulator).root == made.root


def test_placed_contracts_work_together():
    chain = placed(validators(1), genesis_keys(validators(1)), None)
    make_sharing(chain)
    assert sharing(chain) is not None
    now, epoch = chain.now_s, chain.epoch
    assert read_due(chain.state.get_storage, KeyPurpose.TAG, now, epoch) is None
    generate = read_due(chain.state.get_storage, KeyPurpose.COUNCIL, now, epoch)
    assert generate is CeremonyKind.GENERATE


def test_no_zero_value_is_listed():
    for contract in privacy_contracts(KEYS, HOLDER):
        assert 0 not in contract.storage.values()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": bytes(32)}, "zero id"),
        ({"ring_key": bytes(32)}, "zero key"),
        ({"sealing_key": bytes(32)}, "zero key"),
        ({"id": KEYS[0].id}, "id is listed twice"),
        ({"ring_key": KEYS[0].ring_key}, "ring key is taken"),
        ({"ring_key": HOLDER.key}, "ring key is taken"),
    ],
)
def test_keys_that_the_constructor_refuses_are_refused(change, problem):
    keys = [KEYS[0], replace(KEYS[1], **change)]
    with pytest.raises(BadKeys, match=problem) as caught:
        privacy_contracts(keys, HOLDER)
    assert caught.value.member_id == keys[1].id
    with pytest.raises(RuntimeError, match="bulwark"):
        privacy_alliance(validators(2), keys, HOLDER)


def test_bounds_and_lengths_are_checked():
    with pytest.raises(BadKeys, match="regulator"):
        privacy_contracts([], replace(HOLDER, key=bytes(32)))
    with pytest.raises(WrongLength, match="ring_key"):
        privacy_contracts([replace(KEYS[0], ring_key=b"\x01")])
    for seconds in (0, 367 * 86_400):
        with pytest.raises(OutOfRange, match="epoch_seconds"):
            privacy_contracts([], None, seconds)
    with pytest.raises(OutOfRange, match="number of keys"):
        privacy_contracts([KEYS[0]] * 129)


def test_parameters_are_read_from_the_governance_or_are_their_defaults():
    chain = privacy_alliance(validators(1), [])
    defaults = {name: parameter.default for name, parameter in PRIVACY_PARAMETERS.items()}
    assert read_privacy_parameters(chain.state.get_storage) == defaults
    chain.parameter("quota_small", 77)
    assert read_privacy_parameters(chain.state.get_storage) == {**defaults, "quota_small": 77}
    with pytest.raises(UnknownParameter, match="speed"):
        privacy_parameter_slot("speed")
