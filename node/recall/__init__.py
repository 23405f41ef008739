"""Recall: this member's own past hits, and telling its systems when one of them falls."""
