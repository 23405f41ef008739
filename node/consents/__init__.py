"""Consent receipts of this member: the encrypted vault and the anchoring."""
