"""Who may send transactions and who may deploy contracts: fixed by genesis, one rule for all.

Rules: `send` is "members" (an account that holds a role in the member registry) or "anyone";
`deploy` is "deployers" (an account with that role) or "anyone". The same check runs at ingress,
before a vote and at execution; anchors are checked by their contract besides.
Where an account's roles come from is the executor's affair.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from bulwark.ledger.errors import GenesisInvalid, TransactionInvalid

SEND_CHOICES: Final = ("members", "anyone")
DEPLOY_CHOICES: Final = ("deployers", "anyone")
DEPLOYER_ROLE: Final = 8
"""Bit of the role `deployer` in the member registry."""


class Permissions(Struct, frozen=True, kw_only=True):
    """What accounts need roles for."""

    send: str = "members"
    deploy: str = "deployers"

    def __post_init__(self) -> None:
        if self.send not in SEND_CHOICES:
            raise GenesisInvalid("permissions.send", f"one of {', '.join(SEND_CHOICES)}")
        if self.deploy not in DEPLOY_CHOICES:
            raise GenesisInvalid("permissions.deploy", f"one of {', '.join(DEPLOY_CHOICES)}")

    @property
    def need_roles(self) -> bool:
        """Whether any transaction needs its sender's roles looked up."""
        return self.send != "anyone" or self.deploy != "anyone"

    def check(self, roles: int, *, is_creation: bool) -> None:
        """Refuse a sender with these role bits (0 for none); raises TransactionInvalid."""
        if self.send == "members" and not roles:
            raise TransactionInvalid("sender.not-a-member", "the account holds no role")
        if is_creation and self.deploy == "deployers" and not roles & DEPLOYER_ROLE:
            raise TransactionInvalid(
                "sender.not-a-deployer", "creating a contract needs the role deployer"
            )
