"""The webhook: recalls by HTTP POST to a system of this member, signed, until they are taken.

Rules: the body is one JSON object; `Bulwark-Signature: t=<seconds>,v1=<hex>` is HMAC-SHA256 under
the shared secret over `<seconds>.<body>`, so that a receiver refuses what is old or not ours; any
2xx answer takes the recall; everything else is tried again at doubling pauses and ends, after the
last try, in the dead letters. The id of a recall is the same at every try. Redirects are not
followed; nothing of an answer is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.config import ConfigError
from node.logs import Log
from node.recall.port import Recall
from node.sections import RecallConfig

if TYPE_CHECKING:
    import httpx

MIN_SECRET: Final = 16
MAX_SECRET: Final = 4_096

log = Log("recall")


def read_secret(path: Path) -> bytes:
    """The shared secret, without white space at its ends. Raises ConfigError."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()[: MAX_SECRET + 1].strip()
    except OSError as error:
        raise ConfigError(str(path), [f"recall.webhook_secret_file: {error.strerror}"]) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(str(path), ["others may read or write it; set its mode to 0600"])
    if not MIN_SECRET <= len(data) <= MAX_SECRET:
        raise ConfigError(str(path), [f"{len(data)} bytes, {MIN_SECRET} to {MAX_SECRET} needed"])
    return data


def document_of(recall: Recall) -> dict[str, object]:
    """A recall as JSON: what the webhook, the stream and the list show."""
    return {
        "id": recall.number,
        "record_id": recall.record_id.hex(),
        "reason": recall.cause,
        "time_ms": recall.time_ms,
        "height": recall.height,
        "questions": [
            {"id": q.number, "time_ms": q.time_ms, "asked_by": q.who, "case_ref": q.case_ref}
            for q in recall.questions
        ],
    }


def signature(secret: bytes, time_s: int, body: bytes) -> str:
    """Value of the Bulwark-Signature header."""
    mac = hmac.digest(secret, str(time_s).encode() + b"." + body, hashlib.sha256)
    return f"t={time_s},v1={mac.hex()}"


class Webhook:
    """One receiver."""

    def __init__(self, config: RecallConfig, home: Path) -> None:
        """Raises ConfigError."""
        if config.webhook_url is None or config.webhook_secret_file is None:
            raise ConfigError("recall", ["webhook_url and webhook_secret_file belong together"])
        self._url = config.webhook_url
        self._secret = read_secret(home / config.webhook_secret_file)
        self._timeout_s = config.webhook_timeout_ms / 1000
        self._client: httpx.AsyncClient | None = None

    async def post(self, recall: Recall, time_s: int) -> bool:
        """Send a recall once; whether it was taken."""
        import httpx  # not before there is one to send: a node without a webhook starts faster

        body = json.dumps(document_of(recall), separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "bulwark-signature": signature(self._secret, time_s, body),
            "bulwark-recall": str(recall.number),
        }
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False)
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=headers
            ) as answer:
                status = answer.status_code
        except (httpx.HTTPError, OSError) as error:
            log.warning("webhook not reached", recall=recall.number, reason=type(error).__name__)
            return False
        if not 200 <= status < 300:
            log.warning("webhook refused", recall=recall.number, status=status)
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
