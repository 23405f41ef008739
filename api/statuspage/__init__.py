"""The status page: where a person sees by its code how its case stands, without a key."""
