"""What can go wrong with a whole alliance on one machine."""

from __future__ import annotations

from pathlib import Path


class DevnetError(Exception):
    """The devnet can not do what it was asked for."""


class DevnetInvalid(DevnetError):
    """The folder is no devnet, or another one than asked for."""

    def __init__(self, home: Path, detail: str) -> None:
        self.home = home
        self.detail = detail
        super().__init__(f"{home}: {detail}")


class PortTaken(DevnetError):
    """Another program listens where a node should."""

    def __init__(self, host: str, port: int, what: str) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"port {port} on {host} ({what}) is taken; stop what listens there or make a new "
            f"devnet with another --base-port"
        )


class NodeDied(DevnetError):
    """A node ended while the devnet waited for it."""

    def __init__(self, name: str, ended: str, log: Path, tail: list[str]) -> None:
        self.name = name
        self.ended = ended
        self.log = log
        self.tail = tail
        lines = "".join(f"\n    {line}" for line in tail) or " nothing"
        super().__init__(f"{name} ended ({ended}); last lines of {log}:{lines}")


class NotReady(DevnetError):
    """The nodes run but did not become an alliance in time."""

    def __init__(self, seconds: float, missing: list[str]) -> None:
        self.missing = missing
        super().__init__(f"not ready after {seconds:.0f} s: {'; '.join(missing)}")
