"""Webhook deliveries: what a node signs, and how a receiver knows that one is ours, fresh and new.

Rules: the signature is HMAC-SHA256 under the subscription's secret over `DELIVERY.SECONDS.BODY`;
while a secret is being changed there are two. A delivery's id is the event's own: it is the same at
every try, at every replay and for every subscription, so a receiver that remembers ids in the same
transaction as its work does each event once. Here is no clock and no memory: both are the caller's.
docs/webhooks.md says the same steps for other languages.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bulwark.client.errors import ClientError

DELIVERY_HEADER: Final = "bulwark-delivery"
"""`LOG-NUMBER`: the event's id."""
SIGNATURE_HEADER: Final = "bulwark-signature"
"""`t=SECONDS,v1=HEX`, with a second `v1` while the secret is being changed."""
TYPE_HEADER: Final = "bulwark-event"
WEBHOOK_HEADER: Final = "bulwark-webhook"
"""Id of the subscription, to choose the secret by."""
TOLERANCE_S: Final = 300
"""Age, in either direction, up to which a delivery is fresh."""
MAX_BODY: Final = 1024 * 1024
"""Bytes of a body; a node sends fewer."""
MAX_SIGNATURES: Final = 8
MAX_HEADER: Final = 1_024
_ID: Final = re.compile(r"[0-9a-f]{16}-(?:[1-9][0-9]{0,17}|test[0-9a-f]{8})\Z")
_STAMP: Final = re.compile(r"t=([1-9][0-9]{0,11})\Z")
_MAC: Final = re.compile(r"v1=([0-9a-f]{64})\Z")


class DeliveryRefused(ClientError):
    """A delivery that a receiver must not act on."""


class MalformedDelivery(DeliveryRefused):
    """Headers or body are not those of a delivery: answer 400."""


class ForgedDelivery(DeliveryRefused):
    """No known secret signed this: answer 401, and look into it."""


class StaleDelivery(DeliveryRefused):
    """Signed by us, at another time than now: an old recording, or a clock is wrong; answer 401."""

    def __init__(self, age_s: int) -> None:
        """`age_s`: the receiver's clock minus the signed time, seconds."""
        self.age_s = age_s
        super().__init__(f"signed {age_s} s ago, at most {TOLERANCE_S} s are taken")


class ReplayedDelivery(DeliveryRefused):
    """Signed by us and done before: answer 2xx, so that it ends, and do nothing."""

    def __init__(self, delivery_id: str) -> None:
        self.delivery_id = delivery_id
        super().__init__(f"{delivery_id} was done before")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that is ours, fresh and new."""

    id: str
    """Remember it together with the work."""
    type: str
    event: Mapping[str, object]
    """The whole body: id, number, type, member, time_ms, height, data."""
    signed_s: int
    """When the node signed this try, seconds since 1970."""


def signed_bytes(delivery_id: str, time_s: int, body: bytes) -> bytes:
    """What is under the MAC."""
    return f"{delivery_id}.{time_s}.".encode("ascii") + body


def signature(secrets: Iterable[str | bytes], delivery_id: str, time_s: int, body: bytes) -> str:
    """Value of the signature header: one `v1` a secret, the newest first."""
    data = signed_bytes(delivery_id, time_s, body)
    macs = [hmac.digest(_key(secret), data, "sha256").hex() for secret in secrets]
    return ",".join([f"t={time_s}", *(f"v1={mac}" for mac in macs)])


def verify_delivery(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str | bytes],
    now: float,
    seen: Container[str],
    *,
    tolerance_s: int = TOLERANCE_S,
) -> Delivery:
    """The delivery if a receiver may act on it.

    `secrets`: those of the subscription, two while one is being changed. `now`: seconds since 1970.
    `seen`: ids of what was done before. Raises MalformedDelivery, ForgedDelivery, StaleDelivery,
    ReplayedDelivery, in this order: nothing that is not ours is looked at any further.
    """
    if not secrets:
        raise ValueError("at least one secret is needed")
    if len(body) > MAX_BODY:
        raise MalformedDelivery(f"the body has {len(body)} bytes, {MAX_BODY} are the most")
    given = {name.lower(): value for name, value in headers.items()}
    delivery_id = given.get(DELIVERY_HEADER, "")
    if _ID.match(delivery_id) is None:
        raise MalformedDelivery(f"{DELIVERY_HEADER} is missing or no id")
    time_s, macs = _parsed(given.get(SIGNATURE_HEADER, ""))
    data = signed_bytes(delivery_id, time_s, body)
    expected = [hmac.digest(_key(secret), data, "sha256") for secret in secrets]
    # Every pair is compared, so that the time taken says nothing of which one fits.
    if not sum(hmac.compare_digest(mac, own) for mac in macs for own in expected):
        raise ForgedDelivery("no known secret signed this")
    age_s = int(now) - time_s
    if abs(age_s) > tolerance_s:
        raise StaleDelivery(age_s)
    if delivery_id in seen:
        raise ReplayedDelivery(delivery_id)
    return _delivery(delivery_id, time_s, body)


def _parsed(header: str) -> tuple[int, list[bytes]]:
    parts = header.split(",") if len(header) <= MAX_HEADER else []
    stamp = _STAMP.match(parts[0].strip()) if parts else None
    if stamp is None:
        raise MalformedDelivery(f"{SIGNATURE_HEADER} is missing or does not begin with t=SECONDS")
    macs = [found[1] for part in parts[1:] if (found := _MAC.match(part.strip())) is not None]
    if not 1 <= len(macs) <= MAX_SIGNATURES:
        raise MalformedDelivery(f"{SIGNATURE_HEADER} has {len(macs)} v1, 1 to {MAX_SIGNATURES}")
    return int(stamp[1]), [bytes.fromhex(mac) for mac in macs]


def _delivery(delivery_id: str, time_s: int, body: bytes) -> Delivery:
    try:
        event = json.loads(body)
    except ValueError as error:
        raise MalformedDelivery("the body is no JSON") from error
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str) or event.get("id") != delivery_id:
        raise MalformedDelivery(f"the body is no event with the id of {DELIVERY_HEADER}")
    return Delivery(delivery_id, kind, event, time_s)


def _key(secret: str | bytes) -> bytes:
    """The secret as it was shown, as bytes: nothing is decoded."""
    key = secret.encode() if isinstance(secret, str) else secret
    if not key:
        raise ValueError("a secret is empty")
    return key
