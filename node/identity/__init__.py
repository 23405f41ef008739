"""Identity: who may use this node, by API key, client certificate or token, and at what rate."""
