"""The errors of the chain: the store is of another alliance, or a write contradicts the chain."""

from __future__ import annotations

from bulwark.ledger.ids import Digest, Height


class ChainError(Exception):
    """The chain on disk and what the node wants to do with it do not fit."""


class OtherAlliance(ChainError):
    """The store belongs to another genesis document or another version of the store's layout."""

    def __init__(self, what: str, stored: str, needed: str) -> None:
        self.what = what
        self.stored = stored
        self.needed = needed
        super().__init__(f"{what} of the data folder is {stored}, {needed} is needed")


class BuildTooOld(ChainError):
    """U3: an epoch is under a protocol level that this build does not know."""

    def __init__(self, level: int, known: int, above: Height) -> None:
        super().__init__(
            f"protocol level {level} is in force above block {above} and this build knows levels "
            f"up to {known}: install a version that knows level {level} and start the node again; "
            "nothing is lost"
        )
        self.level = level
        self.known = known
        self.above = above


class NotNext(ChainError):
    """A block does not follow the last executed one."""

    def __init__(self, height: Height, applied: Height) -> None:
        self.height = height
        self.applied = applied
        super().__init__(f"block {height} does not follow block {applied}")


class CertificateContradicts(ChainError):
    """A certificate is over another block than this node executed: node or quorum is wrong."""

    def __init__(self, height: Height, own: Digest, certified: Digest) -> None:
        self.height = height
        self.own = own
        self.certified = certified
        super().__init__(
            f"block {height} is 0x{own.hex()} here, the certificate says 0x{certified.hex()}"
        )


class NotProvable(ChainError):
    """The matter is on the ledger and not final yet, so no offline proof of it exists."""

    def __init__(self, what: str, height: Height, finalized: Height) -> None:
        self.what = what
        self.height = height
        self.finalized = finalized
        super().__init__(f"{what} is in block {height}, blocks up to {finalized} are final")


class BlockContradicts(ChainError):
    """A part of a block is not what its certified header commits to: who sent it lied."""

    def __init__(self, height: Height, detail: str) -> None:
        self.height = height
        self.detail = detail
        super().__init__(f"block {height}: {detail}")


class PinContradicted(ChainError):
    """The operator's trusted block is not on the chain that this node has or is offered."""

    def __init__(self, height: Height, pinned: Digest, found: Digest) -> None:
        self.height = height
        self.pinned = pinned
        self.found = found
        super().__init__(
            f"block {height} is 0x{found.hex()}, sync.trusted_hash pins 0x{pinned.hex()}; "
            "this chain is refused"
        )
