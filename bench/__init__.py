"""Benchmarks: an alliance of real processes, loaded and measured, never a timed test."""
