"""A second verifier, written from the equations alone: raw bytes in, failing equations out.

It shares no code with the package but the group's operations: it cuts the proof into fields by
itself, hashes the transcript and the generators by itself, pads the ring in full instead of
folding, multiplies every product p_i out digit by digit, and compares both sides of each equation.
"""

from __future__ import annotations

import hashlib

N_BASE = 4


class Parsed:
    def __init__(self, suite, encoding: bytes, m: int) -> None:
        assert encoding[0] == suite.version
        at = 1
        points, scalars = [], []
        for _ in range(10 + 2 * m):
            raw = encoding[at : at + suite.element_bytes]
            points.append((raw, suite.decode_element(raw, allow_identity=True, what="point")))
            at += suite.element_bytes
        for _ in range(3 * m + 5):
            raw = encoding[at : at + suite.scalar_bytes]
            scalars.append(int(suite.decode_scalar(raw, what="scalar")))
            at += suite.scalar_bytes
        assert at == len(encoding)
        self.raw_points = [raw for raw, _ in points]
        values = [point for _, point in points]
        self.E1, self.E2, self.T, self.A, self.B, self.C, self.D = values[:7]
        self.G = [(values[7 + 2 * k], values[8 + 2 * k]) for k in range(m)]
        self.R1, self.R2, self.R3 = values[7 + 2 * m :]
        self.f = [scalars[3 * j : 3 * j + 3] for j in range(m)]
        self.zA, self.zC, self.z, self.sr, self.sx = scalars[3 * m :]


def number_of_digits(members: int) -> int:
    m = 1
    while 4**m < members:
        m += 1
    return m


def hashed_scope_point(suite, fields: dict):
    message = b""
    for name, width in (("chain_id", 8), ("epoch", 8), ("scope", 1), ("slot", 4)):
        message += fields[name].to_bytes(width, "big")
    return suite.hash_to_group(message, b"Bulwark-v1-ARP-1-nullifier-" + suite.identifier)


def challenge(suite, fields: dict, raw_points: list[bytes]) -> int:
    ring = fields["ring"]
    m = number_of_digits(len(ring))
    scope_point = suite.encode_element(hashed_scope_point(suite, fields))
    number = lambda value: value.to_bytes(8, "big")  # noqa: E731
    hashed = [
        b"Bulwark-v1-ARP-1",
        suite.identifier,
        number(fields["chain_id"]),
        fields["genesis_hash"],
        number(fields["ring_height"]),
        number(len(ring)),
        hashlib.sha512(b"".join(ring)).digest(),
        fields["opener"],
        number(fields["opener_epoch"]),
        number(fields["epoch"]),
        number(fields["scope"]),
        number(fields["slot"]),
        scope_point,
        fields["message"],
        number(4),
        number(m),
        *raw_points,
    ]
    text = b"".join(len(one).to_bytes(4, "big") + one for one in hashed)
    return int.from_bytes(hashlib.sha512(text).digest(), "little") % suite.order


def failing_equations(suite, fields: dict, encoding: bytes, xi: int | None = None) -> list[int]:
    """Numbers of the equations that do not hold; `fields["ring"]` and "opener" are encodings."""
    q = suite.order
    m = number_of_digits(len(fields["ring"]))
    p = Parsed(suite, encoding, m)
    if xi is None:
        xi = challenge(suite, fields, p.raw_points)

    def decode(raw: bytes):
        return suite.decode_element(raw, allow_identity=False, what="key")

    def mul(value: int, point):
        return suite.multiply(suite.scalar(value % q), point)

    def com(rows: list[list[int]], blind: int):
        dst = b"Bulwark-v1-ARP-1-generator-" + suite.identifier
        total = mul(blind, suite.hash_to_group(b"\x00", dst))
        for j, row in enumerate(rows):
            for i, value in enumerate(row):
                total = total + mul(value, suite.hash_to_group(bytes([1, j, i]), dst))
        return total

    ring = [decode(raw) for raw in fields["ring"]]
    ring += [ring[-1]] * (N_BASE**m - len(ring))
    opener = decode(fields["opener"])
    scope_point = hashed_scope_point(suite, fields)
    base = suite.generator
    f = [[(xi - sum(row)) % q, *row] for row in p.f]
    left3, left4 = mul(xi**m, p.E1), mul(xi**m, p.E2)
    for index, key in enumerate(ring):
        product = 1
        for j in range(m):
            product = product * f[j][index // N_BASE**j % N_BASE] % q
        left4 = left4 - mul(product, key)
    for k, (g1, g2) in enumerate(p.G):
        left3, left4 = left3 - mul(xi**k, g1), left4 - mul(xi**k, g2)
    crossed = [[value * (xi - value) for value in row] for row in f]
    sides = {
        1: (mul(xi, p.B) + p.A, com(f, p.zA)),
        2: (mul(xi, p.C) + p.D, com(crossed, p.zC)),
        3: (left3, mul(p.z, base)),
        4: (left4, mul(p.z, opener)),
        5: (mul(p.sr, base), p.R1 + mul(xi, p.E1)),
        6: (mul(p.sx, base) + mul(p.sr, opener), p.R2 + mul(xi, p.E2)),
        7: (mul(p.sx, scope_point), p.R3 + mul(xi, p.T)),
    }
    return [number for number, (left, right) in sides.items() if left != right]


def fields_of(statement) -> dict:
    """The statement as plain values."""
    names = ("chain_id", "genesis_hash", "ring_height", "opener_epoch", "epoch", "scope", "slot")
    encode = statement.ring.suite.encode_element
    fields = {name: getattr(statement, name) for name in (*names, "message")}
    return fields | {
        "ring": [encode(key) for key in statement.ring.keys],
        "opener": encode(statement.opener),
    }
