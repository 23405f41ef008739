"""TAXII 2.1: collections of this node that other systems of the member poll and write to."""
