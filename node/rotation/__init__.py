"""Rotation: keys in use, to come and former ones of a node, and how they change over"""
