"""Cryptography of the alliance: the group, proofs over it, and the threshold-keyed tags.

A tag is the 32-byte name under which the alliance knows a fraud indicator. It is the output of
RFC 9497 VOPRF(ristretto255, SHA-512) under a key that no member holds: the key is shared t of n
and any t members compute the output together without seeing the input.

How the modules stand on each other, lowest first:

* `errors`     what can go wrong, one tree.
* `sodium`     finds libsodium and declares the calls used from it.
* `expand`     RFC 9380 expand_message_xmd.
* `group`      ristretto255 with strict decoding; the only place that computes with points.
* `sigma`      RFC 9497 batched proof of equal discrete logarithms.
* `oprf`       RFC 9497 OPRF and VOPRF with one server, the reference of the threshold path.
* `sharing`    Shamir shares of a scalar, with commitments by which a holder checks its own.
* `threshold`  the tagging round: the client's and the evaluator's side, without I/O.
* `tags`       what exactly is hashed for an indicator.

Rules of the whole package: it reads no clock and takes no randomness by itself (callers pass
`random_bytes`); everything that came from a peer is decoded strictly and bounded first; secrets
never appear in a repr or an error. It does not open sockets, store keys or decide who may ask.

Importing this package loads nothing; libsodium is loaded by the first group operation, or by
`group.self_test()`, which a node calls before it does anything else.
"""
