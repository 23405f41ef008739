"""Contracts of the privacy layer: keys, key ceremonies, query log, openings.

Import `contracts.privacy.bindings`; it needs neither a compiler nor an EVM.
"""
