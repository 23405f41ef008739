"""The signer at work: one of a member's keys of a kind, chosen by what the ledger names now.

Rules: which key signs is never a matter of which file was written last: the ledger (the epoch's
validators, the registry's account) names an address, and the key of that address signs. A key that
is chosen stays so until another one is chosen; whoever needs one key for a while takes `now`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bulwark.ledger.ids import Address, Digest
from bulwark.ledger.signing import Signer


class SignerAtWork:
    """Several keys of one member, one of which signs."""

    __slots__ = ("_signers", "now")

    def __init__(self, signers: Sequence[Signer]) -> None:
        """`signers`: at least one, the one to begin with first. Raises ValueError for none."""
        if not signers:
            raise ValueError("a member has no key to sign with")
        self._signers = tuple(signers)
        self.now: Signer = self._signers[0]
        """The key that signs now."""

    @property
    def address(self) -> Address:
        """Address of the key that signs now."""
        return self.now.address

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Addresses of all keys, the one that is called in use first."""
        return tuple(signer.address for signer in self._signers)

    def sign(self, digest: Digest) -> bytes:
        """65-byte signature of the key that signs now."""
        return self.now.sign(digest)

    def choose(self, counts: Callable[[Address], bool]) -> Signer:
        """Let a key sign whose address counts; none that does leaves the one that signs."""
        if not counts(self.now.address):
            self.now = next((s for s in self._signers if counts(s.address)), self.now)
        return self.now

    def adopt(self, signers: Sequence[Signer]) -> None:
        """Take over a changed set of keys. Raises ValueError when the one that signs is gone."""
        same = next((s for s in signers if s.address == self.now.address), None)
        if same is None:
            raise ValueError(f"the key of 0x{self.now.address.hex()}, which signs now, is missing")
        self._signers, self.now = tuple(signers), same

    def __repr__(self) -> str:
        return f"SignerAtWork(address=0x{self.address.hex()}, keys={len(self._signers)})"


def chosen(signer: Signer, counts: Callable[[Address], bool]) -> Signer:
    """The one key that is to sign for a while: of several the one whose address counts."""
    return signer.choose(counts) if isinstance(signer, SignerAtWork) else signer
