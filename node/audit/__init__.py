"""The audit desk of a node: reports, samples and evidence from this node's own replica."""
