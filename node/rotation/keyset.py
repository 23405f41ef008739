"""The key set: the secrets of a running node as its parts use them, also while keys are rotated.

Rules: parts ask for a key when they need it, none keeps a copy over a change; the vault and index
keys are the same for as long as a node runs. Taking over a changed keystore is all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bulwark.ledger.ids import Address
from bulwark.ledger.signing import Signer, SigningKey
from bulwark.privacy.memberkeys import RingSecret, decode_ring_secret
from bulwark.privacy.sealing import SealingKey
from node.keys import NodeSecrets
from node.pki import public_key_pin, tls_public_key
from node.rotation.keyline import generations
from node.rotation.secretsmoves import all_keys, in_use, key_to_come, line_of
from node.rotation.signers import SignerAtWork
from node.sparekeys import LINES, KeyKind


class KeysRefused(Exception):
    """A changed keystore can not be taken over by the running node."""


class KeySet:
    """Keys in use, to come and former ones of one running node."""

    def __init__(
        self, secrets: NodeSecrets, *, vote: Sequence[Signer] = (), account: Sequence[Signer] = ()
    ) -> None:
        """`vote` and `account`: keys outside the keystore (a token), before those inside."""
        self._outside_vote, self._outside_account = tuple(vote), tuple(account)
        self.secrets = secrets
        self.lost: Callable[[str], None] = lambda reason: None
        """Told in one line when keys in a token can not be used any more: the node has to end."""
        self.vote = SignerAtWork(self._signers(secrets, KeyKind.VOTE))
        """Signs votes and hellos."""
        self.account = SignerAtWork(self._signers(secrets, KeyKind.ACCOUNT))
        """Signs this member's transactions."""

    def _signers(self, secrets: NodeSecrets, kind: KeyKind) -> list[Signer]:
        outside = self._outside_vote if kind is KeyKind.VOTE else self._outside_account
        found: dict[Address, Signer] = {signer.address: signer for signer in outside}
        for secret in all_keys(secrets, kind):
            key = SigningKey(secret)
            found.setdefault(key.address, key)
        return list(found.values())

    def adopt(self, secrets: NodeSecrets) -> bool:
        """Take over a changed keystore; whether anything is new. Raises KeysRefused."""
        if secrets.regulator_key != self.secrets.regulator_key:
            raise KeysRefused("the regulator_key in the keystore is another one: restart the node")
        for kind in LINES:
            if in_use(self.secrets, kind) not in generations(line_of(secrets, kind)):
                raise KeysRefused(f"the {kind} key that runs is not in the keystore: restart")
        # What is stored follows these two at the next start.
        vault, index = self.secrets.vault_key, self.secrets.index_key
        secrets = replace(secrets, vault_key=vault, index_key=index)
        votes = self._signers(secrets, KeyKind.VOTE)
        accounts = self._signers(secrets, KeyKind.ACCOUNT)
        for what, now, signers in (("vote", self.vote, votes), ("account", self.account, accounts)):
            if now.address not in [signer.address for signer in signers]:
                raise KeysRefused(f"the {what} key that signs now is not in the keystore")
        is_new = any(all_keys(secrets, kind) != all_keys(self.secrets, kind) for kind in KeyKind)
        self.vote.adopt(votes)
        self.account.adopt(accounts)
        self.secrets = secrets
        return is_new

    def ring_secrets(self) -> tuple[RingSecret, ...]:
        """Ring keys: in use, to come, former ones."""
        return tuple(decode_ring_secret(key) for key in all_keys(self.secrets, KeyKind.RING))

    def wanted_ring(self) -> RingSecret:
        """The ring key that the ledger should have: the one to come, else the one in use."""
        coming = key_to_come(self.secrets, KeyKind.RING)
        return decode_ring_secret(self.secrets.ring_key if coming is None else coming.secret)

    def wanted_sealing(self) -> SealingKey:
        """The sealing key that the ledger should have: the one to come, else the one in use."""
        coming = key_to_come(self.secrets, KeyKind.SEALING)
        return SealingKey(self.secrets.sealing_key if coming is None else coming.secret)

    def sealing_keys(self) -> tuple[SealingKey, ...]:
        """Sealing keys: in use, to come, former ones."""
        return tuple(SealingKey(key) for key in all_keys(self.secrets, KeyKind.SEALING))

    def tls_key(self, pin: bytes) -> bytes:
        """PEM of the TLS key with this pin; of the one in use when none has it."""
        for pem in all_keys(self.secrets, KeyKind.TLS):
            if public_key_pin(tls_public_key(pem)) == pin:
                return pem
        return self.secrets.tls_key_pem
