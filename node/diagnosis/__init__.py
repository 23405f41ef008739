"""Diagnosis: why there is no block, from plain facts to findings in plain words."""
