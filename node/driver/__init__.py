"""Drives the pure consensus core: clock, disk, mesh, mempool and execution around it."""
