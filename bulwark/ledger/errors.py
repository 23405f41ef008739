"""The errors of the ledger layer; each carries its operands as attributes."""

from __future__ import annotations


class LedgerError(Exception):
    """Something that is hashed or signed is not what it claims to be."""


class DecodeError(LedgerError):
    """Bytes are not the one canonical encoding of the expected structure."""

    def __init__(self, what: str, detail: str, offset: int | None = None) -> None:
        self.what = what
        self.detail = detail
        self.offset = offset
        where = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{what}{where}: {detail}")


class LimitExceeded(DecodeError):
    """A length or a count is over its named bound, so nothing was allocated for it."""

    def __init__(self, what: str, given: int, most: int, offset: int | None = None) -> None:
        self.given = given
        self.most = most
        super().__init__(what, f"{given} is over the limit of {most}", offset)


class SignatureInvalid(LedgerError):
    """A signature is malformed, not in low-s form, or made by another key."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class CertificateInvalid(LedgerError):
    """A certificate does not show that a quorum of the validator set signed the vote."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class ProofInvalid(LedgerError):
    """A Merkle or record proof does not lead to the root it is checked against."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class TransactionInvalid(LedgerError):
    """A transaction breaks a rule that every node checks before it votes."""

    def __init__(self, rule: str, detail: str) -> None:
        self.rule = rule
        self.detail = detail
        super().__init__(f"{rule}: {detail}")


class RecordInvalid(LedgerError):
    """A record's fields are outside what the ledger stores."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"record field {field}: {detail}")


class GenesisInvalid(LedgerError):
    """A genesis document is malformed or contradicts itself."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"genesis {field}: {detail}")
