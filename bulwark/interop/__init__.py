"""Conversions between the alliance's records and the formats that fraud desks already have."""
