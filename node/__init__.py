"""The node: everything that touches clock, disk and socket, around the pure packages."""
