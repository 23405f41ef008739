"""Scenarios in text: commands and the recorded answers of real cores (docs/scenarios.md)."""
