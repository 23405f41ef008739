"""The sender: one signed HTTP POST to one receiver, and what became of it.

Rules: any 2xx takes an event; everything else, a redirect too, does not. One try has one deadline,
from the look-up of the name to the status line; of an answer's body nothing is kept and little is
read. What a fault is called here never holds a word of the receiver or the URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from node.push.receiver import BadReceiver, Policy, Target, resolve

if TYPE_CHECKING:
    import httpx

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer's body that are read, so that the connection can be used again."""
DRAIN_S: Final = 1.0
MAX_RETRY_AFTER_S: Final = 3_600


class Outcome(Struct, frozen=True):
    """What became of one try."""

    status: int | None
    error: str
    """Empty where there was a status."""
    latency_ms: int
    retry_after_s: int = 0
    """Pause that the receiver asked for, 429 and 503 alone."""

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Posts to one URL."""

    def __init__(
        self, url: str, policy: Policy, timeout_ms: int, tls: Callable[[], ssl.SSLContext]
    ) -> None:
        """`tls` is called for the first https post."""
        self.url = url
        self._policy = policy
        self._timeout_s = timeout_ms / 1000
        self._tls = tls
        self._client: httpx.AsyncClient | None = None

    async def post(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """One try; it does not raise for anything that a receiver or the way to it does."""
        import httpx  # not before there is one to send: a node without a webhook starts faster

        began = time.monotonic()
        heard: list[tuple[int, int]] = []
        error = ""
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                target = await resolve(self.url, self._policy)
                await self._exchange(target, headers, body, limit, heard)
        except TimeoutError:
            error = "timeout"
        except BadReceiver:
            error = "address not allowed"
        except ssl.SSLError:
            error = "tls"
        except httpx.TimeoutException:
            error = "timeout"
        except httpx.ConnectError as fault:
            error = "tls" if isinstance(_root(fault), ssl.SSLError) else "not reached"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError):
            error = "not reached"
        latency_ms = round((time.monotonic() - began) * 1000)
        # A fault after the status line changes nothing: the receiver has said what it did.
        return (
            Outcome(heard[0][0], "", latency_ms, heard[0][1])
            if heard
            else Outcome(None, error, latency_ms)
        )

    async def _exchange(
        self,
        target: Target,
        headers: Mapping[str, str],
        body: bytes,
        limit: asyncio.Timeout,
        heard: list[tuple[int, int]],
    ) -> None:
        client = self._opened(target.scheme)
        async with client.stream(
            "POST",
            target.url,
            content=body,
            headers={**headers, "host": target.host_header},
            extensions={"sni_hostname": target.host},
        ) as answer:
            status = answer.status_code
            wait = answer.headers.get("retry-after", "") if status in (429, 503) else ""
            heard.append((status, _retry_after(wait)))
            limit.reschedule(asyncio.get_running_loop().time() + 2 * DRAIN_S)
            with contextlib.suppress(Exception):  # the answer is known: its body changes nothing
                async with asyncio.timeout(DRAIN_S):
                    size = 0
                    async for chunk in answer.aiter_raw():
                        size += len(chunk)
                        if size > MAX_ANSWER:
                            break

    def _opened(self, scheme: str) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout_s,
                trust_env=False,
                follow_redirects=False,
                verify=self._tls() if scheme == "https" else False,
                limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _retry_after(text: str) -> int:
    """Seconds, 0 for anything else (a date too)."""
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return min(int(text), MAX_RETRY_AFTER_S) if is_number else 0


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
