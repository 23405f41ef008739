"""The mesh between the members' nodes: mutual TLS 1.3, signed hello, bounded frames and queues."""
