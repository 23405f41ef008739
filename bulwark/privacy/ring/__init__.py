"""ARP-1, the accountable ring proof: "one of the current members asks this, once for this slot".

The proof shows, without naming the member, that its maker knows the secret x of one key Y_l of the
ring, that the nullifier T = x*U belongs to that x and to this slot of the quota, and that E1, E2
encrypt Y_l to the opener (regulator and council together). It is one-out-of-many in base 4 (Groth
and Kohlweiss, eprint 2014/764; Bootle and others, eprint 2015/643) joined with two Schnorr proofs
by one Fiat-Shamir challenge. It is composed here and **unaudited**.

How the modules stand on each other, lowest first:

* `suite`       what the protocol asks of a group and its scalars.
* `ristretto`   the product's suite, over `bulwark.privacy.group`, and names bound to it.
* `generators`  the points H, H_ji and U that nobody knows relations between.
* `statement`   the ring and the statement; what the challenge depends on.
* `proof`       the proof and its one encoding.
* `moves`       the first and the third move of the interactive protocol.
* `prover`      the non-interactive proof with hedged randomness; the nullifier.
* `combination` the equations (1) to (7) as one weighted sum.
* `verifier`    the checks, in the order in which they reject cheaply.
* `batch`       many proofs in one sum, and which of them are bad.

What it does not hide: a ring of one key hides nothing (the proof is then a signature of that
member), a ring of four hides among four; the sender's network address; and everything from whoever
holds the opener's key. Who is in a ring, which slots are spent and which heights are fresh is the
caller's business.
"""
