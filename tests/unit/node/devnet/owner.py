"""Owns a devnet of stand-ins until it is killed; prints its nodes' pids when all serve."""

from __future__ import annotations

import sys
from pathlib import Path

from node.devnet.devnet import Devnet
from tests.unit.node.devnet.harness import STAND_IN

devnet = Devnet.create(Path(sys.argv[1]), 1, 1, command=STAND_IN)
devnet.start()
sys.stdout.write(" ".join(str(node.pid) for node in devnet.nodes) + "\n")
sys.stdout.flush()
sys.stdin.read()
