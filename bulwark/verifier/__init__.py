"""Offline verifier of evidence packs: a small code path of its own that trusts nobody"""
