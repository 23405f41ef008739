"""Crash at every effect: one process is killed at each point of its life and must come back."""
