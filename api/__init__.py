"""REST and JSON-RPC of a node: HTTP in, the node's Protocols out."""
