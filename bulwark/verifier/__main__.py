"""`python -m bulwark.verifier pack FILE --genesis FILE`: verify evidence, offline.

Rules: no network, no node and nothing beside the library folder `bulwark`; exit code 0 means valid,
1 that the pack does not hold (with code, file, place and reason), 2 that a file could not be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bulwark.audit.packcompare import MAX_FORK_BYTES, read_fork
from bulwark.ledger.errors import ProofInvalid
from bulwark.ledger.genesis import MAX_GENESIS_BYTES, Genesis
from bulwark.ledger.ids import Address, Digest
from bulwark.verifier.codes import PackRefused
from bulwark.verifier.pack import Expectations, read_genesis, verify_pack

VALID: Final = 0
REFUSED: Final = 1
UNREADABLE: Final = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    given = _arguments().parse_args(words)
    try:
        with given.genesis.open("rb") as stream:
            genesis = read_genesis(stream.read(MAX_GENESIS_BYTES + 1))
        facts: dict[str, object] = given.check(given, genesis)
    except PackRefused as refused:
        _say(refused.document(), f"INVALID  {refused}", as_json=given.json)
        return REFUSED
    except ProofInvalid as error:
        found = {"valid": False, "where": error.what, "reason": error.detail}
        _say(found, f"INVALID  {error}", as_json=given.json)
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return UNREADABLE
    lines = ["VALID"]
    for name, value in facts.items():
        if isinstance(value, list):
            lines += [f"{name.removesuffix('s'):<16} {each}" for each in value]
        elif name != "valid":
            lines.append(f"{name:<16} {value}")
    _say(facts, "\n".join(lines), as_json=given.json)
    return VALID


def _pack(given: argparse.Namespace, genesis: Genesis) -> dict[str, object]:
    expected = Expectations(given.expect_signer, given.expect_custody)
    with given.file.open("rb") as stream:
        return verify_pack(stream, genesis, expected).facts()


def _fork(given: argparse.Namespace, genesis: Genesis) -> dict[str, object]:
    with given.file.open("rb") as stream:
        fork = read_fork(stream.read(MAX_FORK_BYTES + 1), genesis)
    return {
        "valid": True,
        "alliance": genesis.alliance,
        "genesis_hash": genesis.hash.hex(),
        "height": fork.height,
        "one": fork.one.header.hash().hex(),
        "other": fork.other.header.hash().hex(),
        "tolerated": fork.faulty,
        "signed_both": list(fork.equivocators),
    }


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bulwark.verifier", description=__doc__)
    commands = parser.add_subparsers(required=True)
    pack = commands.add_parser("pack", help="verify an evidence pack")
    pack.set_defaults(check=_pack)
    pack.add_argument("--expect-signer", type=_address, help="address of the maker's node key")
    pack.add_argument("--expect-custody", type=_digest, help="hash of a custody entry")
    fork = commands.add_parser("fork", help="verify the evidence of a fork")
    fork.set_defaults(check=_fork)
    for command in (pack, fork):
        command.add_argument("file", type=Path)
        command.add_argument(
            "--genesis", type=Path, required=True, help="from a source that you trust"
        )
        command.add_argument("--json", action="store_true")
    return parser


def _address(text: str) -> Address:
    return Address(_hexadecimal(text, 20))


def _digest(text: str) -> Digest:
    return Digest(_hexadecimal(text, 32))


def _hexadecimal(text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != length:
        raise argparse.ArgumentTypeError(f"{2 * length} hexadecimal digits are needed")
    return found


def _say(document: dict[str, object], text: str, *, as_json: bool) -> None:
    sys.stdout.write(json.dumps(document, indent=1) if as_json else text)
    sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main())
