"""The key-value store of a node: one database, one key table, two kinds of synced writes."""
