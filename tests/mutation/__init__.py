"""Mutation testing: small wrong changes of the core, each of which some test must notice."""
