"""Pruning: gives back to the disk what a node need not keep, and says before and after how much."""
