"""Metrics of the API itself: requests by route and status, time to answer by route.

Rules: labels are route templates and status codes only, so their number is bounded and no value
of a client becomes a label. The text joins the node's own in one Prometheus exposition.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency histogram in seconds."""


class ApiMetrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self.more: list[Callable[[], bytes]] = []
        """What else the API counts, as Prometheus text."""

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(BUCKETS_S) + 1)
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def expose(self) -> bytes:
        """Prometheus text exposition format 0.0.4."""
        lines = [
            "# HELP bulwark_http_requests_total Requests answered by the API.",
            "# TYPE bulwark_http_requests_total counter",
        ]
        for (method, route, status), count in sorted(self._requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"bulwark_http_requests_total{{{labels}}} {count}")
        lines += [
            "# HELP bulwark_http_request_seconds Time from the request's head to its answer.",
            "# TYPE bulwark_http_request_seconds histogram",
        ]
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*BUCKETS_S, "+Inf"), buckets, strict=True):
                total += count
                labels = f'route="{route}",le="{bound}"'
                lines.append(f"bulwark_http_request_seconds_bucket{{{labels}}} {total}")
            seconds = self._seconds[route]
            lines.append(f'bulwark_http_request_seconds_sum{{route="{route}"}} {seconds:.6f}')
            lines.append(f'bulwark_http_request_seconds_count{{route="{route}"}} {total}')
        own = ("\n".join(lines) + "\n").encode()
        return own + b"".join(each() for each in self.more)
