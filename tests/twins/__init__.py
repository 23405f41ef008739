"""Twins (Bano et al., LibTwins): Byzantine behaviour from unmodified code and one shared key."""
