# pragma version 0.4.3
# pragma evm-version prague
"""
@title Openings
@license Apache-2.0
@notice Cases in which the alliance tells the regulator who asked: voted on, bounded in time, seen
        by every member.
        Rules: a case names a statement that an evaluator anchored, shown by a Merkle proof; each
        validator has one vote, by member, not to be changed; enough approvals approve, too many
        rejections refuse; only an approved case takes partial openings, one a member and sharing of
        the council's key, and only of the sharing that is active; what is not decided or closed in
        time expires. Nothing here is in clear: partials are sealed.
@dev The number of approvals is fixed when the case is opened: ceil(2/3) of the validators, or the
     voted parameter, never under f+1 so that an honest member is among them. A regulator may ask
     again with another case; members see it and vote. Parts of different sharings do not combine:
     once a refresh or reshare is through, the parts before count no more and are made anew.
"""

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def member_of_account(account: address) -> bytes32: view
    def validator_count() -> uint256: view

interface QueryLog:
    def anchored(id: bytes32, root: bytes32) -> (uint64, uint32, uint32, uint64): view

interface Governance:
    def parameter(name: bytes32) -> uint256: view

interface KeyCeremony:
    def sharing(purpose: uint256) -> (bytes32, bytes32, uint256): view

struct Case:
    # state (bits 0-7) | voters (8-15) | needed (16-23) | approvals (24-31) | rejections (32-39)
    # | deadline (48-111) | block number (112-175) | partials of `session` (176-191)
    packed: uint256
    regulator: bytes32
    evaluator: bytes32
    statement_hash: bytes32
    nullifier: bytes32
    e1: bytes32
    e2: bytes32
    basis_hash: bytes32
    result_hash: bytes32
    session: bytes32  # ceremony whose sharing the last partials are of

struct Partial:
    commitment: bytes32
    session: bytes32

event CaseOpened:
    case_id: indexed(bytes32)
    regulator: indexed(bytes32)
    statement_hash: indexed(bytes32)
    evaluator: bytes32
    nullifier: bytes32
    e1: bytes32
    e2: bytes32
    basis_hash: bytes32
    needed: uint256
    deadline: uint256

event Voted:
    case_id: indexed(bytes32)
    id: indexed(bytes32)
    approve: bool
    approvals: uint256
    rejections: uint256

event CaseApproved:
    case_id: indexed(bytes32)
    deadline: uint256

event CaseRefused:
    case_id: indexed(bytes32)

event PartialPosted:
    case_id: indexed(bytes32)
    id: indexed(bytes32)
    session: indexed(bytes32)
    commitment: bytes32
    sealed_part: Bytes[MAX_SEALED]

event CaseClosed:
    case_id: indexed(bytes32)
    regulator: indexed(bytes32)
    result_hash: bytes32

MAX_SEALED: constant(uint256) = 1024
MAX_SIBLINGS: constant(uint256) = 24
VALIDATOR: constant(uint256) = 1
REGULATOR: constant(uint256) = 4
COUNCIL: constant(uint256) = 2
DEFAULT_CASE_SECONDS: constant(uint256) = 14 * 86_400

OPEN: constant(uint256) = 1
APPROVED: constant(uint256) = 2
REFUSED: constant(uint256) = 3
CLOSED: constant(uint256) = 4
EXPIRED: constant(uint256) = 5  # never stored: open or approved, and its time is over

CASE_SECONDS: constant(bytes32) = (
    0x636173655f7365636f6e64730000000000000000000000000000000000000000
)
COUNCIL_APPROVALS: constant(bytes32) = (
    0x636f756e63696c5f617070726f76616c73000000000000000000000000000000
)

MEMBERS: immutable(Members)
GOVERNANCE: immutable(Governance)
QUERY_LOG: immutable(QueryLog)
CEREMONY: immutable(KeyCeremony)

_cases: HashMap[bytes32, Case]
# case id -> member id -> 1 approved, 2 rejected
_votes: HashMap[bytes32, HashMap[bytes32, uint256]]
# case id -> member id -> the last one
_partials: HashMap[bytes32, HashMap[bytes32, Partial]]


@deploy
def __init__(members: address, governance: address, query_log: address, ceremony: address):
    assert members != empty(address), "bulwark: zero members"
    assert governance != empty(address), "bulwark: zero governance"
    assert query_log != empty(address), "bulwark: zero query log"
    assert ceremony != empty(address), "bulwark: zero ceremony"
    MEMBERS = Members(members)
    GOVERNANCE = Governance(governance)
    QUERY_LOG = QueryLog(query_log)
    CEREMONY = KeyCeremony(ceremony)


@external
def open_case(
    case_id: bytes32,
    statement_hash: bytes32,
    nullifier: bytes32,
    e1: bytes32,
    e2: bytes32,
    basis_hash: bytes32,
    evaluator: bytes32,
    lefts: uint256,
    siblings: DynArray[bytes32, MAX_SIBLINGS],
):
    """
    @notice Asks the council to open one statement.
    @param case_id Chosen by the regulator, not zero, never used before.
    @param basis_hash Hash of the legal basis, not zero.
    @param evaluator Member id of the evaluator that anchored the statement.
    @param lefts Bit i is set when sibling i stands on the left.
    @param siblings From the leaf up to the anchored root.
    """
    id: bytes32 = self._caller()
    assert staticcall MEMBERS.has_role(msg.sender, REGULATOR), "bulwark: not a regulator"
    assert case_id != empty(bytes32), "bulwark: zero case id"
    assert basis_hash != empty(bytes32), "bulwark: zero basis"
    assert self._cases[case_id].packed == 0, "bulwark: case id taken"
    leaf: bytes32 = sha256(concat(b"\x00", statement_hash, nullifier, e1, e2))
    root: bytes32 = self._root(leaf, lefts, siblings)
    count: uint32 = (staticcall QUERY_LOG.anchored(evaluator, root))[2]
    assert count != 0, "bulwark: statement not anchored"
    voters: uint256 = staticcall MEMBERS.validator_count()
    needed: uint256 = self._needed(voters)
    deadline: uint256 = block.timestamp + self._case_seconds()
    self._cases[case_id] = Case(
        packed=(
            OPEN | (voters << 8) | (needed << 16) | (deadline << 48) | (block.number << 112)
        ),
        regulator=id,
        evaluator=evaluator,
        statement_hash=statement_hash,
        nullifier=nullifier,
        e1=e1,
        e2=e2,
        basis_hash=basis_hash,
        result_hash=empty(bytes32),
        session=empty(bytes32),
    )
    log CaseOpened(
        case_id=case_id,
        regulator=id,
        statement_hash=statement_hash,
        evaluator=evaluator,
        nullifier=nullifier,
        e1=e1,
        e2=e2,
        basis_hash=basis_hash,
        needed=needed,
        deadline=deadline,
    )


@external
def vote(case_id: bytes32, approve: bool):
    """
    @notice The one vote of the caller's member on an open case.
    """
    id: bytes32 = self._voter()
    packed: uint256 = self._in_state(case_id, OPEN)
    assert self._votes[case_id][id] == 0, "bulwark: voted already"
    self._votes[case_id][id] = 1 if approve else 2
    packed += (1 << 24) if approve else (1 << 32)
    voters: uint256 = (packed >> 8) & 255
    needed: uint256 = (packed >> 16) & 255
    approvals: uint256 = (packed >> 24) & 255
    rejections: uint256 = (packed >> 32) & 255
    log Voted(
        case_id=case_id, id=id, approve=approve, approvals=approvals, rejections=rejections
    )
    if approvals >= needed:
        deadline: uint256 = block.timestamp + self._case_seconds()
        packed = (packed & ~((2**64 - 1) << 48) & ~255) | APPROVED | (deadline << 48)
        log CaseApproved(case_id=case_id, deadline=deadline)
    elif rejections + needed > voters:
        packed = (packed & ~255) | REFUSED
        log CaseRefused(case_id=case_id)
    self._cases[case_id].packed = packed


@external
def post_partial(
    case_id: bytes32, sealed_part: Bytes[MAX_SEALED], commitment: bytes32, session: bytes32
):
    """
    @notice The caller's part of an approved opening; again only once the sharing has changed.
    @param sealed_part Partial opening and its proof, sealed to the regulator.
    @param commitment Hash that the regulator can be held to, not zero.
    @param session Ceremony that made the share; its sharing of the council's key must be active.
    """
    id: bytes32 = self._voter()
    packed: uint256 = self._in_state(case_id, APPROVED)
    assert len(sealed_part) != 0, "bulwark: empty partial"
    assert commitment != empty(bytes32), "bulwark: zero commitment"
    assert session != empty(bytes32), "bulwark: zero session"
    active: bytes32 = (staticcall CEREMONY.sharing(COUNCIL))[0]
    assert session == active, "bulwark: sharing not active"
    assert self._partials[case_id][id].session != session, "bulwark: posted already"
    self._partials[case_id][id] = Partial(commitment=commitment, session=session)
    if self._cases[case_id].session != session:
        self._cases[case_id].session = session
        packed &= ~((2**16 - 1) << 176)
    self._cases[case_id].packed = packed + (1 << 176)
    log PartialPosted(
        case_id=case_id,
        id=id,
        session=session,
        commitment=commitment,
        sealed_part=sealed_part,
    )


@external
def close_case(case_id: bytes32, result_hash: bytes32):
    """
    @notice Ends the caller's approved case with the hash of what came out.
    """
    id: bytes32 = self._caller()
    assert staticcall MEMBERS.has_role(msg.sender, REGULATOR), "bulwark: not a regulator"
    assert result_hash != empty(bytes32), "bulwark: zero result"
    packed: uint256 = self._in_state(case_id, APPROVED)
    assert self._cases[case_id].regulator == id, "bulwark: another regulator's case"
    self._cases[case_id].packed = (packed & ~255) | CLOSED
    self._cases[case_id].result_hash = result_hash
    log CaseClosed(case_id=case_id, regulator=id, result_hash=result_hash)


@external
@view
def case_of(case_id: bytes32) -> Case:
    """
    @notice What is kept of a case; all zero when it is unknown.
    """
    return self._cases[case_id]


@external
@view
def state(case_id: bytes32) -> uint256:
    """
    @notice 0 none, 1 open, 2 approved, 3 refused, 4 closed, 5 expired.
    """
    return self._state(self._cases[case_id].packed)


@external
@view
def vote_of(case_id: bytes32, id: bytes32) -> uint256:
    """
    @notice 0 none, 1 approved, 2 rejected.
    """
    return self._votes[case_id][id]


@external
@view
def partial_of(case_id: bytes32, id: bytes32) -> (bytes32, bytes32):
    """
    @notice Commitment of a member's last partial opening and the session of its share, or zeros.
    """
    p: Partial = self._partials[case_id][id]
    return (p.commitment, p.session)


@internal
@view
def _caller() -> bytes32:
    # A delegated account (EIP-7702) has code: others could make it vote.
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"
    id: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert id != empty(bytes32), "bulwark: not a member"
    return id


@internal
@view
def _voter() -> bytes32:
    id: bytes32 = self._caller()
    assert staticcall MEMBERS.has_role(msg.sender, VALIDATOR), "bulwark: not a voter"
    return id


@internal
@view
def _in_state(case_id: bytes32, wanted: uint256) -> uint256:
    packed: uint256 = self._cases[case_id].packed
    assert packed != 0, "bulwark: unknown case"
    state: uint256 = self._state(packed)
    assert state != EXPIRED, "bulwark: expired"
    assert state == wanted, "bulwark: wrong state"
    return packed


@internal
@view
def _state(packed: uint256) -> uint256:
    state: uint256 = packed & 255
    deadline: uint256 = (packed >> 48) & (2**64 - 1)
    if (state == OPEN or state == APPROVED) and block.timestamp >= deadline:
        return EXPIRED
    return state


@internal
@view
def _needed(voters: uint256) -> uint256:
    voted: uint256 = staticcall GOVERNANCE.parameter(COUNCIL_APPROVALS)
    if voted == 0:
        return (2 * voters + 2) // 3
    return min(max(voted, (voters - 1) // 3 + 1), voters)


@internal
@view
def _case_seconds() -> uint256:
    voted: uint256 = staticcall GOVERNANCE.parameter(CASE_SECONDS)
    return DEFAULT_CASE_SECONDS if voted == 0 else voted


@internal
@pure
def _root(
    leaf: bytes32, lefts: uint256, siblings: DynArray[bytes32, MAX_SIBLINGS]
) -> bytes32:
    node: bytes32 = leaf
    sides: uint256 = lefts
    for sibling: bytes32 in siblings:
        if sides & 1 == 1:
            node = sha256(concat(b"\x01", sibling, node))
        else:
            node = sha256(concat(b"\x01", node, sibling))
        sides >>= 1
    assert sides == 0, "bulwark: more sides than siblings"
    return node
