"""Screening jobs: millions of rows asked about from a file, resumable, of this node's member."""
