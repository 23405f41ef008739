"""Who may send and who may deploy."""

from __future__ import annotations

import pytest

from bulwark.ledger.errors import GenesisInvalid, TransactionInvalid
from bulwark.ledger.genesismember import ROLES
from bulwark.ledger.permissions import DEPLOYER_ROLE, Permissions

REPORTER = 1 << ROLES.index("reporter")


def test_deployer_bit_is_that_of_the_role_list():
    assert 1 << ROLES.index("deployer") == DEPLOYER_ROLE


@pytest.mark.parametrize(
    ("send", "deploy", "roles", "is_creation", "rule"),
    [
        ("members", "deployers", REPORTER, False, None),
        ("members", "deployers", DEPLOYER_ROLE, True, None),
        ("members", "deployers", 0, False, "sender.not-a-member"),
        ("members", "deployers", REPORTER, True, "sender.not-a-deployer"),
        ("members", "anyone", REPORTER, True, None),
        ("members", "anyone", 0, True, "sender.not-a-member"),
        ("anyone", "deployers", 0, False, None),
        ("anyone", "deployers", 0, True, "sender.not-a-deployer"),
        ("anyone", "anyone", 0, True, None),
    ],
)
def test_sender_needs_the_roles_that_genesis_says(send, deploy, roles, is_creation, rule):
    permissions = Permissions(send=send, deploy=deploy)
    if rule is None:
        permissions.check(roles, is_creation=is_creation)
        return
    with pytest.raises(TransactionInvalid) as caught:
        permissions.check(roles, is_creation=is_creation)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    ("send", "deploy", "needed"),
    [("members", "deployers", True), ("anyone", "deployers", True), ("members", "anyone", True),
     ("anyone", "anyone", False)],
)  # fmt: skip
def test_roles_are_looked_up_only_if_a_rule_asks_for_them(send, deploy, needed):
    assert Permissions(send=send, deploy=deploy).need_roles is needed


@pytest.mark.parametrize("choice", [{"send": "deployers"}, {"deploy": "members"}, {"send": ""}])
def test_unknown_choice_is_refused(choice):
    with pytest.raises(GenesisInvalid, match="one of"):
        Permissions(**choice)
