"""What a devnet consists of: its nodes, their ports, and the file `devnet.json` that names them.

Rules: node i listens for peers on base + 2i and serves HTTP on base + 2i + 1, all on loopback;
`devnet.json` has the form that the tools and tests around the product read, with a null pid for a
node that does not run. Ports of an existing devnet come from its nodes' own configuration.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import ConsensusParameters, Genesis, PrivacyParameters
from bulwark.ledger.ids import MemberId
from bulwark.ledger.permissions import Permissions
from bulwark.policies.library import TITLES
from genesis.alliance import DEFAULT_GAS_LIMIT, Alliance, MemberPlan
from genesis.home import CLEAR_API_KEYS_FILE, GENESIS_FILE, NODE_FILE
from genesis.policies import shipped_policies
from node.devnet.errors import DevnetInvalid
from node.keys import KeystoreError, write_private

FILE: Final = "devnet.json"
DEVNET_PARAMETERS: Final = {
    "quota_small": 1_000_000,
    "quota_bulk": 100_000,
    "ceremony_phase_seconds": 5,
}
"""For trying out and for tests: quotas that nobody meets, phases that a silent node ends soon."""
DEVNET_EPOCH_SECONDS: Final = 86_400
LOG_FILE: Final = "logs/node.log"
HOST: Final = "127.0.0.1"
CHAIN_ID: Final = 680_400
DEFAULT_BASE_PORT: Final = 17_000
MAX_VALIDATORS: Final = 40
MAX_OBSERVERS: Final = 10
_MAX_FILE_BYTES: Final = 1024 * 1024
Role = Literal["validator", "observer"]


@dataclass(frozen=True, slots=True)
class DevnetNode:
    """One node of the devnet."""

    name: str
    role: Role
    home: Path
    p2p_port: int
    http_port: int
    pid: int | None = None
    """None while it does not run."""

    @property
    def rest_url(self) -> str:
        """Root of the REST paths, without a slash at the end."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def log(self) -> Path:
        """Where its standard output and error go."""
        return self.home / LOG_FILE

    def with_pid(self, pid: int | None) -> DevnetNode:
        """The same node, running as `pid` or not at all."""
        return replace(self, pid=pid)

    def document(self) -> dict[str, object]:
        """Its entry in devnet.json."""
        return {
            "name": self.name,
            "role": self.role,
            "pid": self.pid,
            "home": str(self.home),
            "rest_url": self.rest_url,
            "rpc_url": f"{self.rest_url}/rpc",
            "p2p": f"{HOST}:{self.p2p_port}",
            "api_keys_file": str(self.home / CLEAR_API_KEYS_FILE),
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for; None takes what the folder has, or the default."""

    members: int | None = None
    observers: int | None = None
    base_port: int | None = field(default=None)

    def check(self, home: Path, nodes: Sequence[DevnetNode]) -> None:
        """Refuse an existing devnet that is not the one asked for; raises DevnetInvalid."""
        has = {
            "members": sum(node.role == "validator" for node in nodes),
            "observers": sum(node.role == "observer" for node in nodes),
            "base-port": nodes[0].p2p_port,
        }
        wanted = {
            "members": self.members,
            "observers": self.observers,
            "base-port": self.base_port,
        }
        for name, value in wanted.items():
            if value is not None and value != has[name]:
                raise DevnetInvalid(
                    home,
                    f"holds a devnet with --{name} {has[name]}; "
                    f"--{name} {value} needs another folder",
                )


def member_name(index: int) -> str:
    """Id of validator `index`, from 0: bank-a, telco-b, bank-c and so on."""
    kind = "telco" if index % 2 else "bank"
    mark = chr(ord("a") + index) if index < 26 else str(index + 1)
    return f"{kind}-{mark}"


def observer_name(index: int) -> str:
    """Id of observer `index`, from 0: regulator, regulator-2 and so on."""
    return "regulator" if index == 0 else f"regulator-{index + 1}"


def devnet_alliance(
    members: int,
    observers: int,
    ports: Sequence[int],
    parameters: Mapping[str, int] = DEVNET_PARAMETERS,
    epoch_seconds: int = DEVNET_EPOCH_SECONDS,
) -> Alliance:
    """An alliance on loopback; `ports` are two a node. Anyone may send and deploy.

    `parameters`: initial values of the ledger's privacy parameters; the default ones hinder nobody.
    """
    names = [member_name(index) for index in range(members)]
    plans = [
        _plan(name, ("validator", "reporter", "deployer"), ports[2 * i : 2 * i + 2])
        for i, name in enumerate(names)
    ]
    for i in range(observers):
        at = 2 * (members + i)
        plans.append(_plan(observer_name(i), ("regulator",), ports[at : at + 2]))
    return Alliance(
        name="Bulwark devnet",
        chain_id=CHAIN_ID,
        gas_limit=DEFAULT_GAS_LIMIT,
        consensus=ConsensusParameters(),
        privacy=PrivacyParameters(epoch_seconds=epoch_seconds),
        privacy_parameters=dict(parameters),
        permissions=Permissions(send="anyone", deploy="anyone"),
        members=tuple(plans),
        policies=shipped_policies(TITLES),
    )


def _plan(name: str, roles: tuple[str, ...], ports: Sequence[int]) -> MemberPlan:
    return MemberPlan(
        id=MemberId(name),
        name=name.replace("-", " ").title(),
        roles=roles,
        host=HOST,
        p2p_port=ports[0],
        http_port=ports[1],
        listen_host=HOST,
        http_host=HOST,
    )


def is_devnet(home: Path) -> bool:
    """Whether the folder holds a whole alliance; raises DevnetInvalid when it holds else."""
    if (home / GENESIS_FILE).is_file():
        return True
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise DevnetInvalid(home, "is neither a devnet nor an empty folder")
    return False


def read_nodes(home: Path) -> tuple[DevnetNode, ...]:
    """The nodes in ledger order, with the pids that devnet.json has; raises DevnetInvalid."""
    path = home / GENESIS_FILE
    try:
        genesis = Genesis.from_json(path.read_bytes())
    except OSError as error:
        raise DevnetInvalid(home, f"no devnet ({path.name}: {error.strerror})") from error
    except GenesisInvalid as error:
        raise DevnetInvalid(path, str(error)) from error
    pids = _read_pids(home / FILE)
    nodes = []
    for member in genesis.members:
        folder = home / member.id
        p2p_port, http_port = _ports(folder / NODE_FILE)
        role: Role = "validator" if member.is_validator else "observer"
        nodes.append(DevnetNode(member.id, role, folder, p2p_port, http_port, pids.get(member.id)))
    return tuple(nodes)


def write_nodes(home: Path, nodes: Sequence[DevnetNode]) -> None:
    """Write devnet.json, atomically; raises DevnetInvalid."""
    document = {"nodes": [node.document() for node in nodes]}
    text = json.dumps(document, indent=1) + "\n"
    try:
        write_private(home / FILE, text.encode(), overwrite=True)
    except KeystoreError as error:
        raise DevnetInvalid(error.path, error.detail) from error


def _ports(path: Path) -> tuple[int, int]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return int(document["network"]["listen_port"]), int(document["http"]["port"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DevnetInvalid(path, f"no usable ports in it ({error})") from error


def _read_pids(path: Path) -> dict[str, int]:
    try:
        with path.open("rb") as stream:
            entries = json.loads(stream.read(_MAX_FILE_BYTES))["nodes"]
        return {e["name"]: e["pid"] for e in entries if isinstance(e["pid"], int) and e["pid"] > 1}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DevnetInvalid(path, f"is damaged ({error}); remove it when no node runs") from error
