"""What the tests of the privacy layer share: repeatable bytes, dealt keys, both libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest

from bulwark.privacy import group, sodium
from bulwark.privacy.group import Scalar, multiply_base, random_scalar
from bulwark.privacy.sharing import split
from bulwark.privacy.threshold import EvaluatorShare, ThresholdKey

RandomBytes = Callable[[int], bytes]


def stream(seed: str) -> RandomBytes:
    """Repeatable bytes that look random: SHAKE-256 over the seed and a call counter."""
    calls = iter(range(10**9))

    def random_bytes(count: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(count)

    return random_bytes


@pytest.fixture
def random_bytes(request: pytest.FixtureRequest) -> RandomBytes:
    return stream(request.node.name)


@pytest.fixture(scope="session")
def new_stream() -> Callable[[str], RandomBytes]:
    return stream


@pytest.fixture(params=["libsodium.so.23", "rbcl"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a test once on the system's libsodium and once on the copy inside rbcl."""
    loaded = sodium.load([pair for pair in sodium.openers() if pair[0] == request.param])
    monkeypatch.setattr(group, "library", lambda: loaded)
    yield request.param


Deal = Callable[..., tuple[ThresholdKey, list[EvaluatorShare]]]


@pytest.fixture(scope="session")
def deal() -> Deal:
    """Share a key: (threshold, holders, secret or none) -> public data, every holder's share."""

    def make(
        threshold: int, holders: int, secret: Scalar | None = None
    ) -> tuple[ThresholdKey, list[EvaluatorShare]]:
        random_bytes = stream(f"deal {threshold} of {holders}")
        secret = secret or random_scalar(random_bytes)
        dealing = split(secret, threshold, holders, random_bytes)
        keys = tuple(dealing.commitments.share_key(share.index) for share in dealing.shares)
        shares = [
            EvaluatorShare(share.index, share.value, key)
            for share, key in zip(dealing.shares, keys, strict=True)
        ]
        return ThresholdKey(threshold, multiply_base(secret), keys), shares

    return make
