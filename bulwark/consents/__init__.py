"""Consent receipts: the document a person gets, and the commitment that goes on the ledger."""
