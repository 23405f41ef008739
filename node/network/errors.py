"""Errors of the mesh and the reasons for which it refuses or closes a connection."""

from __future__ import annotations

from enum import StrEnum

from bulwark.ledger.ids import MemberId


class Reason(StrEnum):
    """Why a connection was refused or closed; the value is in logs, counters and refusals."""

    TLS = "tls"
    """The TLS handshake failed: no TLS 1.3, no certificate, another CA, no TLS at all."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    RATE_LIMITED = "rate-limited"
    TOO_MANY_HANDSHAKES = "too-many-handshakes"
    UNKNOWN_MEMBER = "unknown-member"
    WRONG_PIN = "wrong-pin"
    WRONG_NAME = "wrong-name"
    HELLO_MALFORMED = "hello-malformed"
    OTHER_VERSION = "other-version"
    OTHER_CHAIN = "other-chain"
    OTHER_GENESIS = "other-genesis"
    WRONG_MEMBER = "wrong-member"
    WRONG_ADDRESS = "wrong-address"
    HELLO_SIGNATURE = "hello-signature"
    DUPLICATE_IDENTITY = "duplicate-identity"
    SELF_CONNECTION = "self-connection"
    FRAME_TOO_LARGE = "frame-too-large"
    UNKNOWN_KIND = "unknown-kind"
    UNEXPECTED_FRAME = "unexpected-frame"
    MALFORMED = "malformed"
    SILENT = "silent"
    """Nothing arrived for the keepalive's patience."""
    SURPLUS = "surplus"
    """The two members have another connection already; normal when both dial at once."""
    REPLACED = "replaced"
    """A newer connection of the same member took this one's place."""
    REMOVED = "removed"
    """The member left the member table."""
    MISBEHAVED = "misbehaved"
    """The member was caught in a lie and is refused for a while."""
    REFUSED_BY_PEER = "refused-by-peer"
    CLOSED = "closed"
    """The other side closed or the network broke."""
    STOPPING = "stopping"


QUIET_REASONS = frozenset({Reason.SURPLUS, Reason.REPLACED, Reason.CLOSED, Reason.STOPPING})
"""Ends that belong to normal running, so they are logged for debugging only."""


class NetworkError(Exception):
    """The mesh can not do what was asked."""


class PeerRefused(NetworkError):
    """A peer broke a rule, so its connection is closed."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class IdentityInvalid(NetworkError):
    """This node's own keys, certificate and member entry do not belong together."""


class PayloadTooLarge(NetworkError):
    """A payload to be sent is over the limit of its kind."""

    def __init__(self, kind: str, given: int, most: int) -> None:
        self.given = given
        self.most = most
        super().__init__(f"{kind} payload of {given} bytes is over the limit of {most}")


class RequestError(NetworkError):
    """A request got no answer."""

    def __init__(self, member: MemberId, topic: int, detail: str) -> None:
        self.member = member
        self.topic = topic
        self.detail = detail
        super().__init__(f"request {topic} to {member}: {detail}")


class NotConnected(RequestError):
    """There is no connection to the member, or it broke before the answer."""


class RequestTimeout(RequestError):
    """The answer did not come in time."""


class RequestRefused(RequestError):
    """The member answers that it is busy, can not, or does not know such requests."""


class TooManyRequests(RequestError):
    """This node has the most requests outstanding at the member that it allows itself."""
