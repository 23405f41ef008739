"""Bulwark library: what integrators import to read, write and verify an alliance's ledger."""
