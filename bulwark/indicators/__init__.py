"""Fraud indicators: vocabularies, canonical forms, validated rows and the score.

Pure: a value in, a value out. ``normalise`` brings a value into its canonical form, ``model`` reads
a client's rows, ``records`` turns them into ledger payloads and back, ``scoring`` weighs records.
The page docs/indicators.md is generated from this package.
"""
