"""Execution of ordered batches: the EVM, the rules around it, and the blocks that come out."""

import os

from node.execution import deferred

# py-evm hashes through eth-hash, which reads this once at its first hash and would otherwise take
# a backend that is seven times slower on short input (design reference execution.md 2.1).
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
# Before the first import of py-evm, which is in a module of this package.
deferred.install()
