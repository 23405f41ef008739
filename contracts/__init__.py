"""Contracts of the alliance: Vyper sources, committed artifacts, typed bindings.

Import `contracts.bindings`; it needs neither a compiler nor an EVM.
"""
