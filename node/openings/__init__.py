"""Openings: how the alliance tells a regulator who asked, by case, vote and shared key."""
