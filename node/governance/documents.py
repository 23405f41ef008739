"""Actions as JSON documents: what the API takes and shows, what files and the command line hold.

Rules: `kind` names the action and with it the exact set of fields; unknown fields are refused;
addresses have 0x and 40 digits, keys and pins 64 digits with or without 0x; what is read and
written again is the same action. It asks no ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, assert_never

from bulwark.ledger.genesismember import ROLES
from contracts.actions import (
    VOTABLE,
    Action,
    AddMember,
    AdoptPolicy,
    Reinstate,
    RemoveMember,
    SetKeys,
    SetParameter,
    SetRoles,
    SetTlsPins,
    SuspendMember,
    WithdrawPolicy,
)
from contracts.errors import BadMemberId
from contracts.members import Member, Role, member_id_bytes, member_id_text

ZERO: Final = bytes(32)
FIELDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "add_member": (("id", "node", "account", "roles", "tls_pin"), ("oprf_key", "next_tls_pin")),
    "remove_member": (("id",), ()),
    "set_keys": (("id", "node", "account"), ("oprf_key",)),
    "set_tls_pins": (("id", "tls_pin"), ("next_tls_pin",)),
    "set_roles": (("id", "roles"), ()),
    "set_parameter": (("name", "value"), ()),
    "adopt_policy": (("policy",), ()),
    "withdraw_policy": (("policy",), ()),
    "suspend_member": (("id", "evidence"), ()),
    "reinstate": (("id",), ()),
}
"""Kind -> (fields that are needed, fields that may be left out: then zero)."""
_MEMBER_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_WORD: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")


class ActionInvalid(Exception):
    """A document is no action; `field` says where."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"{field}: {detail}")


def action_of(document: object) -> Action:
    """The action of a document. Raises ActionInvalid."""
    if not isinstance(document, dict):
        raise ActionInvalid("action", "an object with kind and the fields of that kind")
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise ActionInvalid("kind", f"one of {', '.join(FIELDS)}")
    required, optional = FIELDS[kind]
    for name in document:
        if name != "kind" and name not in (*required, *optional):
            allowed = ", ".join((*required, *optional))
            raise ActionInvalid(str(name)[:64], f"an unknown field; {kind} has {allowed}")
    for name in required:
        if name not in document:
            raise ActionInvalid(name, f"is missing; {kind} needs {', '.join(required)}")
    return _read(kind, document)


def _read(kind: str, document: Mapping[str, object]) -> Action:
    if kind == "set_parameter":
        return _parameter(document["name"], document["value"])
    if kind in ("adopt_policy", "withdraw_policy"):
        policy = _word(document, "policy")
        return AdoptPolicy(policy) if kind == "adopt_policy" else WithdrawPolicy(policy)
    member_id = id_of(document["id"])
    if kind == "remove_member":
        return RemoveMember(member_id)
    if kind == "reinstate":
        return Reinstate(member_id)
    if kind == "suspend_member":
        return SuspendMember(member_id, _word(document, "evidence"))
    if kind == "set_roles":
        return SetRoles(member_id, roles_of(document["roles"]))
    if kind == "set_tls_pins":
        return SetTlsPins(member_id, _word(document, "tls_pin"), _word(document, "next_tls_pin"))
    node, account = _address(document, "node"), _address(document, "account")
    if kind == "set_keys":
        return SetKeys(member_id, node, account, _word(document, "oprf_key"))
    return AddMember(
        Member(
            id=member_id,
            node=node,
            account=account,
            roles=roles_of(document["roles"]),
            oprf_key=_word(document, "oprf_key"),
            tls_pin=_word(document, "tls_pin"),
            next_tls_pin=_word(document, "next_tls_pin"),
        )
    )


def document_of(action: Action) -> dict[str, object]:
    """An action as a document that action_of reads."""
    match action:
        case AddMember(member):
            return {"kind": "add_member", **member_document(member)}
        case RemoveMember(member_id):
            return {"kind": "remove_member", "id": shown_id(member_id)}
        case SetKeys(member_id, node, account, oprf_key):
            return {
                "kind": "set_keys",
                "id": shown_id(member_id),
                "node": f"0x{node.hex()}",
                "account": f"0x{account.hex()}",
                "oprf_key": oprf_key.hex(),
            }
        case SetTlsPins(member_id, tls_pin, next_tls_pin):
            return {
                "kind": "set_tls_pins",
                "id": shown_id(member_id),
                "tls_pin": tls_pin.hex(),
                "next_tls_pin": next_tls_pin.hex(),
            }
        case SetRoles(member_id, roles):
            return {"kind": "set_roles", "id": shown_id(member_id), "roles": role_names(roles)}
        case SetParameter(name, value):
            return {"kind": "set_parameter", "name": name, "value": value}
        case AdoptPolicy(policy_id):
            return {"kind": "adopt_policy", "policy": policy_id.hex()}
        case WithdrawPolicy(policy_id):
            return {"kind": "withdraw_policy", "policy": policy_id.hex()}
        case SuspendMember(member_id, evidence):
            return {
                "kind": "suspend_member",
                "id": shown_id(member_id),
                "evidence": evidence.hex(),
            }
        case Reinstate(member_id):
            return {"kind": "reinstate", "id": shown_id(member_id)}
        case _:
            assert_never(action)


def member_document(member: Member) -> dict[str, object]:
    """A member as the fields of add_member."""
    return {
        "id": shown_id(member.id),
        "node": f"0x{member.node.hex()}",
        "account": f"0x{member.account.hex()}",
        "roles": role_names(member.roles),
        "oprf_key": member.oprf_key.hex(),
        "tls_pin": member.tls_pin.hex(),
        "next_tls_pin": member.next_tls_pin.hex(),
    }


def shown_id(member_id: bytes) -> str:
    """A member's id as text; bytes that are no text as hexadecimal."""
    try:
        return member_id_text(member_id)
    except BadMemberId:
        return f"0x{member_id.hex()}"


def role_names(roles: Role) -> list[str]:
    """Names of the roles in these bits."""
    return [name for place, name in enumerate(ROLES) if roles & 1 << place]


def id_of(value: object) -> bytes:
    """The on-ledger form of a member id. Raises ActionInvalid."""
    if not isinstance(value, str) or _MEMBER_ID.fullmatch(value) is None:
        raise ActionInvalid("id", "a small letter or digit, then up to 30 of these and '-'")
    return member_id_bytes(value)


def roles_of(value: object) -> Role:
    """Role bits of a list of names. Raises ActionInvalid."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ActionInvalid("roles", f"a list of {', '.join(ROLES)}")
    if len(set(value)) != len(value) or not set(value) <= set(ROLES):
        raise ActionInvalid("roles", f"each of {', '.join(ROLES)} at most once")
    roles = Role(0)
    for name in value:
        roles |= Role[name.upper()]
    return roles


def _parameter(name: object, value: object) -> SetParameter:
    if not isinstance(name, str) or name not in VOTABLE:
        raise ActionInvalid("name", f"one of {', '.join(VOTABLE)}")
    least, most = VOTABLE[name]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ActionInvalid("value", f"a whole number, {least} to {most} for {name}")
    return SetParameter(name, value)


def _address(document: Mapping[str, object], field: str) -> bytes:
    value = document[field]
    if not isinstance(value, str) or _ADDRESS.fullmatch(value) is None:
        raise ActionInvalid(field, "0x and 40 hexadecimal digits")
    return bytes.fromhex(value[2:])


def _word(document: Mapping[str, object], field: str) -> bytes:
    value = document.get(field)
    if value is None:
        return ZERO
    if not isinstance(value, str) or _WORD.fullmatch(value) is None:
        raise ActionInvalid(field, "64 hexadecimal digits")
    return bytes.fromhex(value[-64:])
