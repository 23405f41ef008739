"""The node's configuration: one documented tree from TOML file and environment.

`node.toml` in the node's home is read first, then environment variables override it
(`BULWARK_NETWORK__LISTEN_PORT=7001` sets `network.listen_port`). Relative paths are relative to the
home. Secrets are not in here: they live in the keystore. `bulwark config explain` prints this tree.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel, Field, ValidationError

from node.backup.settings import BackupConfig
from node.exchange.settings import ExchangeConfig
from node.identity.settings import LimitsConfig, OidcConfig
from node.interaction.settings import InteractionConfig
from node.jobs.settings import JobsConfig
from node.pruning.settings import PruningConfig
from node.push.settings import PushConfig, RetroConfig
from node.sections import (
    ConsensusConfig,
    ErasureConfig,
    GovernanceConfig,
    HttpConfig,
    KeystoreConfig,
    LogConfig,
    MempoolConfig,
    NetworkConfig,
    PrivacyConfig,
    RecallConfig,
    ReportingConfig,
    Section,
    StorageConfig,
    SyncConfig,
    TaggingConfig,
)
from node.taxii.settings import TaxiiConfig

PREFIX: Final = "BULWARK_"
NESTED: Final = "__"


class ConfigError(Exception):
    """The configuration is missing, unreadable or breaks a rule; one line a problem."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class NodeConfig(Section):
    """Everything that an operator sets for one node."""

    member: str = Field(description="this node's member id, as in genesis.json")
    genesis: Path = Field(Path("genesis.json"), description="the alliance's genesis document")
    network: NetworkConfig = Field(NetworkConfig(), description=str(NetworkConfig.__doc__))
    http: HttpConfig = Field(HttpConfig(), description=str(HttpConfig.__doc__))
    storage: StorageConfig = Field(StorageConfig(), description=str(StorageConfig.__doc__))
    keystore: KeystoreConfig = Field(KeystoreConfig(), description=str(KeystoreConfig.__doc__))
    reporting: ReportingConfig = Field(ReportingConfig(), description=str(ReportingConfig.__doc__))
    tagging: TaggingConfig = Field(TaggingConfig(), description=str(TaggingConfig.__doc__))
    privacy: PrivacyConfig = Field(PrivacyConfig(), description=str(PrivacyConfig.__doc__))
    mempool: MempoolConfig = Field(MempoolConfig(), description=str(MempoolConfig.__doc__))
    consensus: ConsensusConfig = Field(ConsensusConfig(), description=str(ConsensusConfig.__doc__))
    sync: SyncConfig = Field(SyncConfig(), description=str(SyncConfig.__doc__))
    governance: GovernanceConfig = Field(
        GovernanceConfig(), description=str(GovernanceConfig.__doc__)
    )
    erasure: ErasureConfig = Field(ErasureConfig(), description=str(ErasureConfig.__doc__))
    interaction: InteractionConfig = Field(
        InteractionConfig(), description=str(InteractionConfig.__doc__)
    )
    recall: RecallConfig = Field(RecallConfig(), description=str(RecallConfig.__doc__))
    limits: LimitsConfig = Field(LimitsConfig(), description=str(LimitsConfig.__doc__))
    oidc: OidcConfig = Field(OidcConfig(), description=str(OidcConfig.__doc__))
    jobs: JobsConfig = Field(JobsConfig(), description=str(JobsConfig.__doc__))
    push: PushConfig = Field(PushConfig(), description=str(PushConfig.__doc__))
    retro: RetroConfig = Field(RetroConfig(), description=str(RetroConfig.__doc__))
    taxii: TaxiiConfig = Field(TaxiiConfig(), description=str(TaxiiConfig.__doc__))
    exchange: ExchangeConfig = Field(ExchangeConfig(), description=str(ExchangeConfig.__doc__))
    backup: BackupConfig = Field(BackupConfig(), description=str(BackupConfig.__doc__))
    pruning: PruningConfig = Field(PruningConfig(), description=str(PruningConfig.__doc__))
    log: LogConfig = Field(LogConfig(), description=str(LogConfig.__doc__))


def load_config(home: Path) -> NodeConfig:
    """Read `home`/node.toml and the environment; raises ConfigError with one line a problem."""
    path = home / "node.toml"
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(str(path), ["no such file; `bulwark genesis new` makes it"]) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), [str(error)]) from error
    try:
        return NodeConfig(**_merged(values, _from_environment(os.environ)))
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError(str(path), problems) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that variables give, as a tree; names are compared without case.

    A section or a list is given as JSON. Variables of the product that are no setting, as that of
    the passphrase, are left out; an unknown name inside a section is refused like one in the file.
    """
    tree: dict[str, Any] = {}
    # Whole sections first, so that a single setting goes before its section.
    for variable in sorted(environment, key=len):
        if not variable.upper().startswith(PREFIX):
            continue
        first, *path = variable[len(PREFIX) :].lower().split(NESTED)
        if first in NodeConfig.model_fields:
            _put(tree, [first, *path], environment[variable], variable)
    return tree


def _put(tree: dict[str, Any], path: list[str], text: str, variable: str) -> None:
    section: type[BaseModel] | None = NodeConfig
    for name in path[:-1]:
        section = _section_at(section, name)
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ConfigError(variable, ["lies inside what another variable gives as one value"])
    field = None if section is None else section.model_fields.get(path[-1])
    is_json = _section_at(section, path[-1]) is not None or (
        field is not None and get_origin(field.annotation) is tuple
    )
    try:
        value: Any = json.loads(text) if is_json else text
    except ValueError as error:
        raise ConfigError(variable, [f"is no JSON: {error}"]) from error
    tree[path[-1]] = value


def _section_at(section: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    field = None if section is None else section.model_fields.get(name)
    kind = None if field is None else field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees as one; what both have is taken from `above`, section by section."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(value, dict) and isinstance(under, dict):
            value = _merged(under, value)
        merged[name] = value
    return merged


def explain(section: type[BaseModel] = NodeConfig, prefix: str = "") -> list[tuple[str, str, str]]:
    """Rows (name, default, meaning) of the whole tree, depth first."""
    rows: list[tuple[str, str, str]] = []
    for name, field in section.model_fields.items():
        full = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows.extend(explain(field.annotation, full + "."))
            continue
        default = "required" if field.is_required() else str(field.default)
        rows.append((full, default, field.description or ""))
    return rows


def environment_name(setting: str) -> str:
    """Name of the environment variable that sets `setting` (`network.listen_port`)."""
    return PREFIX + setting.upper().replace(".", NESTED)
