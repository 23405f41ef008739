"""Transport: one HTTP exchange with a node, repeated where that is safe.

Rules: the API key is sent as a header and held nowhere else (not in URLs, errors or repr); proxies
of the environment are not used unless asked for, since the key would pass through them; the time
given covers all tries together; answers are bounded. It does not know what a body means.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
import msgspec

from bulwark.client.errors import (
    ApiProblem,
    ClientError,
    FieldRefusal,
    TimedOut,
    UnexpectedAnswer,
    Unreachable,
)
from bulwark.client.policy import RetryPolicy, retry_after_s

MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
"""100,000 screening rows with their records."""
CONNECT_TIMEOUT_S: Final = 5.0
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}\Z")
_BROKEN: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class ConnectionInvalid(ClientError):
    """The address or the key of a node can not be used."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask."""

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    timeout_s: float = 60.0
    """For all tries together."""
    correlator: str = ""
    """Names the request in logs and among uploads; the node chooses one where it is empty."""

    @property
    def what(self) -> str:
        """For errors."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class _Problem:
    type: str = "about:blank"
    detail: str = ""
    title: str = ""
    instance: str = ""
    errors: tuple[FieldRefusal, ...] = ()


class Transport:
    """A connection pool to one node."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        policy: RetryPolicy,
        verify: ssl.SSLContext | bool,
        use_environment_proxies: bool,
        inner: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`inner` replaces the network. Raises ConnectionInvalid."""
        self.url = checked_url(url)
        headers = {"accept": "application/json, application/problem+json"}
        if api_key is not None:
            if _KEY.match(api_key) is None:
                raise ConnectionInvalid("the API key wants 1 to 128 printable ASCII characters")
            headers["authorization"] = f"Bearer {api_key}"
        self._policy = policy
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            verify=verify,
            trust_env=use_environment_proxies,
            transport=inner,
            limits=httpx.Limits(max_connections=256, max_keepalive_connections=64),
        )

    def __repr__(self) -> str:
        return f"Transport({self.url})"

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, request: Request) -> bytes:
        """Body of a 2xx answer. Raises ApiProblem, Unreachable, TimedOut, UnexpectedAnswer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.timeout_s
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(request, deadline - loop.time())
            except ApiProblem as problem:
                again = self._policy.repeats(problem.status, problem.code)
                failure: ClientError = problem
                asked = problem.retry_after_s
            except Unreachable as error:
                again, failure, asked = True, error, None
            answered = isinstance(failure, ApiProblem)
            pause = self._policy.pause_s(attempt, asked, answered=answered) if again else None
            if pause is None or not _repeatable(request) or loop.time() + pause >= deadline:
                raise failure
            await self._sleep(pause)

    async def _once(self, request: Request, left_s: float) -> bytes:
        headers = {}
        if request.body:
            headers["content-type"] = request.content_type
        if request.correlator:
            headers["x-correlator"] = request.correlator
        if request.idempotency_key is not None:
            headers["idempotency-key"] = request.idempotency_key
        timeout = httpx.Timeout(max(left_s, 0.001), connect=min(left_s, CONNECT_TIMEOUT_S))
        try:
            async with (
                asyncio.timeout(left_s),
                self._http.stream(
                    request.method,
                    request.path,
                    params=dict(request.query),
                    content=request.body or None,
                    headers=headers,
                    timeout=timeout,
                ) as response,
            ):
                body = await _bounded(response, request.what)
        except _BROKEN as error:
            raise Unreachable(self.url, _reason(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise TimedOut(request.what, request.timeout_s) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnexpectedAnswer(request.what, type(error).__name__) from None
        if response.is_success:
            return body
        raise _problem(request, response, body)


def checked_url(url: str) -> str:
    """A node's root address without a slash at the end; raises ConnectionInvalid."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, TypeError):
        raise ConnectionInvalid("the address of a node is http(s)://host:port") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConnectionInvalid("the address of a node is http(s)://host:port")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ConnectionInvalid(
            "the address of a node has no user, query or fragment; keys are given apart from it"
        )
    return str(parsed).rstrip("/")


def _repeatable(request: Request) -> bool:
    """Reads, questions, and writes under a key: twice is the same as once."""
    reads = request.method == "GET" or request.path.startswith("/v1/screenings")
    return reads or request.idempotency_key is not None


async def _bounded(response: httpx.Response, what: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(what, f"more than {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _reason(error: Exception) -> str:
    text = str(error)
    return text[:200] if text else type(error).__name__


def _problem(request: Request, response: httpx.Response, body: bytes) -> ClientError:
    if response.is_redirect:
        return UnexpectedAnswer(request.what, f"a redirect ({response.status_code})")
    try:
        found = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _Problem()
    return ApiProblem(
        response.status_code,
        found.type,
        found.detail or found.title or response.reason_phrase or "no details",
        found.errors,
        instance=found.instance,
        retry_after_s=retry_after_s(response.headers.get("retry-after")),
    )
