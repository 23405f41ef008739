"""Disputes and other follow-ups of records: this member's desk, its casebook and its inbox."""
