"""Planning: what an action would make of the alliance, and whether that could halt it.

Rules: an action is unsafe that leaves fewer connected validators than the new quorum, or fewer than
four validators; a validator counts as connected only if what it runs with now is what it will need
then (same vote key, TLS key pinned). A set of parameters that the core refuses, or two members with
one pin or vote key, is refused outright. Pure: the caller brings the state and the connections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never

from msgspec import Struct, field
from msgspec.structs import replace

from bulwark.ledger.features import HIGHEST_LEVEL, PROTOCOL_LEVEL, features_at
from bulwark.ledger.validators import max_faulty, quorum_size
from consensus.errors import ConfigInvalid
from contracts.actions import (
    PARAMETERS,
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
from contracts.governance import needed_approvals
from contracts.members import Member, Role
from node.governance.documents import shown_id
from node.governance.port import DryRun, Finding, Quorum, Weight

ZERO: Final = bytes(32)
SUSPENDED_ROLES: Final = Role.VALIDATOR | Role.REPORTER
"""What a suspension takes, as the contract has it."""
NO_ROLES: Final = Role(0)
MIN_VALIDATORS: Final = 4
"""Fewer can not stand a single faulty one (n > 3f)."""


class Situation(Struct, frozen=True):
    """What planning starts from."""

    members: tuple[Member, ...]
    parameters: Mapping[str, int]
    """Those that the ledger holds."""
    connected: frozenset[str]
    """Member ids with a live connection to this node."""
    own: str
    """Id of this node's member."""
    check_parameters: Callable[[Mapping[str, int]], object]
    """Raises ConfigInvalid for a combination that the core refuses."""
    taken: Role = NO_ROLES
    """Of an action that reinstates a member: the roles that it gets back."""
    notes: tuple[str, ...] = ()
    """What else is to be said of the action."""
    levels: Mapping[str, int] = field(default_factory=dict)
    """Highest protocol level that the build of each connected member knows, as its hello said."""
    own_level: int = HIGHEST_LEVEL
    """The same of this node."""


def members_after(
    members: Sequence[Member], action: Action, taken: Role = SUSPENDED_ROLES
) -> tuple[Member, ...]:
    """The members once an action is carried out; `taken` is what a reinstatement gives back."""
    match action:
        case AddMember(member):
            return (*members, member)
        case RemoveMember(member_id):
            return tuple(m for m in members if m.id != member_id)
        case SetKeys(member_id, node, account, key):
            return _changed(members, member_id, node=node, account=account, oprf_key=key)
        case SetTlsPins(member_id, pin, next_pin):
            return _changed(members, member_id, tls_pin=pin, next_tls_pin=next_pin)
        case SetRoles(member_id, roles):
            return _changed(members, member_id, roles=roles)
        case SuspendMember(member_id):
            return _with_roles(members, member_id, Role(0), SUSPENDED_ROLES)
        case Reinstate(member_id):
            return _with_roles(members, member_id, taken, Role(0))
        case SetParameter() | AdoptPolicy() | WithdrawPolicy():
            return tuple(members)
        case _:
            assert_never(action)


def _changed(
    members: Sequence[Member], member_id: bytes, **fields: bytes | Role
) -> tuple[Member, ...]:
    return tuple(replace(m, **fields) if m.id == member_id else m for m in members)


def _with_roles(
    members: Sequence[Member], member_id: bytes, more: Role, less: Role
) -> tuple[Member, ...]:
    return tuple(
        replace(m, roles=Role((m.roles | more) & ~less)) if m.id == member_id else m
        for m in members
    )


def quorum_of(members: Sequence[Member]) -> Quorum:
    """Quorum, f and needed approvals of the validators among these members."""
    count = sum(is_validator(m) for m in members)
    if count == 0:
        return Quorum(0, 0, 0, 0)
    return Quorum(count, quorum_size(count), max_faulty(count), needed_approvals(count))


def is_validator(member: Member) -> bool:
    """Whether the member votes."""
    return bool(member.roles & Role.VALIDATOR)


def plan(situation: Situation, action: Action, refusal: str | None) -> DryRun:
    """What an action would do; `refusal` is the ledger's own, if it refuses."""
    before = situation.members
    after = before if refusal is not None else members_after(before, action, situation.taken)
    findings = [] if refusal is None else [_refused("refused-by-the-ledger", refusal)]
    findings += _parameter_findings(situation, action)
    findings += _level_findings(situation, action)
    findings += _key_findings(after)
    validators = [m for m in after if is_validator(m)]
    ready = [m for m in validators if _is_ready(situation, m)]
    if refusal is None:
        is_suspension = isinstance(action, SuspendMember)
        findings += _size_findings(quorum_of(before), quorum_of(after), len(ready), is_suspension)
        findings += _member_findings(situation, action)
    findings += [_note("evidence", text) for text in situation.notes]
    return DryRun(
        before=quorum_of(before),
        after=quorum_of(after),
        connected=tuple(shown_id(m.id) for m in ready),
        missing=tuple(shown_id(m.id) for m in validators if m not in ready),
        findings=tuple(findings),
    )


def _is_ready(situation: Situation, member: Member) -> bool:
    """Connected now, and with keys that still count afterwards."""
    name = shown_id(member.id)
    now = next((m for m in situation.members if m.id == member.id), None)
    if now is None or (name != situation.own and name not in situation.connected):
        return False
    return now.node == member.node and now.tls_pin in (member.tls_pin, member.next_tls_pin)


def _parameter_findings(situation: Situation, action: Action) -> list[Finding]:
    if not isinstance(action, SetParameter) or action.name not in PARAMETERS:
        return []  # Those of the privacy layer have ranges, and do not depend on each other.
    try:
        situation.check_parameters({**situation.parameters, action.name: action.value})
    except ConfigInvalid as error:
        return [_refused("parameters-do-not-fit", f"{action.name}: {error}")]
    return []


def _level_findings(situation: Situation, action: Action) -> list[Finding]:
    """U3: who does not know a level would stop at the boundary, and a quorum might stop with it."""
    if not isinstance(action, SetParameter) or action.name != PROTOCOL_LEVEL:
        return []
    wanted, now = action.value, situation.parameters.get(PROTOCOL_LEVEL, 0)
    if wanted <= now:
        text = f"level {now} is voted already and a level is never lowered"
        return [_refused("level-only-rises", text)]
    found = []
    if wanted > situation.own_level:
        text = f"this node's build knows levels up to {situation.own_level} and would stop"
        found.append(_unsafe("build-too-old", text))
    names = sorted(shown_id(m.id) for m in situation.members)
    others = [name for name in names if name != situation.own]
    behind = {
        name: situation.levels.get(name, 0)
        for name in others
        if name in situation.connected and situation.levels.get(name, 0) < wanted
    }
    if behind:
        told = ", ".join(f"{name} (up to {level})" for name, level in behind.items())
        found.append(_unsafe("members-too-old", f"builds that do not know level {wanted}: {told}"))
    away = [name for name in others if name not in situation.connected]
    if away:
        text = f"not connected, so what they run is not known: {', '.join(away)}"
        found.append(_note("level-not-known", text))
    new = features_at(min(wanted, situation.own_level))[len(features_at(now)) :]
    return found + [_note("turns-on", f"{each.name}: {each.changes}") for each in new]


def _key_findings(after: Sequence[Member]) -> list[Finding]:
    """Two members that the mesh could not tell apart would cut every node off."""
    pins = [p for m in after for p in {m.tls_pin, m.next_tls_pin} - {ZERO}]
    nodes = [m.node for m in after]
    found = []
    if len(set(pins)) != len(pins):
        found.append(_refused("pin-taken", "two members would share a TLS pin"))
    if len(set(nodes)) != len(nodes):
        found.append(_refused("node-taken", "two members would share a vote key"))
    return found


def _size_findings(before: Quorum, after: Quorum, ready: int, is_suspension: bool) -> list[Finding]:
    found = []
    if ready < after.quorum:
        found.append(
            _unsafe(
                "below-quorum",
                f"{ready} of {after.validators} validators are connected and ready here, "
                f"{after.quorum} are needed to go on",
            )
        )
    if after.validators < min(MIN_VALIDATORS, before.validators):
        text = (
            f"{after.validators} validators would be left; fewer than {MIN_VALIDATORS} "
            "can not stand a faulty one"
        )
        # Whoever is suspended was the faulty one that these could stand: nothing gets worse.
        found.append((_note if is_suspension else _unsafe)("too-few-validators", text))
    return found


def _member_findings(situation: Situation, action: Action) -> list[Finding]:
    match action:
        case AddMember(member):
            if is_validator(member) and member.tls_pin == ZERO:
                return [_unsafe("no-tls-pin", "no other node would let a validator in without one")]
            if is_validator(member):
                return [
                    _note("not-ready", "the new validator's node has to run before it is needed")
                ]
        case RemoveMember(member_id) if shown_id(member_id) == situation.own:
            return [_note("own-member", "this removes the member of this node")]
        case SuspendMember(member_id) if shown_id(member_id) == situation.own:
            return [_note("own-member", "this takes the vote of this node's member")]
        case SetRoles(member_id, roles) if shown_id(member_id) == situation.own:
            own = next(m for m in situation.members if m.id == member_id)
            if is_validator(own) and not roles & Role.VALIDATOR:
                return [_note("own-member", "this takes the vote of this node's member")]
        case SetKeys(member_id):
            return [
                _note("restart", f"the node of {shown_id(member_id)} has to restart with new keys")
            ]
        case SetTlsPins(member_id, pin, next_pin):
            now = next(m for m in situation.members if m.id == member_id)
            if now.tls_pin not in (pin, next_pin):
                return [
                    _note("pin-dropped", "the TLS key that is pinned now would be let in no more")
                ]
        case _:
            pass
    return []


def _refused(code: str, detail: str) -> Finding:
    return Finding(Weight.REFUSED, code, detail)


def _unsafe(code: str, detail: str) -> Finding:
    return Finding(Weight.UNSAFE, code, detail)


def _note(code: str, detail: str) -> Finding:
    return Finding(Weight.NOTE, code, detail)
