"""STIX 2.1 in and out: bundles to statements with the fate of every object, records to bundles."""
