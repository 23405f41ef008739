"""Nets of real node processes from TOML manifests: built, disturbed, checked from outside."""
