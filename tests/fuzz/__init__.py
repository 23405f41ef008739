"""Fuzzing: everything that bytes of a peer or a client reach, fed with inputs made from seeds."""
