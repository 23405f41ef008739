"""A whole alliance on one machine: one process a node, as users, tests and benchmarks run it.

Import from the modules: this file stays empty so that the watchdog process stays small.
"""
