"""Policies: under which law, for which purposes and within which limits records are shared"""
