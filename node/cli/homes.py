"""Opening a node's home for the commands that look into it.

Rules: the passphrase comes from the environment first, then from the file that the configuration
names, as when the node runs. Errors end the command with code 2.
"""

from __future__ import annotations

import os
from pathlib import Path

from bulwark.ledger.genesis import Genesis
from node.cli.faults import faults
from node.cli.files import read_genesis
from node.config import ConfigError, NodeConfig, load_config
from node.keys import KeystoreError, NodeSecrets, PassphraseMissing
from node.rotation.keyfile import open_keystore


def open_config(home: Path) -> NodeConfig:
    """The configuration of the node in `home`; raises BadSetup."""
    with faults(setup=(ConfigError,)):
        return load_config(home)


def open_genesis(home: Path, config: NodeConfig) -> Genesis:
    """The alliance's genesis document; raises BadSetup."""
    return read_genesis(home / config.genesis)


def open_secrets(home: Path, config: NodeConfig) -> NodeSecrets:
    """The node's keys; raises BadSetup."""
    with faults(setup=(KeystoreError, PassphraseMissing)):
        return open_keystore(home, config.keystore, os.environ).secrets
