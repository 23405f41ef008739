"""Writes the sample lists of this folder: made-up indicators that can be nobody's.

Rules: the same source gives the same files on every machine (everything is drawn from SHA-256 of a
counter); values come from ranges that are reserved for fiction, documentation and tests, or are
hashes of these words; all are well formed, so that a node takes them. Run it from the repository's
root: python -m node.samples.make
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import base58
import sha3

FOLDER: Final = Path(__file__).parent
COLUMNS: Final = (
    "kind",
    "value",
    "fraud_type",
    "object_role",
    "evidence_level",
    "confidence",
    "channel",
    "country",
)
Row = tuple[str, ...]

# Numbers that Ofcom keeps for drama, and 555-01XX of the North American plan.
UK_DRAMA: Final = (
    ("20 7946 0", 3),
    ("113 496 0", 3),
    ("114 496 0", 3),
    ("116 496 0", 3),
    ("117 496 0", 3),
    ("118 496 0", 3),
    ("121 496 0", 3),
    ("131 496 0", 3),
    ("141 496 0", 3),
    ("151 496 0", 3),
    ("161 496 0", 3),
)
US_AREAS: Final = ("202", "212", "303", "312", "404", "415", "512", "617", "702", "808")
CALL_FRAUDS: Final = ("imp_bank", "imp_authority", "tech_support", "vishing", "wangiri")
WEB_FRAUDS: Final = ("phishing", "crypto_investment", "purchase", "investment", "lottery")
MAIL_FRAUDS: Final = ("loan_fee", "romance", "lottery", "imp_boss_acquaintance", "job")
EVIDENCE: Final = ("suspected", "reported_by_customer", "confirmed", "confirmed")
LURES: Final = ("secure", "login", "verify", "wallet", "refund", "parcel", "support", "bonus")
BRANDS: Final = ("northbank", "rivertel", "harbour", "citypost", "minttrade", "sunloan")
COUNTRIES: Final = ("GB", "DE", "FR", "NL", "ES", "IT", "PL", "US")


class Draw:
    """Numbers and choices from SHA-256 of a name and a counter."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def bytes(self) -> bytes:
        """32 bytes."""
        self._count += 1
        return sha256(f"bulwark samples/{self._name}/{self._count}".encode()).digest()

    def below(self, bound: int) -> int:
        """A number from 0 to below `bound`."""
        return int.from_bytes(self.bytes(), "big") % bound

    def of(self, choices: tuple[str, ...]) -> str:
        """One of the choices."""
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        """Decimal digits."""
        return f"{self.below(10**count):0{count}d}"


def phone(draw: Draw) -> str:
    """A number reserved for fiction."""
    if draw.below(4):
        lead, count = UK_DRAMA[draw.below(len(UK_DRAMA))]
        return f"+44 {lead}{draw.digits(count)}"
    return f"+1 {draw.of(US_AREAS)} 555 01{draw.digits(2)}"


def domain(draw: Draw) -> str:
    """A name below .example (RFC 2606)."""
    return f"{draw.of(LURES)}-{draw.of(BRANDS)}-{draw.below(10**5)}.example"


def url(draw: Draw) -> str:
    """A page of such a name."""
    return f"https://{domain(draw)}/{draw.of(LURES)}/{draw.bytes().hex()[:8]}"


def email(draw: Draw) -> str:
    """A mailbox at a name that RFC 2606 reserves."""
    host = draw.of(("example.com", "example.net", "example.org", "mail.example"))
    return f"{draw.of(BRANDS)}.{draw.of(LURES)}{draw.below(10**5)}@{host}"


def wallet(draw: Draw) -> str:
    """An address whose account is a hash of words: nobody has its key."""
    account = draw.bytes()[:20]
    match draw.below(3):
        case 0:
            return base58.b58encode_check(b"\x00" + account).decode()
        case 1:
            return base58.b58encode_check(b"\x41" + account).decode()
        case _:
            return checksummed(account.hex())


def checksummed(digits: str) -> str:
    """An Ethereum address with its mixed-case checksum (EIP-55)."""
    mask = sha3.keccak_256(digits.encode()).hexdigest()
    pairs = zip(digits, mask, strict=False)
    return "0x" + "".join(d.upper() if m >= "8" else d for d, m in pairs)


def iban(draw: Draw) -> str:
    """An account at a bank whose code is all zeros or TEST, with right check digits."""
    country, bban = {
        0: ("DE", "00000000" + draw.digits(10)),
        1: ("NL", "TEST" + draw.digits(10)),
        2: ("GB", "TEST" + "000000" + draw.digits(8)),
        3: ("AT", "00000" + draw.digits(11)),
    }[draw.below(4)]
    number = int("".join(str(int(c, 36)) for c in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02d}{bban}"


def several(make: Callable[[Draw], str], draw: Draw) -> Iterator[str]:
    """Values, each once."""
    seen: set[str] = set()
    while True:
        value = make(draw)
        if value not in seen:
            seen.add(value)
            yield value


def rows(
    kind: str,
    make: Callable[[Draw], str],
    count: int,
    frauds: tuple[str, ...],
    role: str,
    channel: str,
) -> list[Row]:
    """Rows of one list."""
    draw = Draw(kind)
    return [
        (
            kind,
            value,
            draw.of(frauds),
            role,
            draw.of(EVIDENCE),
            str(40 + 5 * draw.below(12)),
            channel,
            draw.of(COUNTRIES),
        )
        for value in islice(several(make, Draw(f"{kind} value")), count)
    ]


def never_reported() -> list[Row]:
    """Questions whose true answer is no: values of the same kinds that are in no list."""
    makers = {"phone": phone, "domain": domain, "wallet": wallet, "iban": iban, "email": email}
    counts = {"phone": 500, "domain": 450, "wallet": 400, "iban": 300, "email": 300}
    found: list[Row] = []
    for kind, make in makers.items():
        values = several(make, Draw(f"{kind} value"))
        found += [(kind, value) for value in islice(values, counts[kind], counts[kind] + 20)]
    return found


def write(name: str, columns: Row, lines: list[Row], folder: Path) -> None:
    """One list, LF line ends."""
    with (folder / name).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(lines)


def main(folder: Path = FOLDER) -> None:
    """Write all lists."""
    lists = {
        "phones.csv": rows("phone", phone, 500, CALL_FRAUDS, "offender_controlled", "voice_call"),
        "domains.csv": rows("domain", domain, 450, WEB_FRAUDS, "infrastructure", "web"),
        "urls.csv": rows("url", url, 350, WEB_FRAUDS, "infrastructure", "web"),
        "wallets.csv": rows("wallet", wallet, 400, WEB_FRAUDS, "offender_controlled", "web"),
        "ibans.csv": rows("iban", iban, 300, ("mule_account",), "mule", "online_banking"),
        "emails.csv": rows("email", email, 300, MAIL_FRAUDS, "offender_controlled", "email"),
    }
    for name, lines in lists.items():
        write(name, COLUMNS, lines, folder)
    write("never_reported.csv", ("kind", "value"), never_reported(), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
