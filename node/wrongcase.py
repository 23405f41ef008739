"""Wrong evaluations verified offline: what a case shows to somebody who has only genesis.json.

Rules: signature, request and arithmetic are checked here; that the holders confirmed the sharing is
what only the ledger says, so its hash has to come from the reader, and a case without it is not
called proven: with a sharing of its own making anybody could accuse an honest holder. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from bulwark.ledger.errors import LedgerError
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.hashing import sha256
from bulwark.ledger.ids import Address
from bulwark.privacy.errors import PrivacyError
from node.evidence import EvidenceInvalid
from node.guarded.accusation import LABEL, WrongEvaluation

_DIGEST: Final = re.compile(r"(?:0x)?([0-9a-f]{64})")
_ACCOUNT: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")


def verify_wrong(
    case: WrongEvaluation, genesis: bytes, sharing: str | None = None, account: str | None = None
) -> dict[str, object]:
    """What a wrong evaluation shows under this genesis document.

    `sharing` is the hash of the sharing as the ledger confirmed it, 64 hex digits; without it the
    facts hold only if the ledger confirmed that of the case. `account` is the holder's where a vote
    replaced that of genesis. Raises EvidenceInvalid when it does not hold.
    """
    try:
        trusted = Genesis.from_json(genesis)
    except LedgerError as error:
        raise EvidenceInvalid("genesis", str(error)) from error
    confirmed = None if sharing is None else bytes.fromhex(_read(_DIGEST, sharing, "sharing", 64))
    try:
        hashed = sha256(case.published)
        if confirmed is not None and confirmed != hashed:
            raise EvidenceInvalid("sharing", f"that of the case is {hashed.hex()}")
        signer = _account(trusted, case, account)
        refuted = case.refuted(trusted.domain(), signer)
        shown: dict[str, object] = {
            "kind": LABEL,
            "key_id": case.sharing.key_id,
            "share_epoch": case.sharing.share_epoch,
            "culprit": case.culprit,
            "node": f"0x{signer.hex()}",
            "session": case.session.hex(),
            "sharing": hashed.hex(),
            "alliance": trusted.alliance,
            "genesis_hash": trusted.hash.hex(),
            "id": case.id.hex(),
        }
    except (LedgerError, PrivacyError) as error:
        raise EvidenceInvalid("evidence", str(error)) from error
    if refuted is not None:
        changed = "" if account else "; give --account if a vote replaced the one of genesis.json"
        hint = changed if "did not sign" in refuted else ""
        raise EvidenceInvalid("evidence", refuted + hint)
    return shown


def _account(genesis: Genesis, case: WrongEvaluation, given: str | None) -> Address:
    if given is not None:
        return Address(bytes.fromhex(_read(_ACCOUNT, given, "account", 40)))
    member = genesis.member(case.culprit)
    if member is None:
        raise EvidenceInvalid("account", f"{case.culprit} is not in genesis.json: give --account")
    return member.account


def _read(form: re.Pattern[str], given: str, what: str, digits: int) -> str:
    found = form.fullmatch(given)
    if found is None:
        raise EvidenceInvalid(what, f"{digits} hex digits are needed")
    return found.group(1)
