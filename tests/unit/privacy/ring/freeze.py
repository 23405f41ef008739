"""Writes the frozen ARP-1 vectors: `python -m tests.unit.privacy.ring.freeze`.

Everything follows from fixed seeds, so a run that changes a file has changed the protocol.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from bulwark.privacy.ring.prover import prove
from bulwark.privacy.ring.ristretto import RISTRETTO255
from bulwark.privacy.ring.verifier import claim
from tests.unit.privacy.ring.bls12381 import ARKWORKS
from tests.unit.privacy.ring.slow_verifier import fields_of
from tests.unit.privacy.ring.worlds import World

FOLDER = Path(__file__).parents[3] / "vectors" / "arp1"
CASES = {
    "ristretto255.json": (
        RISTRETTO255,
        [(1, 0), (2, 1), (4, 0), (4, 3), (5, 4), (16, 9), (17, 16), (64, 37)],
    ),
    "bls12381.json": (ARKWORKS, [(4, 2), (7, 6)]),
}


def case(suite, members: int, index: int) -> dict:
    """One vector; hexadecimal strings but for the statement's integers."""
    world = World(members, suite, seed="Bulwark ARP-1 vectors")
    statement = replace(
        world.statement,
        slot=members,
        message=hashlib.sha512(b"request %d" % index).digest(),
    )
    fresh = hashlib.sha512(b"fresh %d %d" % (members, index)).digest()
    proof = prove(statement, world.secrets[index], index, lambda _: fresh)
    fields = fields_of(statement)
    encoded = {
        name: [one.hex() for one in value]
        if isinstance(value, list)
        else value.hex()
        if isinstance(value, bytes)
        else value
        for name, value in fields.items()
    }
    return {
        "statement": encoded,
        "index": index,
        "secret": suite.encode_scalar(world.secrets[index]).hex(),
        "fresh": fresh.hex(),
        "scope_point": suite.encode_element(statement.scope_point).hex(),
        "statement_hash": statement.statement_hash().hex(),
        "nullifier": suite.encode_element(proof.nullifier).hex(),
        "challenge": f"{claim(statement, proof).challenge:064x}",
        "proof": proof.encode().hex(),
    }


def main() -> None:
    for name, (suite, pairs) in CASES.items():
        made = [case(suite, members, index) for members, index in pairs]
        (FOLDER / name).write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
