"""A deterministic seeded world around the consensus core: clock, network, disks, clients, faults.

`python -m tests.simulation --seeds A-B --n 4 --blocks N` prints the first failing seed.
"""
