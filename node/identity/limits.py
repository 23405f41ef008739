"""Rate limits: token buckets, one for each principal, by the bounds of its key or role.

Rules: each principal has buckets of its own, so nobody spends another's share. Requests are paid
one by one and refused when the bucket is empty; rows of an upload are known once it was read, so an
upload is let in while the bucket is not in debt and its rows are charged after: a debt delays the
next upload and is never lost. Open paths (health) are counted by client address in buckets apart.
Principals that nobody heard of for longest are forgotten; by then their buckets are full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from node.identity.principal import Principal, RateLimit
from node.service import Role

MAX_BUCKETS: Final = 20_000
BURST_SECONDS: Final = 2
ROW_BURST_SECONDS: Final = 10


class Bucket:
    """Tokens that come back at a rate, up to a burst; may be in debt."""

    __slots__ = ("at_s", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now_s: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.at_s = now_s

    def refill(self, now_s: float) -> None:
        """Bring the tokens up to date."""
        self.tokens = min(self.burst, self.tokens + (now_s - self.at_s) * self.rate)
        self.at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one token if there is one."""
        self.refill(now_s)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def wait_s(self, tokens: float = 1.0) -> float:
        """Seconds until there are so many tokens."""
        return max(0.0, (tokens - self.tokens) / self.rate)


@dataclass(slots=True)
class _Pair:
    """Buckets of one principal."""

    limit: RateLimit
    requests: Bucket | None
    rows: Bucket | None


class Quota(Struct, frozen=True):
    """Where a principal stands with one of its buckets."""

    name: str
    """Name of the policy: the role, or `key` where the key has bounds of its own."""
    burst: int
    window_s: int
    """Seconds in which an empty bucket is full again."""
    remaining: int
    wait_s: float
    """Seconds until the next request is taken; 0 if it is now."""


class Level(Struct, frozen=True):
    """What a principal has left of its bounds now; None where nothing bounds it."""

    key_id: str
    requests_left: int | None
    requests_burst: int | None
    rows_left: int | None
    """Below 0: a debt that delays the next upload."""


class RateLimiter:
    """All buckets of this process; `now_s` is monotonic."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._roles: Mapping[Role, RateLimit] = {}
        self._open: RateLimit = RateLimit()
        self._pairs: OrderedDict[str, _Pair] = OrderedDict()
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()
        self.refused: dict[tuple[str, str], int] = {}
        """Refusals by (role, what was over): `requests`, `rows`; open paths have the role ``."""

    def configure(self, roles: Mapping[Role, RateLimit], open_paths: RateLimit) -> None:
        """Take over bounds; buckets whose bounds are others now begin anew, full."""
        self._roles = dict(roles)
        self._open = open_paths
        self._pairs.clear()
        self._addresses.clear()

    @property
    def bounds(self) -> Mapping[Role, RateLimit]:
        """What is in force for each role."""
        return dict(self._roles)

    def levels(self, most: int) -> list[Level]:
        """Where the principals that were heard of last stand, the latest first."""
        found, now_s = [], self._now_s()
        for key_id in list(reversed(self._pairs))[:most]:
            pair = self._pairs[key_id]
            for bucket in (pair.requests, pair.rows):
                if bucket is not None:
                    bucket.refill(now_s)
            requests, rows = pair.requests, pair.rows
            found.append(
                Level(
                    key_id,
                    None if requests is None else max(0, int(requests.tokens)),
                    None if requests is None else int(requests.burst),
                    None if rows is None else int(rows.tokens),
                )
            )
        return found

    def take(self, who: Principal, own: RateLimit | None) -> Quota | None:
        """Pay one request; None where nothing bounds them. Refused if `wait_s` is over 0."""
        limit = own or self._roles.get(who.role)
        if limit is None or limit.is_open:
            return None
        pair, now_s = self._pair(who, limit), self._now_s()
        bucket = pair.requests
        if bucket is None:
            return None
        taken = bucket.take(now_s)
        if not taken:
            self._count(who.role.value, "requests")
        return Quota(
            "key" if own is not None else who.role.value,
            int(bucket.burst),
            max(1, round(bucket.burst / bucket.rate)),
            max(0, int(bucket.tokens)),
            0.0 if taken else bucket.wait_s(),
        )

    def rows_wait_s(self, who: Principal, own: RateLimit | None) -> float:
        """Seconds until another upload is let in; 0 if it is now, else it counts as refused."""
        wait_s = self.rows_owed_s(who, own)
        if wait_s > 0:
            self._count(who.role.value, "rows")
        return wait_s

    def rows_owed_s(self, who: Principal, own: RateLimit | None) -> float:
        """Seconds until the rows of earlier uploads and jobs are paid; 0 if they are."""
        limit = own or self._roles.get(who.role)
        if limit is None or limit.rows_per_second is None:
            return 0.0
        bucket = self._pair(who, limit).rows
        if bucket is None:
            return 0.0
        bucket.refill(self._now_s())
        return 0.0 if bucket.tokens > 0 else max(0.001, bucket.wait_s())

    def charge_rows(self, who: Principal, own: RateLimit | None, rows: int) -> None:
        """Pay the rows of an upload that was read; may leave a debt."""
        limit = own or self._roles.get(who.role)
        if limit is None or limit.rows_per_second is None:
            return
        bucket = self._pair(who, limit).rows
        if bucket is not None:
            bucket.refill(self._now_s())
            bucket.tokens -= rows

    def take_open(self, address: str) -> float:
        """Pay one request to an open path; seconds to wait, 0 if it is taken."""
        rate = self._open.per_second
        if rate is None:
            return 0.0
        now_s = self._now_s()
        bucket = self._addresses.get(address)
        if bucket is None:
            bucket = Bucket(rate, self._open.burst or rate * BURST_SECONDS, now_s)
            self._addresses[address] = bucket
            if len(self._addresses) > MAX_BUCKETS:
                self._addresses.popitem(last=False)
        else:
            self._addresses.move_to_end(address)
        if bucket.take(now_s):
            return 0.0
        self._count("", "requests")
        return bucket.wait_s()

    def _pair(self, who: Principal, limit: RateLimit) -> _Pair:
        pair = self._pairs.get(who.key_id)
        if pair is not None and (pair.limit is limit or pair.limit == limit):
            self._pairs.move_to_end(who.key_id)
            return pair
        now_s = self._now_s()
        requests = rows = None
        if limit.per_second is not None:
            burst = limit.burst or max(1.0, limit.per_second * BURST_SECONDS)
            requests = Bucket(limit.per_second, burst, now_s)
        if limit.rows_per_second is not None:
            burst = limit.row_burst or max(1.0, limit.rows_per_second * ROW_BURST_SECONDS)
            rows = Bucket(limit.rows_per_second, burst, now_s)
        pair = self._pairs[who.key_id] = _Pair(limit, requests, rows)
        if len(self._pairs) > MAX_BUCKETS:
            self._pairs.popitem(last=False)
        return pair

    def _count(self, role: str, what: str) -> None:
        self.refused[role, what] = self.refused.get((role, what), 0) + 1

    def expose(self) -> bytes:
        """Prometheus text of the refusals."""
        lines = [
            "# HELP bulwark_http_rate_limited_total Requests refused because a rate was over.",
            "# TYPE bulwark_http_rate_limited_total counter",
        ]
        for (role, what), count in sorted(self.refused.items()):
            labels = f'role="{role or "none"}",bound="{what}"'
            lines.append(f"bulwark_http_rate_limited_total{{{labels}}} {count}")
        return ("\n".join(lines) + "\n").encode()
