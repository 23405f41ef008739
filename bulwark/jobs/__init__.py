"""Screening jobs: the rows of a result, its signed manifest, and how both are checked offline."""
