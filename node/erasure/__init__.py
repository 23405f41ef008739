"""Erasure: destroys what the ledger orders to destroy, proves it, and orders for this member."""
