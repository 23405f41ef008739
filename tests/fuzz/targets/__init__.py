"""The targets by name; a target's module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

PLACES = {
    "messages": ("messages", "Messages"),
    "replica": ("replica", "ReplicaTarget"),
    "hello": ("hello", "Hello"),
    "tls": ("tls", "Tls"),
    "rpc": ("rpc", "Rpc"),
    "socket": ("rpcsocket", "Socket"),
    "rest": ("rest", "Rest"),
    "answers": ("sync", "Answers"),
    "sync": ("sync", "Sync"),
    "whole": ("whole", "Whole"),
    "peer": ("peer", "Peer"),
    "ledger": ("ledger", "Ledger"),
    "privacy": ("privacy", "Privacy"),
}
"""Name to module and class."""


def target_class(name: str) -> type[Target]:
    """The class of a target."""
    module, made = PLACES[name]
    found: type[Target] = getattr(import_module(f"tests.fuzz.targets.{module}"), made)
    return found
