"""A second, independent statement of the rules: slow, plain, sharing no code with `consensus/`."""
