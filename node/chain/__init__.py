"""The executed chain of this node: its one writer, and the readers over it."""
