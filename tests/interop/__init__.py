"""Done-lines of interoperability: everything goes in, everything that goes out is read."""
