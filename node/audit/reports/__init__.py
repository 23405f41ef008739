"""The reports: each makes one table of a final stretch of the ledger."""
