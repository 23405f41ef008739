"""Opening a node's home for the commands that look into it.

Rules: the passphrase comes from the environment first, then from the file that the configuration
names, as when the node runs. Errors end the command with code 2.
"""

from __future__ import annotations

import os
from pathlib import Path

from bulwark.ledger.errors import GenesisInvalid
from bulwark.ledger.genesis import Genesis
from node.cli.faults import BadSetup, faults
from node.config import ConfigError, NodeConfig, load_config
from node.keys import KeystoreError, NodeSecrets, PassphraseMissing
from node.rotation.keyfile import open_keystore


def open_config(home: Path) -> NodeConfig:
    """The configuration of the node in `home`; raises BadSetup."""
    with faults(setup=(ConfigError,)):
        return load_config(home)


def open_genesis(home: Path, config: NodeConfig) -> Genesis:
    """The alliance's genesis document; raises BadSetup."""
    path = home / config.genesis
    try:
        return Genesis.from_json(path.read_bytes())
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except GenesisInvalid as error:
        raise BadSetup(f"{path}: {error}") from error


def open_secrets(home: Path, config: NodeConfig) -> NodeSecrets:
    """The node's keys; raises BadSetup."""
    with faults(setup=(KeystoreError, PassphraseMissing)):
        return open_keystore(home, config.keystore, os.environ).secrets
