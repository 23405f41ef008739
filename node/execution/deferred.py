"""Modules that libraries import and a node seldom runs: stand-ins that load on the first call.

Rules: a stand-in has the functions of `DEFERRED` and nothing else; the first call of any of them
loads the real module and every call goes to the real function, with its result or its exception.
What was imported before is left alone. It is the one place that puts something of its own between
an import and the library (ADR-0014); it changes when code is loaded, never what it computes.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

DEFERRED: Final[Mapping[str, tuple[str, ...]]] = {
    # py_ecc, whose tables of pairings take 0.35 s of CPU to build.
    "eth.precompiles.ecadd": ("ecadd",),
    "eth.precompiles.ecmul": ("ecmul",),
    "eth.precompiles.ecpairing": ("ecpairing",),
    "eth.precompiles.bls12_381": (
        "bls12_g1_add",
        "bls12_g1_msm",
        "bls12_map_fp_to_g1",
        "bls12_g2_add",
        "bls12_g2_msm",
        "bls12_map_fp2_to_g2",
        "bls12_pairing_check",
    ),
    # Proof of work's hash: a parser of C declarations comes with it.
    "Crypto.Hash.keccak": ("new",),
    # The names of all public chains.
    "eth_utils.network": (
        "Network",
        "name_from_chain_id",
        "network_from_chain_id",
        "short_name_from_chain_id",
    ),
    # uvicorn's restarts of itself: processes, and a watcher of files.
    "uvicorn.supervisors": ("ChangeReload", "Multiprocess"),
}
"""Module -> the functions that its importers take from it."""
CURRIED: Final = frozenset({"ecadd", "ecmul", "ecpairing"})
"""Those that get their price first and their argument later."""

RECURSION_LIMIT: Final = 100_000
"""What py_ecc sets when it is loaded. It is set before that, since a limit that depended on what a
node has called so far would let nodes disagree about a deep call."""

_loading = threading.RLock()


def install() -> None:
    """Put the stand-ins where an import finds them; harmless when repeated."""
    sys.setrecursionlimit(max(RECURSION_LIMIT, sys.getrecursionlimit()))
    for name, functions in DEFERRED.items():
        if name not in sys.modules:
            sys.modules[name] = _StandIn(name, functions)


class _StandIn(ModuleType):
    """A module whose functions load the real one."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        super().__init__(name, "Loads the real module of this name when it is called.")
        self._real: ModuleType | None = None
        for function in functions:
            setattr(self, function, self._function(function))

    def _function(self, name: str) -> Callable[..., Any]:
        def deferred(*given: Any, **named: Any) -> Any:
            if not given and name in CURRIED:
                return functools.partial(deferred, **named)
            return getattr(self._load(), name)(*given, **named)

        deferred.__name__ = name
        return deferred

    def __getattr__(self, name: str) -> Any:
        """`__path__`, so that sub-modules can be imported by their own names; nothing else."""
        if name == "__path__":
            return _spec_of(self.__name__).submodule_search_locations or []
        raise AttributeError(f"{self.__name__} has no {name} before it is loaded", name=name)

    def _load(self) -> ModuleType:
        """The real module, loaded once; it takes the stand-in's place under its name."""
        with _loading:
            if self._real is None:
                # Not by `import`, which would put the module into its parent package under a name
                # that is a function there.
                spec = _spec_of(self.__name__)
                real = module_from_spec(spec)
                sys.modules[self.__name__] = real
                try:
                    spec.loader.exec_module(real)
                except BaseException:
                    sys.modules[self.__name__] = self
                    raise
                self._real = real
            return self._real


def _spec_of(name: str) -> Any:
    """Where the real module is. Raises ModuleNotFoundError."""
    parent = find_spec(name.rpartition(".")[0])
    found = None
    if parent is not None:
        found = PathFinder.find_spec(name, parent.submodule_search_locations)
    if found is None or found.loader is None:
        raise ModuleNotFoundError(f"no module {name}", name=name)
    return found
