"""Key ceremonies on the ledger: what this node posts, its shares, and the keys in force."""
