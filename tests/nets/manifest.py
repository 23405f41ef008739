"""A net's manifest: who takes part, over which links, under which load, and what happens to whom.

Rules: unknown fields, nodes and steps are refused by name before anything starts; steps are in
order of time; a manifest that was read and written again is the same. It starts nothing.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from bulwark.ledger.genesis import ConsensusParameters
from contracts.privacy.parameters import PRIVACY_PARAMETERS
from node.devnet.layout import member_name, observer_name

T = TypeVar("T")
ACTIONS: Final = (
    "kill",  # SIGKILL
    "terminate",  # SIGTERM, has to end by itself
    "stop",  # SIGSTOP
    "cont",  # SIGCONT
    "start",
    "restart",  # kill and start
    "wipe",  # the data directory of a node that does not run goes, its keys stay
    "tear",  # `bytes` off the end of the database log of a node that does not run
    "disconnect",
    "reconnect",
    "partition",  # `groups` of nodes; others are alone
    "heal",  # partition and disconnected nodes
    "link",  # latency_ms, loss_percent of everything a node sends; towards `to` if given
    "clock",  # offset_s and drift_ppm of a node's wall clock from now on
    "fill_disk",
    "free_disk",
)
EPOCH_SECONDS: Final = "epoch_seconds"
FAST: Final = {
    "base_timeout_ms": 600,
    "max_timeout_ms": 2_000,
    "heartbeat_ms": 400,
}
"""Consensus parameters of a net unless its manifest says otherwise: minutes become seconds."""


class ManifestInvalid(Exception):
    """The manifest can not be run as it is."""

    def __init__(self, where: str, detail: str) -> None:
        self.where = where
        super().__init__(f"{where}: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How packets travel in one direction; `source` and `target` may be "*"."""

    source: str = "*"
    target: str = "*"
    latency_ms: float = 0.0
    loss_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProfile:
    """Clients that report indicators, one after another each."""

    members: tuple[str, ...] = ()
    """Reporting members; none = no load."""
    clients: int = 1
    """A member."""
    pause_ms: int = 50
    wait: str = "executed"
    """What an answer means: accepted, executed or finalized."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One perturbation."""

    at_s: float
    do: str
    nodes: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    to: tuple[str, ...] = ()
    latency_ms: float = 0.0
    loss_percent: float = 0.0
    offset_s: float = 0.0
    drift_ppm: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What has to hold after the last step."""

    recover_s: float = 20.0
    """All running nodes have a common new block within this."""
    stuck: bool = False
    """True where by design no block can come: then there must be none, and no fork."""
    halted: tuple[str, ...] = ()
    """Nodes that have to have halted; any other that ended by itself is a failure."""
    memory_mb: int = 400
    """Most resident memory of a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole net."""

    name: str
    validators: int = 4
    observers: int = 0
    disk_mb: int = 0
    """Size of each node's own small file system; 0 = the data lies in an ordinary folder."""
    consensus: Mapping[str, int] = field(default_factory=lambda: dict(FAST))
    privacy: Mapping[str, int] = field(default_factory=dict)
    """Times of ceremonies, quotas, `epoch_seconds`, over those of a devnet; shorter than a
    description may have them, so that a net need not wait."""
    links: tuple[Link, ...] = ()
    load: LoadProfile = LoadProfile()
    steps: tuple[Step, ...] = ()
    expect: Expect = Expect()

    def __post_init__(self) -> None:
        if not 1 <= self.validators <= 10 or not 0 <= self.observers <= 4:
            raise ManifestInvalid(self.name, "1..10 validators and 0..4 observers are allowed")
        known = set(self.names)
        times = [step.at_s for step in self.steps]
        if times != sorted(times):
            raise ManifestInvalid(self.name, "steps are not in order of time")
        for number, step in enumerate(self.steps):
            where = f"{self.name}, step {number}"
            if step.do not in ACTIONS:
                raise ManifestInvalid(where, f"{step.do!r} is none of {', '.join(ACTIONS)}")
            named = {*step.nodes, *step.to, *(name for group in step.groups for name in group)}
            _known(where, named, known)
            if step.do not in ("partition", "heal") and not step.nodes:
                raise ManifestInvalid(where, f"{step.do} names no nodes")
            if step.do in ("fill_disk", "free_disk") and not self.disk_mb:
                raise ManifestInvalid(where, "needs disk_mb")
        _known(self.name, {*self.load.members, *self.expect.halted}, known)
        for name in self.privacy:
            if name not in PRIVACY_PARAMETERS and name != EPOCH_SECONDS:
                raise ManifestInvalid(self.name, f"privacy: {name!r} is no parameter")
        _known(
            self.name, {end for li in self.links for end in (li.source, li.target)} - {"*"}, known
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Nodes in ledger order, validators first."""
        return (*self.voters, *(observer_name(i) for i in range(self.observers)))

    @property
    def voters(self) -> tuple[str, ...]:
        """Validators in ledger order."""
        return tuple(member_name(i) for i in range(self.validators))

    @property
    def parameters(self) -> ConsensusParameters:
        """Consensus parameters of the genesis."""
        return ConsensusParameters(**self.consensus)

    @property
    def needs_wire(self) -> bool:
        """Whether links are emulated at all."""
        on_links = ("disconnect", "reconnect", "partition", "heal", "link")
        return bool(self.links) or any(step.do in on_links for step in self.steps)

    @property
    def needs_clocks(self) -> bool:
        """Whether clocks are changed."""
        return any(step.do == "clock" for step in self.steps)

    def link(self, source: str, target: str) -> Link:
        """How one node's packets to another travel at the start: the last entry that fits."""
        fitting = [
            li for li in self.links if li.source in ("*", source) and li.target in ("*", target)
        ]
        return fitting[-1] if fitting else Link()


def _known(where: str, named: set[str], known: set[str]) -> None:
    if named - known:
        raise ManifestInvalid(where, f"no such nodes: {', '.join(sorted(named - known))}")


def load(path: Path) -> Manifest:
    """Read a manifest; raises ManifestInvalid."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestInvalid(str(path), str(error)) from error
    return parse(document, str(path))


def parse(document: Mapping[str, Any], where: str) -> Manifest:
    """A manifest from its TOML document; raises ManifestInvalid."""
    values = dict(document)
    if "load" in values:
        values["load"] = _make(LoadProfile, values["load"], f"{where}: load")
    if "expect" in values:
        values["expect"] = _make(Expect, values["expect"], f"{where}: expect")
    for name, kind in (("links", Link), ("steps", Step)):
        rows = values.get(name, [])
        made = (_make(kind, row, f"{where}: {name}[{i}]") for i, row in enumerate(rows))
        values[name] = tuple(made)
    if "consensus" in values:
        values["consensus"] = {**FAST, **values["consensus"]}
    return _make(Manifest, values, where)


def _make(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise ManifestInvalid(where, f"{name!r} is none of {', '.join(known)}")
    missing = [n for n, item in known.items() if _required(item) and n not in values]
    if missing:
        raise ManifestInvalid(where, f"{', '.join(missing)} missing")
    return kind(**{name: _frozen(value) for name, value in values.items()})


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value


def dump(manifest: Manifest) -> str:
    """The manifest as TOML; what has its default is left out."""
    head = [
        f"{name} = {_value(value)}"
        for name in ("name", "validators", "observers", "disk_mb")
        if (value := getattr(manifest, name)) or name == "name"
    ]
    parts = ["\n".join(head)]
    parts.append(_table("[consensus]", dict(manifest.consensus), {}))
    if manifest.privacy:
        parts.append(_table("[privacy]", dict(manifest.privacy), {}))
    parts.append(_table("[load]", asdict(manifest.load), asdict(LoadProfile())))
    parts.append(_table("[expect]", asdict(manifest.expect), asdict(Expect())))
    parts += [_table("[[links]]", asdict(link), asdict(Link())) for link in manifest.links]
    empty = asdict(Step(at_s=-1.0, do=""))
    parts += [_table("[[steps]]", asdict(step), empty) for step in manifest.steps]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    lines = [f"{k} = {_value(v)}" for k, v in values.items() if v != defaults.get(k)]
    return "\n".join([head, *lines]) if lines else ""


def _value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_value(part) for part in value)}]"
    return json.dumps(value)
