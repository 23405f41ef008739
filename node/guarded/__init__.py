"""The guarded query path: membership proofs, quotas, relays, and what evaluators write down."""
