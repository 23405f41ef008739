"""Exchange with MISP: what came in, what became of it, and what goes out."""
