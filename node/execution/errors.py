"""The errors of execution; all of them halt the node, since a block is executed or it is not."""

from __future__ import annotations

from bulwark.ledger.ids import Digest, Height


class ExecutionError(Exception):
    """An ordered batch can not be executed on this node."""


class SidecarMissing(ExecutionError):
    """A batch anchors records whose sidecar this node does not hold; it must fetch it first."""

    def __init__(self, height: Height, root: Digest) -> None:
        self.height = height
        self.root = root
        super().__init__(f"height {height}: no sidecar with root {root.hex()}")


class WrongHeight(ExecutionError):
    """A batch was given for a height that is not the one after the executed tip."""

    def __init__(self, given: Height, needed: Height) -> None:
        self.given = given
        self.needed = needed
        super().__init__(f"height {given} given, {needed} is next")


class StateMissing(ExecutionError):
    """A part of the contract state is not in the store: the store is damaged."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} is not in the store; resync this node from its peers")
