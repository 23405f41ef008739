"""What is known of a node's keys: their public texts, and which of them the ledger names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bulwark.ledger.signing import SigningKey
from bulwark.privacy.memberkeys import decode_ring_secret
from bulwark.privacy.sealing import SealingKey
from node.cli.connection import find_target, run, with_client
from node.cli.faults import Failed
from node.cli.options import entries
from node.cli.voting import ADMIN_ROLES
from node.pki import public_key_pin, tls_public_key
from node.rotation.keyline import mark_of
from node.sparekeys import KeyKind


def public_text(kind: KeyKind, secret: bytes) -> str:
    """Address, pin or public key of a secret key, as commands and proposals say it.

    Vault and index keys have no public half: they have a mark that says nothing about them.
    """
    match kind:
        case KeyKind.VOTE | KeyKind.ACCOUNT:
            return f"0x{SigningKey(secret).address.hex()}"
        case KeyKind.TLS:
            return public_key_pin(tls_public_key(secret)).hex()
        case KeyKind.RING:
            return decode_ring_secret(secret).public.encoding.hex()
        case KeyKind.SEALING:
            return bytes(SealingKey(secret).public).hex()
        case KeyKind.VAULT | KeyKind.INDEX:
            return mark_of(secret).hex()


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The public keys that the ledger has of one member."""

    known: dict[KeyKind, tuple[str, ...]]

    def names(self, kind: KeyKind, public: str) -> bool:
        """Whether the ledger has this key; ring and sealing keys are not asked of the node."""
        return kind not in self.known or public in self.known[kind]


def ledger_keys(home: Path, member: str) -> LedgerKeys:
    """The keys of a member as its running node has them from the ledger. Raises Failed."""
    target = find_target(ADMIN_ROLES, home=home)
    answer = run(with_client(target, lambda client: client.governance("members")))
    found = next((m for m in entries(answer, "members") if m.get("id") == member), None)
    if found is None:
        raise Failed(f"the ledger has no member {member}")
    pins = tuple(str(found.get(name)) for name in ("tls_pin", "next_tls_pin"))
    return LedgerKeys(
        {
            KeyKind.VOTE: (str(found.get("node")),),
            KeyKind.ACCOUNT: (str(found.get("account")),),
            KeyKind.TLS: pins,
        }
    )
