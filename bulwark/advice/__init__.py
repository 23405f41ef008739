"""Advice: what to say and do after a screening, in plain words of several languages."""
