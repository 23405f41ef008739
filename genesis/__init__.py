"""Makes an alliance: from a description in TOML to one home folder a node."""
