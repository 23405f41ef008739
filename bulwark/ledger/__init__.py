"""The ledger's data model: everything that is hashed or signed, and nothing that does I/O.

Pure package: no clock, randomness, socket, thread, disk or logging. Time comes in as `*_ms`.
"""
