# pragma version 0.4.3
# pragma evm-version prague
"""
@title Governance
@license Apache-2.0
@notice The alliance changes itself by vote: its members and its protocol parameters.
        Rules: voters are the accounts that hold the validator role now, one account one vote;
        a proposal is one action, carried out in the very transaction whose approval makes
        ceil(2/3) of the voters; approvals of accounts that are no voters any more do not count;
        a proposal lapses at its block time; a voter has at most MAX_OPEN open proposals; an
        action that the registry refuses leaves the proposal open with the reason kept; a quota that
        is voted is in force from the next quota epoch on, so that nobody's slots change under it;
        who is suspended for a case of the evidence registry loses the validator and reporter roles,
        stays a member, gets them back by vote, and is not suspended for the same case again.
@dev It calls MemberRegistry and PolicyRegistry, which call nobody that calls back, and reads the
     quota epoch of PrivacyKeys and the cases of EvidenceRegistry; it takes calls only from accounts
     without code, so nothing comes back in while it works. When any other change takes effect is
     the business of whoever reads the events.
"""

interface Keys:
    def epoch() -> uint256: view

interface Evidence:
    def case(case_id: bytes32) -> Case: view

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def validator_count() -> uint256: view

struct Parameter:
    name: bytes32
    value: uint256

struct Case:
    culprit: bytes32
    reporter: address
    block_number: uint64
    verified: bool

struct Suspension:
    taken: uint256  # roles to give back, 0 for none
    evidence: bytes32

struct Quota:
    before: uint256  # value until `since`, 0 for none
    since: uint256  # quota epoch from which what was voted last is in force

struct Proposal:
    proposer: address
    expires: uint256
    state: uint256
    action: Bytes[MAX_ACTION]
    failure: Bytes[MAX_FAILURE]

event ProposalMade:
    id: indexed(uint256)
    proposer: indexed(address)
    expires: uint256
    action: Bytes[MAX_ACTION]

event Approved:
    id: indexed(uint256)
    voter: indexed(address)
    approvals: uint256
    needed: uint256

event ApprovalWithdrawn:
    id: indexed(uint256)
    voter: indexed(address)
    approvals: uint256

event ProposalWithdrawn:
    id: indexed(uint256)

event Executed:
    id: indexed(uint256)
    approvals: uint256

event ExecutionFailed:
    id: indexed(uint256)
    failure: Bytes[MAX_FAILURE]

event ParameterChanged:
    name: indexed(bytes32)
    previous: uint256
    value: uint256

event MemberSuspended:
    id: indexed(bytes32)
    evidence: indexed(bytes32)
    taken: uint256

event MemberReinstated:
    id: indexed(bytes32)
    given: uint256

MAX_VOTERS: constant(uint256) = 128
MAX_OPEN: constant(uint256) = 8
MAX_LISTED: constant(uint256) = 256
MAX_PARAMETERS: constant(uint256) = 18
MAX_LIFETIME: constant(uint256) = 90 * 86_400  # seconds
MAX_ACTION: constant(uint256) = 228  # selector and seven words: add_member
MAX_FAILURE: constant(uint256) = 132  # Error(string) of at most 64 bytes
VALIDATOR: constant(uint256) = 1
SUSPENDED_ROLES: constant(uint256) = 3  # validator and reporter
EVIDENCE_REGISTRY: constant(address) = 0x000000000000000000000000000000000000b005
POLICY_REGISTRY: constant(address) = 0x000000000000000000000000000000000000B00A
PRIVACY_KEYS: constant(address) = 0x000000000000000000000000000000000000b006

OPEN: constant(uint256) = 1
EXECUTED: constant(uint256) = 2
WITHDRAWN: constant(uint256) = 3
LAPSED: constant(uint256) = 4  # never stored: an open proposal whose time is over

ADD_MEMBER: constant(bytes4) = method_id(
    "add_member((bytes32,address,address,uint256,bytes32,bytes32,bytes32))", output_type=bytes4
)
REMOVE_MEMBER: constant(bytes4) = method_id("remove_member(bytes32)", output_type=bytes4)
SET_KEYS: constant(bytes4) = method_id(
    "set_keys(bytes32,address,address,bytes32)", output_type=bytes4
)
SET_TLS_PINS: constant(bytes4) = method_id(
    "set_tls_pins(bytes32,bytes32,bytes32)", output_type=bytes4
)
SET_ROLES: constant(bytes4) = method_id("set_roles(bytes32,uint256)", output_type=bytes4)
SET_PARAMETER: constant(bytes4) = method_id("set_parameter(bytes32,uint256)", output_type=bytes4)
ADOPT_POLICY: constant(bytes4) = method_id("adopt(bytes32)", output_type=bytes4)
WITHDRAW_POLICY: constant(bytes4) = method_id("withdraw(bytes32)", output_type=bytes4)
SUSPEND_MEMBER: constant(bytes4) = method_id("suspend_member(bytes32,bytes32)", output_type=bytes4)
REINSTATE: constant(bytes4) = method_id("reinstate(bytes32)", output_type=bytes4)

GAS_LIMIT: constant(bytes32) = 0x6761735f6c696d69740000000000000000000000000000000000000000000000
CHECKPOINT_INTERVAL: constant(bytes32) = (
    0x636865636b706f696e745f696e74657276616c00000000000000000000000000
)
ROTATION: constant(bytes32) = 0x726f746174696f6e000000000000000000000000000000000000000000000000
PIPELINE: constant(bytes32) = 0x706970656c696e65000000000000000000000000000000000000000000000000
BASE_TIMEOUT: constant(bytes32) = (
    0x626173655f74696d656f75745f6d730000000000000000000000000000000000
)
MAX_TIMEOUT: constant(bytes32) = (
    0x6d61785f74696d656f75745f6d73000000000000000000000000000000000000
)
HEARTBEAT: constant(bytes32) = 0x6865617274626561745f6d730000000000000000000000000000000000000000
REQUEST_TIMEOUT: constant(bytes32) = (
    0x726571756573745f74696d656f75745f6d730000000000000000000000000000
)
CLOCK_PRECISION: constant(bytes32) = (
    0x636c6f636b5f707265636973696f6e5f6d730000000000000000000000000000
)
MESSAGE_DELAY: constant(bytes32) = (
    0x6d6573736167655f64656c61795f6d7300000000000000000000000000000000
)
QUOTA_SMALL: constant(bytes32) = 0x71756f74615f736d616c6c000000000000000000000000000000000000000000
QUOTA_BULK: constant(bytes32) = 0x71756f74615f62756c6b00000000000000000000000000000000000000000000
PHASE_SECONDS: constant(bytes32) = (
    0x636572656d6f6e795f70686173655f7365636f6e647300000000000000000000
)
REFRESH_SECONDS: constant(bytes32) = (
    0x726566726573685f7365636f6e64730000000000000000000000000000000000
)
REFRESH_ORDER: constant(bytes32) = (
    0x726566726573685f6f7264657200000000000000000000000000000000000000
)
CASE_SECONDS: constant(bytes32) = 0x636173655f7365636f6e64730000000000000000000000000000000000000000
COUNCIL_APPROVALS: constant(bytes32) = (
    0x636f756e63696c5f617070726f76616c73000000000000000000000000000000
)
PROTOCOL_LEVEL: constant(bytes32) = (
    0x70726f746f636f6c5f6c6576656c000000000000000000000000000000000000
)

MEMBERS: immutable(Members)

proposal_count: public(uint256)

_proposals: HashMap[uint256, Proposal]
_approvals: HashMap[uint256, DynArray[address, MAX_VOTERS]]
_open: HashMap[address, DynArray[uint256, MAX_OPEN]]
_parameters: HashMap[bytes32, uint256]
_quotas: HashMap[bytes32, Quota]
_suspensions: HashMap[bytes32, Suspension]
_proposed: HashMap[bytes32, uint256]  # case -> newest proposal to suspend for it
_judged: HashMap[bytes32, uint256]  # case -> block in which somebody was suspended for it


@deploy
def __init__(members: address, parameters: DynArray[Parameter, MAX_PARAMETERS]):
    """
    @param parameters First values, known names each at most once. Their ranges are not looked at:
           genesis is what the members agreed on.
    """
    assert members != empty(address), "bulwark: zero members"
    MEMBERS = Members(members)
    for p: Parameter in parameters:
        assert self._bounds(p.name)[1] != 0, "bulwark: unknown parameter"
        assert p.value != 0, "bulwark: zero parameter"
        assert self._parameters[p.name] == 0, "bulwark: parameter twice"
        self._parameters[p.name] = p.value
        log ParameterChanged(name=p.name, previous=0, value=p.value)


@external
def propose(action: Bytes[MAX_ACTION], expires: uint256) -> uint256:
    """
    @notice Proposes an action and approves it; the id of the proposal, from 1.
    @param action Exact calldata of the registry's add_member, remove_member, set_keys,
           set_tls_pins or set_roles, of the policy registry's adopt or withdraw, or of
           set_parameter(bytes32,uint256), suspend_member(bytes32,bytes32), reinstate(bytes32).
    @param expires Block time in seconds at which the proposal lapses.
    """
    self._check_voter()
    assert expires > block.timestamp, "bulwark: expired"
    assert expires <= block.timestamp + MAX_LIFETIME, "bulwark: expires too late"
    self._check_action(action)
    id: uint256 = self.proposal_count + 1
    self._note_open(id)
    if convert(slice(action, 0, 4), bytes4) == SUSPEND_MEMBER:
        self._note_suspension(extract32(action, 4), extract32(action, 36), id)
    self.proposal_count = id
    self._proposals[id] = Proposal(
        proposer=msg.sender, expires=expires, state=OPEN, action=action, failure=b""
    )
    log ProposalMade(id=id, proposer=msg.sender, expires=expires, action=action)
    self._approve(id)
    return id


@external
def approve(id: uint256):
    """
    @notice Approves an open proposal, and carries it out when that makes enough. An account that
            approved before may call again to carry out what has enough approvals by now.
    """
    self._check_voter()
    self._check_open(id)
    self._approve(id)


@external
def withdraw(id: uint256):
    """
    @notice Takes the caller's approval back; a proposal without any approval is withdrawn.
    """
    self._check_account()
    self._check_open(id)
    kept: DynArray[address, MAX_VOTERS] = []
    found: bool = False
    for voter: address in self._approvals[id]:
        if voter == msg.sender:
            found = True
        elif staticcall MEMBERS.has_role(voter, VALIDATOR):
            kept.append(voter)
    assert found, "bulwark: not approved"
    self._approvals[id] = kept
    log ApprovalWithdrawn(id=id, voter=msg.sender, approvals=len(kept))
    if len(kept) == 0:
        self._proposals[id].state = WITHDRAWN
        log ProposalWithdrawn(id=id)


@external
@view
def proposal(
    id: uint256,
) -> (address, uint256, uint256, Bytes[MAX_ACTION], Bytes[MAX_FAILURE]):
    """
    @notice Proposer, end (block time in seconds), state (0 none, 1 open, 2 executed,
            3 withdrawn, 4 lapsed), action, and what the last try to carry it out reverted with.
    """
    p: Proposal = self._proposals[id]
    return (p.proposer, p.expires, self._state(id), p.action, p.failure)


@external
@view
def approvals(id: uint256) -> DynArray[address, MAX_VOTERS]:
    """
    @notice Accounts whose approvals count now, in the order in which they approved.
    """
    return self._counted(id)


@external
@view
def needed() -> uint256:
    """
    @notice Approvals that carry a proposal out now: ceil(2/3) of the voters.
    """
    return self._needed()


@external
@view
def open_ids(first: uint256) -> DynArray[uint256, MAX_LISTED]:
    """
    @notice Ids of the open proposals among the MAX_LISTED ids from first on.
    """
    found: DynArray[uint256, MAX_LISTED] = []
    for i: uint256 in range(MAX_LISTED):
        if first + i > self.proposal_count:
            break
        if self._state(first + i) == OPEN:
            found.append(first + i)
    return found


@external
@view
def parameter(name: bytes32) -> uint256:
    """
    @notice Value of a parameter as it was set last, 0 for one that is not set: then genesis says.
    """
    return self._parameters[name]


@external
@view
def quota_at(name: bytes32, epoch: uint256) -> uint256:
    """
    @notice Value of a quota in force in a quota epoch, 0 for one that is not set; for an epoch
            before the last two votes, the value that the last but one left.
    """
    if epoch < self._quotas[name].since:
        return self._quotas[name].before
    return self._parameters[name]


@external
@view
def suspension(id: bytes32) -> (uint256, bytes32):
    """
    @notice Roles that a suspended member gets back when it is reinstated, 0 if it is not
            suspended, and the case that it was suspended for.
    """
    return (self._suspensions[id].taken, self._suspensions[id].evidence)


@external
@view
def case_status(evidence: bytes32) -> (uint256, uint256):
    """
    @notice Newest proposal to suspend somebody for a case, and the block in which somebody was;
            both 0 for none.
    """
    return (self._proposed[evidence], self._judged[evidence])


@external
@view
def bounds(name: bytes32) -> (uint256, uint256):
    """
    @notice Least and greatest value that a vote may set; both 0 for an unknown name.
    """
    return self._bounds(name)


@external
@view
def members() -> address:
    return MEMBERS.address


@internal
@view
def _check_account():
    # A delegated account (EIP-7702) has code: others could make it vote.
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"


@internal
@view
def _check_voter():
    self._check_account()
    assert staticcall MEMBERS.has_role(msg.sender, VALIDATOR), "bulwark: not a voter"


@internal
@view
def _check_open(id: uint256):
    state: uint256 = self._state(id)
    assert state != 0, "bulwark: unknown proposal"
    assert state != LAPSED, "bulwark: lapsed"
    assert state == OPEN, "bulwark: closed"


@internal
@view
def _state(id: uint256) -> uint256:
    state: uint256 = self._proposals[id].state
    if state == OPEN and block.timestamp >= self._proposals[id].expires:
        return LAPSED
    return state


@internal
@view
def _needed() -> uint256:
    return (2 * staticcall MEMBERS.validator_count() + 2) // 3


@internal
@view
def _counted(id: uint256) -> DynArray[address, MAX_VOTERS]:
    found: DynArray[address, MAX_VOTERS] = []
    for voter: address in self._approvals[id]:
        if staticcall MEMBERS.has_role(voter, VALIDATOR):
            found.append(voter)
    return found


@internal
def _note_open(id: uint256):
    """
    Room among the caller's open proposals is made by those that are open no more.
    """
    kept: DynArray[uint256, MAX_OPEN] = []
    for other: uint256 in self._open[msg.sender]:
        if self._state(other) == OPEN:
            kept.append(other)
    assert len(kept) < MAX_OPEN, "bulwark: too many open proposals"
    kept.append(id)
    self._open[msg.sender] = kept


@internal
def _approve(id: uint256):
    # What does not count any more goes for good: the list never outgrows the voters.
    kept: DynArray[address, MAX_VOTERS] = self._counted(id)
    is_new: bool = msg.sender not in kept
    required: uint256 = self._needed()
    if is_new:
        kept.append(msg.sender)
        self._approvals[id] = kept
        log Approved(id=id, voter=msg.sender, approvals=len(kept), needed=required)
    if len(kept) >= required:
        self._carry_out(id, len(kept))
    else:
        assert is_new, "bulwark: already approved"


@internal
def _carry_out(id: uint256, count: uint256):
    action: Bytes[MAX_ACTION] = self._proposals[id].action
    failure: Bytes[MAX_FAILURE] = b""
    is_done: bool = False
    # Written before the call, so that nothing the call does can carry it out again.
    self._proposals[id].state = EXECUTED
    selector: bytes4 = convert(slice(action, 0, 4), bytes4)
    if selector == SET_PARAMETER:
        failure = self._set_parameter(extract32(action, 4), convert(extract32(action, 36), uint256))
        is_done = len(failure) == 0
    elif selector == SUSPEND_MEMBER:
        failure = self._suspend(extract32(action, 4), extract32(action, 36))
        is_done = len(failure) == 0
    elif selector == REINSTATE:
        failure = self._reinstate(extract32(action, 4))
        is_done = len(failure) == 0
    else:
        target: address = MEMBERS.address
        if selector == ADOPT_POLICY or selector == WITHDRAW_POLICY:
            target = POLICY_REGISTRY
        is_done, failure = raw_call(
            target, action, max_outsize=MAX_FAILURE, revert_on_failure=False
        )
        if is_done and selector == REMOVE_MEMBER:
            # Whoever joins under this id later gives nothing back.
            self._suspensions[extract32(action, 4)] = empty(Suspension)
    if is_done:
        log Executed(id=id, approvals=count)
    else:
        self._proposals[id].state = OPEN
        self._proposals[id].failure = failure
        log ExecutionFailed(id=id, failure=failure)


@internal
def _note_suspension(id: bytes32, evidence: bytes32, proposal_id: uint256):
    """
    One open proposal a case: nodes propose by themselves, several at the same time.
    """
    found: Case = staticcall Evidence(EVIDENCE_REGISTRY).case(evidence)
    assert found.culprit != empty(bytes32), "bulwark: unknown evidence"
    assert found.culprit == id, "bulwark: evidence against another"
    assert self._judged[evidence] == 0, "bulwark: case judged"
    assert self._state(self._proposed[evidence]) != OPEN, "bulwark: already proposed"
    self._proposed[evidence] = proposal_id


@internal
def _suspend(id: bytes32, evidence: bytes32) -> Bytes[MAX_FAILURE]:
    """
    Empty when it is done, else the revert data of a refusal.
    """
    if self._judged[evidence] != 0:
        return abi_encode("bulwark: case judged", method_id=method_id("Error(string)"))
    roles: uint256 = self._roles(id)
    taken: uint256 = roles & SUSPENDED_ROLES
    if taken == 0:
        return abi_encode("bulwark: nothing to suspend", method_id=method_id("Error(string)"))
    failure: Bytes[MAX_FAILURE] = self._set_roles(id, roles ^ taken)
    if len(failure) == 0:
        # What an earlier suspension took comes back too.
        taken |= self._suspensions[id].taken
        self._suspensions[id] = Suspension(taken=taken, evidence=evidence)
        self._judged[evidence] = block.number
        log MemberSuspended(id=id, evidence=evidence, taken=taken)
    return failure


@internal
def _reinstate(id: bytes32) -> Bytes[MAX_FAILURE]:
    given: uint256 = self._suspensions[id].taken
    if given == 0:
        return abi_encode("bulwark: not suspended", method_id=method_id("Error(string)"))
    failure: Bytes[MAX_FAILURE] = self._set_roles(id, self._roles(id) | given)
    if len(failure) == 0:
        self._suspensions[id] = empty(Suspension)
        log MemberReinstated(id=id, given=given)
    return failure


@internal
@view
def _roles(id: bytes32) -> uint256:
    """
    Roles of a member, 0 for one that the registry does not know (any more).
    """
    is_known: bool = False
    entry: Bytes[224] = b""
    is_known, entry = raw_call(
        MEMBERS.address,
        abi_encode(id, method_id=method_id("member(bytes32)")),
        max_outsize=224,
        is_static_call=True,
        revert_on_failure=False,
    )
    return convert(extract32(entry, 96), uint256) if is_known and len(entry) == 224 else 0


@internal
def _set_roles(id: bytes32, roles: uint256) -> Bytes[MAX_FAILURE]:
    is_done: bool = False
    failure: Bytes[MAX_FAILURE] = b""
    is_done, failure = raw_call(
        MEMBERS.address,
        abi_encode(id, roles, method_id=SET_ROLES),
        max_outsize=MAX_FAILURE,
        revert_on_failure=False,
    )
    # A refusal without a word must not read as done.
    return b"" if is_done else (failure if len(failure) != 0 else b"\x00")


@internal
def _set_parameter(name: bytes32, amount: uint256) -> Bytes[MAX_FAILURE]:
    """
    Empty when it is set, else the revert data of a refusal: no value that single bounds let
    through may make a set of parameters that the protocol can not run with.
    """
    interval: uint256 = self._after(CHECKPOINT_INTERVAL, name, amount)
    pipeline: uint256 = self._after(PIPELINE, name, amount)
    if interval != 0 and pipeline > max(8, 4 * interval):
        return abi_encode("bulwark: pipeline over window", method_id=method_id("Error(string)"))
    longest: uint256 = self._after(MAX_TIMEOUT, name, amount)
    if longest != 0 and self._after(BASE_TIMEOUT, name, amount) > longest:
        return abi_encode("bulwark: base over max timeout", method_id=method_id("Error(string)"))
    previous: uint256 = self._parameters[name]
    # What blocks were made under is never taken back: a node could not tell which rules to apply.
    if name == PROTOCOL_LEVEL and amount <= previous:
        return abi_encode("bulwark: level only rises", method_id=method_id("Error(string)"))
    if name == QUOTA_SMALL or name == QUOTA_BULK:
        since: uint256 = staticcall Keys(PRIVACY_KEYS).epoch() + 1
        # What was voted earlier in this epoch was never in force.
        if self._quotas[name].since < since:
            self._quotas[name] = Quota(before=previous, since=since)
    self._parameters[name] = amount
    log ParameterChanged(name=name, previous=previous, value=amount)
    return b""


@internal
@view
def _after(wanted: bytes32, name: bytes32, amount: uint256) -> uint256:
    return amount if wanted == name else self._parameters[wanted]


@internal
@pure
def _check_action(action: Bytes[MAX_ACTION]):
    assert len(action) >= 4, "bulwark: unknown action"
    selector: bytes4 = convert(slice(action, 0, 4), bytes4)
    words: uint256 = 0
    if selector == ADD_MEMBER:
        words = 7
    elif selector == REMOVE_MEMBER or selector == REINSTATE:
        words = 1
    elif selector == ADOPT_POLICY or selector == WITHDRAW_POLICY:
        words = 1
    elif selector == SUSPEND_MEMBER:
        words = 2
    elif selector == SET_KEYS:
        words = 4
    elif selector == SET_TLS_PINS:
        words = 3
    elif selector == SET_ROLES or selector == SET_PARAMETER:
        words = 2
    assert words != 0, "bulwark: unknown action"
    assert len(action) == 4 + 32 * words, "bulwark: action length"
    if selector == ADD_MEMBER:
        self._check_id(extract32(action, 4))
    elif selector == SET_PARAMETER:
        least: uint256 = 0
        most: uint256 = 0
        least, most = self._bounds(extract32(action, 4))
        assert most != 0, "bulwark: unknown parameter"
        amount: uint256 = convert(extract32(action, 36), uint256)
        assert least <= amount and amount <= most, "bulwark: parameter out of range"


@internal
@pure
def _check_id(id: bytes32):
    """
    Ids of genesis documents: a small letter or digit, then up to 30 of these and '-'. Validator
    sets carry ids as text, so one that is no text would stop every node.
    """
    is_over: bool = False
    for i: uint256 in range(32):
        c: uint256 = (convert(id, uint256) >> (8 * (31 - i))) & 255
        if c == 0 and i > 0:
            is_over = True
        else:
            is_letter: bool = (c >= 97 and c <= 122) or (c >= 48 and c <= 57)
            assert not is_over and i < 31 and (is_letter or (c == 45 and i > 0)), "bulwark: bad id"


@internal
@pure
def _bounds(name: bytes32) -> (uint256, uint256):
    if name == GAS_LIMIT:
        return (3_000_000, 45_000_000)
    if name == CHECKPOINT_INTERVAL:
        return (1, 16)
    if name == ROTATION:
        return (1, 1_048_576)
    if name == PIPELINE:
        return (1, 64)
    if name == BASE_TIMEOUT:
        return (50, 600_000)
    if name == MAX_TIMEOUT or name == MESSAGE_DELAY or name == REQUEST_TIMEOUT:
        return (100, 3_600_000)
    if name == HEARTBEAT:
        return (100, 86_400_000)
    if name == CLOCK_PRECISION:
        return (1, 600_000)
    if name == QUOTA_SMALL:
        return (1, 1_000_000)
    if name == QUOTA_BULK:
        return (1, 100_000)
    if name == PHASE_SECONDS:
        return (5, 7 * 86_400)
    if name == REFRESH_SECONDS:
        return (3_600, 366 * 86_400)
    if name == REFRESH_ORDER:
        return (1, 2**32 - 1)
    if name == CASE_SECONDS:
        return (3_600, 90 * 86_400)
    if name == COUNCIL_APPROVALS:
        return (1, 128)
    if name == PROTOCOL_LEVEL:
        return (1, 65_535)
    return (0, 0)
