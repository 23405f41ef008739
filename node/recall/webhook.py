"""The webhook of recalls that the node's own file sets: its secret, its form and its patience.

Rules: the body is one JSON object; `Bulwark-Signature: t=<seconds>,v1=<hex>` is HMAC-SHA256 under
the shared secret over `<seconds>.<body>`, so that a receiver refuses what is old or not ours; the
number of a recall is the same at every try. It is posted, tried again and given up as any other
webhook (`node.push.lane`); only its form is older, and its URL is the operator's word.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from node.config import ConfigError
from node.keys import KeystoreError, read_private
from node.push.lane import Lane, Patience, Told
from node.push.port import Event, EventType, State
from node.push.sender import Sender
from node.push.subscriptions import Secret, Subscription
from node.push.wiring import PushCore
from node.recall.port import Recall
from node.sections import RecallConfig

MIN_SECRET: Final = 16
MAX_SECRET: Final = 4_096
CONFIGURED: Final = "00" * 8
"""Id of the subscription."""
DOUBLINGS: Final = 12
"""After so many the pause does not grow any more."""


def read_secret(path: Path) -> bytes:
    """The shared secret, without white space at its ends. Raises ConfigError."""
    try:
        data = read_private(path, MAX_SECRET + 2).strip()  # two for the end of its line
    except KeystoreError as error:
        problem = f"{error.detail}; {MIN_SECRET} to {MAX_SECRET} bytes needed"
        raise ConfigError(str(path), [f"recall.webhook_secret_file: {problem}"]) from error
    if not MIN_SECRET <= len(data) <= MAX_SECRET:
        raise ConfigError(str(path), [f"{len(data)} bytes, {MIN_SECRET} to {MAX_SECRET} needed"])
    return data


def data_of(recall: Recall) -> dict[str, object]:
    """A recall as the data of an event."""
    return {
        "recall": recall.number,
        "record_id": recall.record_id.hex(),
        "reason": recall.cause,
        "questions": [
            {"id": q.number, "time_ms": q.time_ms, "asked_by": q.who, "case_ref": q.case_ref}
            for q in recall.questions
        ],
    }


def body_of(event: Event) -> bytes:
    """The body of a post: the recall alone."""
    data = event.data
    document = {
        "id": data["recall"],
        "record_id": data["record_id"],
        "reason": data["reason"],
        "time_ms": event.time_ms,
        "height": event.height,
        "questions": data["questions"],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def signature(secret: bytes, time_s: int, body: bytes) -> str:
    """Value of the Bulwark-Signature header."""
    mac = hmac.digest(secret, str(time_s).encode() + b"." + body, hashlib.sha256)
    return f"t={time_s},v1={mac.hex()}"


def recall_lane(config: RecallConfig, home: Path, core: PushCore, told: Told) -> Lane | None:
    """The lane of the configured webhook, None where there is none. Raises ConfigError."""
    if config.webhook_url is None or config.webhook_secret_file is None:
        return None
    secret = read_secret(home / config.webhook_secret_file)
    subscription = Subscription(
        id=CONFIGURED,
        url=config.webhook_url,
        types=(EventType.RECALL,),
        description="recalls, as set in node.toml",
        state=State.ACTIVE,
        reason="",
        created_ms=0,
        created_by="node.toml",
        secrets=(Secret(""),),
    )
    return Lane(
        subscription,
        core.progress(CONFIGURED),
        events=core.events,
        book=core.book,
        poster=Sender(subscription.url, core.trusted, config.webhook_timeout_ms, core.tls_context),
        patience=Patience(
            tries=config.webhook_tries,
            pause_ms=config.webhook_pause_ms,
            max_pause_ms=config.webhook_pause_ms << DOUBLINGS,
            dead_in_a_row=0,
        ),
        sign=_signer(secret, core.wall_ms),
        encode=body_of,
        wall_ms=core.wall_ms,
        jitter=core.jitter,
        told=told,
    )


def _signer(
    secret: bytes, wall_ms: Callable[[], int]
) -> Callable[[Subscription, str, str, bytes], Mapping[str, str]]:
    def headers(
        _subscription: Subscription, delivery_id: str, _kind: str, body: bytes
    ) -> Mapping[str, str]:
        number = json.loads(body)["id"]
        return {
            "content-type": "application/json",
            "bulwark-signature": signature(secret, wall_ms() // 1000, body),
            "bulwark-recall": str(number),
            "bulwark-delivery": delivery_id,
        }

    return headers
