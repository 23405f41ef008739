"""Answers questions about indicators from the local replica."""
