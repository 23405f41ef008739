"""A member's claims as a file: what it hands to an auditor beside its access log.

Layout: a line of JSON with format and member, then one claim a line, hex. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from bulwark.ledger.errors import LedgerError
from bulwark.privacy.slotclaim import CLAIM_BYTES, SlotClaim
from node.guarded.accessfile import AccessFileInvalid

FORMAT: Final = "bulwark-slot-claims/1"
MAX_LINE: Final = 2 * CLAIM_BYTES + 2
"""Characters of a line, its end included."""


def claims_head(member: str) -> str:
    """The first line of a file."""
    return json.dumps({"format": FORMAT, "member": member})


def read_claims(lines: Iterable[str], member: str) -> Iterator[SlotClaim]:
    """The claims of a member's file. Raises AccessFileInvalid."""
    rest = iter(lines)
    try:
        head = json.loads(next(rest, "")[: MAX_LINE + 1])
        found = (head["format"], head["member"])
    except (ValueError, KeyError, TypeError) as error:
        raise AccessFileInvalid(1, "format and member are needed") from error
    if found[0] != FORMAT:
        raise AccessFileInvalid(1, f"the format {FORMAT} is needed")
    if found[1] != member:
        raise AccessFileInvalid(1, f"these are not the claims of {member}")
    for number, line in enumerate(rest, 2):
        if len(line) > MAX_LINE:
            raise AccessFileInvalid(number, f"over {MAX_LINE} characters")
        try:
            yield SlotClaim.decode(bytes.fromhex(line.strip()))
        except (ValueError, LedgerError) as error:
            raise AccessFileInvalid(number, f"no claim: {error}") from error
