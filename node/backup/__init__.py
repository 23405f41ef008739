"""Backup and restore of a node: one encrypted file, checked before anything is replaced by it."""
