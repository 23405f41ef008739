"""Key ceremonies: the members make, refresh and hand over a shared key with the ledger as witness.

The distributed key generation of Gennaro, Jarecki, Krawczyk and Rabin (1999/2007) with the ledger
as broadcast channel: every member deals a secret polynomial under Pedersen commitments, complaints
are settled in public, and only then are the Feldman commitments opened, so that nobody can bend the
key. Dealings of zero refresh the shares (Herzberg and others 1995), and dealings of the old shares
hand the key to another set of members (Desmedt and Jajodia 1997); key and tags stay what they were,
and as there is no key to bend the commitments are Feldman's from the beginning.

How the modules stand on each other, lowest first:

* `live`        the public record of a sharing in use, from which a next ceremony starts.
* `session`     who takes part in one ceremony, with which threshold, and what binds it together.
* `phases`      the phases of a ceremony, why one is closed, what is said of a post.
* `pedersen`    pairs of polynomials, their commitments and the checks of opened pairs.
* `posts`       the bytes of every phase's post, strict and bounded.
* `extraction`  from the dealers' commitments to the key and the share keys.
* `outcome`     running, done or failed, and who did what wrong.
* `record`      everything the ledger has said so far.
* `intake`      whether one post is taken, phase by phase.
* `closing`     what the end of a phase decides.
* `board`       the public side: posts in, outcome out; every node computes the same.
* `dealing`     the secret side of one dealer.
* `participant` the secret side of one party: what it posts, and its share at the end.

Assumptions: at most f = (n - 1) // 3 members are dishonest or silent for a whole phase, and the
ledger gives every node the same posts in the same phases. What holds without the first: no wrong
key is ever activated unless n - f members confirmed it, and a failed ceremony leaves the old
sharing live. Threshold t means that any t holders together can use the key as they like.

Shares lie sealed on the ledger for ever, so whoever later gets a holder's sealing key can open
them: refreshing shares protects nobody unless members also register new sealing keys for the new
session and erase the old ones.
"""
