"""Everything the privacy layer raises, as one tree under `PrivacyError`.

Rules owned here: each class says in one sentence what went wrong and carries its operands as
attributes; no attribute and no message ever holds a secret, an input of a tag or a raw encoding.
It does not decide what a caller does about an error.
"""

from __future__ import annotations


class PrivacyError(Exception):
    """The privacy layer refused or could not do what was asked."""


class GroupUnavailable(PrivacyError):
    """No usable libsodium was found on this machine."""

    def __init__(self, attempts: tuple[tuple[str, str], ...]) -> None:
        self.attempts = attempts
        tried = "; ".join(f"{name}: {reason}" for name, reason in attempts)
        super().__init__(
            "no libsodium with ristretto255 (1.0.18 or later) could be loaded; install the system "
            f"package libsodium23 or the Python package rbcl. Tried {tried or 'nothing'}"
        )


class SelfTestFailed(PrivacyError):
    """The loaded libsodium, or this build around it, gives a wrong answer to a known question."""

    def __init__(self, check: str, source: str) -> None:
        self.check = check
        self.source = source
        super().__init__(f"group self-test failed at '{check}' with {source}")


class GroupFault(PrivacyError):
    """libsodium reported a failure for operands that were checked before: memory or build fault."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"libsodium refused checked operands in {operation}")


class EncodingRefused(PrivacyError):
    """Bytes are not the one canonical encoding of an allowed value."""

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} refused: {reason}")


class IdentityResult(PrivacyError):
    """A result that must not be the identity element is the identity element."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"{operation} gave the identity element, which is not allowed here")


class ZeroScalar(PrivacyError):
    """A scalar that must not be zero is zero."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"{operation} needs a scalar other than zero")


class RandomnessRefused(PrivacyError):
    """The caller's source of random bytes gave something that cannot be random bytes."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"source of random bytes refused: {reason}")


class InputRefused(PrivacyError):
    """An argument is outside the bounds of the protocol."""

    def __init__(self, what: str, found: int | str, allowed: str) -> None:
        self.what = what
        self.found = found
        self.allowed = allowed
        super().__init__(f"{what} is {found}, allowed is {allowed}")


class SharingRefused(PrivacyError):
    """Shares, indices or commitments do not fit together."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"sharing refused: {reason}")


class ThresholdKeyRefused(PrivacyError):
    """The public data of a threshold key contradicts itself."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"threshold key refused: {reason}")


class BlindedElementRefused(PrivacyError):
    """One element of a client's request is not acceptable; an evaluator answers none of it."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(f"blinded element at position {position} refused: {reason}")


class BadEvaluation(PrivacyError):
    """An evaluator's answer is wrong, and the evaluator is named."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"evaluation of evaluator {index} refused: {reason}")


class RoundNotReady(PrivacyError):
    """Tags were asked for before enough good evaluations had arrived."""

    def __init__(self, held: int, needed: int) -> None:
        self.held = held
        self.needed = needed
        super().__init__(f"tagging round holds {held} good evaluations and needs {needed}")


class SealRefused(PrivacyError):
    """A sealed message is not one that this key and this purpose can open."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"sealed message refused: {reason}")


class PaddingRefused(PrivacyError):
    """A padded message is not in the one form that padding gives."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"padding refused: {reason}")


class RegistrationRefused(PrivacyError):
    """A member's or regulator's key can not be registered as it was sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"registration refused: {reason}")


class CaseRefused(PrivacyError):
    """What is asked to be opened was not committed, or its keys do not fit together."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"opening case refused: {reason}")


class BadPartial(PrivacyError):
    """A part of an opening is wrong, and its maker is named; index 0 is the regulator."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        maker = "the regulator" if index == 0 else f"council member {index}"
        super().__init__(f"part of {maker} refused: {reason}")


class TooFewPartials(PrivacyError):
    """An opening was tried with fewer good parts of the council than its threshold."""

    def __init__(self, held: int, needed: int) -> None:
        self.held = held
        self.needed = needed
        super().__init__(f"opening holds {held} good parts of the council and needs {needed}")


class OpensToNobody(PrivacyError):
    """An opening leads to a key that no member of the ring holds."""

    def __init__(self, ring_size: int) -> None:
        self.ring_size = ring_size
        super().__init__(f"the opened key is none of the {ring_size} keys of the ring")


class OpeningRefused(PrivacyError):
    """The record of an opening does not show what it claims."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"opening refused: {reason}")


class ExculpationRefused(PrivacyError):
    """A member's proof that it is not the author does not show that."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"exculpation refused: {reason}")


class ClaimRefused(PrivacyError):
    """A member's claim of a spent slot does not show that the slot was its own."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"claim refused: {reason}")


class SessionRefused(PrivacyError):
    """The parameters of a key ceremony contradict themselves or the sharing it starts from."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"key ceremony refused: {reason}")


class CeremonyStateRefused(PrivacyError):
    """Saved secret state of a key ceremony is not of this session, party or format."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"saved state of a key ceremony refused: {reason}")


class ShareUnavailable(PrivacyError):
    """A holder can not derive its share from the ceremony; `dealers` are those it lacks."""

    def __init__(self, reason: str, dealers: tuple[int, ...] = ()) -> None:
        self.reason = reason
        self.dealers = dealers
        named = f" (dealers {', '.join(map(str, dealers))})" if dealers else ""
        super().__init__(f"share unavailable: {reason}{named}")


class RingRefused(PrivacyError):
    """A ring holds a key that no ring may hold."""

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(f"key at position {position} of the ring refused: {reason}")


class WitnessRefused(PrivacyError):
    """The secret and the index given to a prover do not belong to the statement's ring."""

    def __init__(self, index: int, members: int) -> None:
        self.index = index
        self.members = members
        super().__init__(
            f"the secret is not that of position {index} of a ring of {members} keys, so there is "
            "nothing to prove"
        )


class ProofRefused(PrivacyError):
    """A ring proof does not show its statement; the failing equations are named."""

    def __init__(self, reason: str, equations: tuple[int, ...] = ()) -> None:
        self.reason = reason
        self.equations = equations
        super().__init__(f"ring proof refused: {reason}")
