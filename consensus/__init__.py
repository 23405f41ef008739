"""Signed PBFT as a sans-IO core: `Replica.step(event, now_ms)` returns the effects to carry out.

Pure: no clock, socket, disk, randomness or logging. The rules and their ids are in
`docs/protocol.md`; the driver's duties are in the docstring of `consensus.effects`.
"""
