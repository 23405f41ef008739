"""MISP: events to statements and records to events, feeds and Private Search Sets."""
