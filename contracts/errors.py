"""Errors of the contract bindings: one tree, operands as attributes."""

from __future__ import annotations


class ContractError(Exception):
    """The contract bindings were used wrongly or hold damaged data."""


class UnknownContract(ContractError):
    """No contract of this name is shipped."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"contract {name!r} is unknown; known: {', '.join(known)}")
        self.name = name
        self.known = known


class DamagedArtifact(ContractError):
    """An artifact file is missing or does not have the committed shape."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"artifact of {name}: {problem}; write it with contracts.build --write")
        self.name = name
        self.problem = problem


class OutOfRange(ContractError):
    """An argument does not fit its ABI type or its bound."""

    def __init__(self, field: str, value: int, low: int, high: int) -> None:
        super().__init__(f"{field} is {value}, allowed is {low} to {high}")
        self.field = field
        self.value = value
        self.low = low
        self.high = high


class WrongLength(ContractError):
    """A byte string does not have the length of its ABI type."""

    def __init__(self, field: str, length: int, expected: int) -> None:
        super().__init__(f"{field} has {length} bytes, expected {expected}")
        self.field = field
        self.length = length
        self.expected = expected


class BadMemberId(ContractError):
    """A member id is not 1 to 32 bytes of UTF-8 without zero bytes."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"member id {problem}; allowed is 1 to 32 bytes of UTF-8, no zero byte")
        self.problem = problem


class BadReturnData(ContractError):
    """The output of a view does not decode: not the contract that was expected."""

    def __init__(self, view: str, length: int) -> None:
        super().__init__(f"{view} returned {length} bytes that do not decode")
        self.view = view
        self.length = length


class DamagedStorage(ContractError):
    """A contract's storage holds what the contract never writes: another contract, or damage."""

    def __init__(self, contract: bytes, slot: int, problem: str) -> None:
        super().__init__(f"storage of {contract.hex()}, slot {slot:#x}: {problem}")
        self.contract = contract
        self.slot = slot
        self.problem = problem


class UnknownParameter(ContractError):
    """No parameter of this name can be set by vote."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"parameter {name!r} is unknown; known: {', '.join(known)}")
        self.name = name
        self.known = known
