"""Push: what happened at this member, kept as a log, streamed, and posted to its systems."""
