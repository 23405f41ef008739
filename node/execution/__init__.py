"""Execution of ordered batches: the EVM, the rules around it, and the blocks that come out."""
