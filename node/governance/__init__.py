"""The alliance's self-government as a node serves it: members, proposals, votes, dry runs."""
