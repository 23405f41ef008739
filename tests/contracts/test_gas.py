"""Gas of every kind of call, measured, and the table in the README that states it."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from contracts.actions import AdoptPolicy, SuspendMember
from contracts.bindings import (
    CONSENT_REGISTRY,
    GOVERNANCE,
    MEMBER_REGISTRY,
    RECORD_REGISTRY,
    RemoveMember,
    encode_add_member,
    encode_anchor,
    encode_approve,
    encode_give,
    encode_has_role,
    encode_propose,
    encode_renew,
    encode_withdraw,
    member_registry_init_code,
    needed_approvals,
)
from contracts.evidence import EVIDENCE_REGISTRY, encode_unverified, unverified_case_id
from contracts.policies import POLICY_REGISTRY, encode_publish
from tests.contracts.harness import Chain, Signer, alliance, governed, member, signer
from tests.contracts.voting import ALPHA, BETA, FOUR, GAMMA, approve, carry, propose

README = Path(__file__).parents[2] / "contracts" / "README.md"
COLD_SLOT_GAS = 2_100
NEW_SLOT_GAS = 22_100
# No zero bytes: the dearest calldata.
ROOT, POLICY, COMMITMENT, OTHER = (bytes([value]) * 32 for value in (0xA1, 0xA2, 0xA3, 0xA4))


def _measured() -> dict[str, int]:
    chain = alliance()
    alpha, governor = signer("alpha"), signer("governor")

    def used(by: Signer, to: bytes, data: bytes) -> int:
        return chain.send(by, to, data).gas_used

    def genesis(count: int) -> int:
        members = [member(f"m{i}") for i in range(count)]
        code = member_registry_init_code(governor.address, members)
        return Chain().place(MEMBER_REGISTRY, code).gas_used

    anchor = encode_anchor(ROOT, 1000, 1, POLICY)
    other = encode_anchor(OTHER, 1000, 1, POLICY)
    give = encode_give(ROOT, COMMITMENT, 1, 1, 20_500)
    return {
        "anchor, 1,000 records": used(alpha, RECORD_REGISTRY, anchor),
        "anchor, root anchored": used(alpha, RECORD_REGISTRY, anchor),
        "anchor, not a reporter": used(signer("stranger"), RECORD_REGISTRY, other),
        "give": used(alpha, CONSENT_REGISTRY, give),
        "renew": used(alpha, CONSENT_REGISTRY, encode_renew(ROOT, OTHER, 20_900)),
        "withdraw": used(alpha, CONSENT_REGISTRY, encode_withdraw(ROOT, 1)),
        "add_member": used(governor, MEMBER_REGISTRY, encode_add_member(member("delta"))),
        **_voting(4),
        **_voting(128),
        **_suspending(),
        **_adopting(),
        "genesis, 4 members": genesis(4),
        "genesis, 128 members": genesis(128),
    }


def _voting(count: int) -> dict[str, int]:
    """The dearest vote of all: the approval that removes the first of so many members."""
    names = [f"m{i}" for i in range(count)]
    chain = governed([member(name) for name in names])
    action = RemoveMember(member(names[0]).id)
    calls = [encode_propose(action, chain.now_s + 86_400), *[encode_approve(1)] * (count - 1)]
    voters = [signer(name) for name in names[: needed_approvals(count)]]
    gas = [
        chain.send(by, GOVERNANCE, call).gas_used for by, call in zip(voters, calls, strict=False)
    ]
    return {
        f"propose remove_member, {count} voters": gas[0],
        f"approve, {count} voters, first": gas[1],
        f"approve, {count} voters, carried out": gas[-1],
    }


def _suspending() -> dict[str, int]:
    chain, culprit = governed(FOUR), FOUR[3]
    assert chain.send(ALPHA, EVIDENCE_REGISTRY, encode_unverified(culprit.id, 5, b"case")).ok
    action = SuspendMember(culprit.id, unverified_case_id(culprit.id, b"case"))
    return {
        "propose suspend_member, 4 voters": propose(chain, ALPHA, action).gas_used,
        "approve, suspend_member, 4 voters, carried out": [
            approve(chain, by).gas_used for by in (BETA, GAMMA)
        ][-1],
    }


def _adopting() -> dict[str, int]:
    chain, document = governed(FOUR), b"\xa1" * 2_048
    return {
        "publish, 2,048 bytes": chain.send(
            ALPHA, POLICY_REGISTRY, encode_publish(document)
        ).gas_used,
        "adopt, 4 voters, carried out": carry(
            chain, AdoptPolicy(sha256(document).digest())
        ).gas_used,
    }


def test_readme_states_the_measured_gas():
    section = README.read_text(encoding="utf-8").split("## Gas")[1].split("\n## ")[0]
    stated = {
        name: int(gas) for name, gas in re.findall(r"^\| ([^|]+) \| (\d+) \|$", section, re.M)
    }
    assert stated == _measured()


def test_anchor_takes_one_new_slot_and_one_role_read():
    """Everything else of an anchor is less than half a new slot."""
    gas = alliance().send(signer("alpha"), RECORD_REGISTRY, encode_anchor(ROOT, 1, 1, POLICY))
    calldata = sum(4 if byte == 0 else 16 for byte in encode_anchor(ROOT, 1, 1, POLICY))
    rest = gas.gas_used - 21_000 - calldata - NEW_SLOT_GAS - COLD_SLOT_GAS
    assert 0 < rest < NEW_SLOT_GAS // 2


def test_has_role_reads_one_slot():
    data = encode_has_role(signer("alpha").address, 2)
    gas = alliance().call(MEMBER_REGISTRY, data).gas_used
    assert COLD_SLOT_GAS < gas < COLD_SLOT_GAS + 400


def test_every_reason_of_the_readme_is_in_a_source_and_the_other_way_round():
    sources = README.parent / "src"
    section = README.read_text(encoding="utf-8").split("## Reasons")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.M)
    assert len(rows) == 5
    for name, reasons in rows:
        text = (sources / f"{name}.vy").read_text(encoding="utf-8")
        assert set(reasons.split(", ")) == set(re.findall(r'"bulwark: ([^"]+)"', text))
