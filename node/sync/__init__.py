"""State sync: a node that is far behind fetches verified blocks and state without executing."""
