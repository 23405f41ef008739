# pragma version 0.4.3
# pragma evm-version prague
"""
@title KeyCeremony
@license Apache-2.0
@notice The public record by which the validators make, refresh and hand on a shared key.
        Rules: one open session a purpose; who takes part, with which sealing keys and threshold,
        is fixed when it opens; one post a member and phase, kept by hash, so nobody tells two
        stories; a phase closes when all have posted or when its time is over, never otherwise;
        a sharing becomes active when enough holders confirmed the same result, and the one before
        it stays active until then; its public keys are published, as confirmed, before use and
        before another session of its purpose.
@dev The bytes are opaque: every node computes the outcome from the posts in their order. An empty
     post says "nothing to say" and only helps to close a phase early. The n holders have the
     indices 1 to n in the order of the member registry; a reshare counts anew. Members that hold
     a share and will hold none have the indices after n and deal for the last time. Validators
     without keys in force are left out: the next reshare takes them in. The threshold is the
     quorum of the holders, and a session opens only when they are a quorum of the validators.
"""

struct Member:
    id: bytes32
    node: address
    account: address
    roles: uint256
    oprf_key: bytes32
    tls_pin: bytes32
    next_tls_pin: bytes32

struct Keys:
    ring_key: bytes32
    sealing_key: bytes32
    since: uint256

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def member_at(index: uint256) -> Member: view
    def member_count() -> uint256: view
    def member_of_account(account: address) -> bytes32: view
    def validator_count() -> uint256: view

interface PrivacyKeys:
    def keys_at(id: bytes32, epoch: uint256) -> Keys: view
    def epoch() -> uint256: view

interface Governance:
    def parameter(name: bytes32) -> uint256: view

struct Session:
    # phase (bits 0-7) | purpose (8-15) | kind (16-23) | holders (24-31) | threshold (32-39)
    # | posts in this phase (40-47) | those that say something (48-55) | dealers needed (56-63)
    # | key id (64-95) | share epoch (96-127) | deadline of the phase (128-191)
    # | seconds a phase (192-223) | parties (224-231)
    packed: uint256
    # block number (0-63) | refresh order (64-95)
    opened: uint256
    roster_hash: bytes32
    leading: bytes32  # the result that most holders confirmed
    holders: DynArray[bytes32, MAX_MEMBERS]
    leaving: DynArray[bytes32, MAX_MEMBERS]

struct Published:
    session: bytes32
    public_key: bytes32
    data: Bytes[MAX_SHARING]

struct Sharing:
    session: bytes32
    result_hash: bytes32
    # key id (bits 0-31) | share epoch (32-63) | block number (64-127) | time (128-191)
    # | refresh order (192-223)
    packed: uint256

event SessionOpened:
    session: indexed(bytes32)
    purpose: indexed(uint256)
    kind: indexed(uint256)
    number: uint256
    key_id: uint256
    share_epoch: uint256
    threshold: uint256
    deadline: uint256
    previous: bytes32
    holders: DynArray[bytes32, MAX_MEMBERS]
    sealing_keys: DynArray[bytes32, MAX_MEMBERS]
    leaving: DynArray[bytes32, MAX_MEMBERS]

event Posted:
    session: indexed(bytes32)
    phase: indexed(uint256)
    index: indexed(uint256)
    data: Bytes[MAX_POST]

event PhaseClosed:
    session: indexed(bytes32)
    phase: indexed(uint256)
    posts: uint256
    deadline: uint256  # of the next phase

event Confirmed:
    session: indexed(bytes32)
    index: indexed(uint256)
    result_hash: bytes32

event FailureNamed:
    session: indexed(bytes32)
    index: indexed(uint256)
    reason: bytes32
    count: uint256

event SharingActivated:
    purpose: indexed(uint256)
    session: indexed(bytes32)
    result_hash: bytes32
    key_id: uint256
    share_epoch: uint256
    confirmations: uint256

event SharingPublished:
    purpose: indexed(uint256)
    session: indexed(bytes32)
    public_key: bytes32

event SessionFailed:
    session: indexed(bytes32)
    phase: indexed(uint256)
    reason: bytes32

MAX_MEMBERS: constant(uint256) = 128
MAX_POST: constant(uint256) = 18_432  # the longest dealing, for 128 holders, has 17,088
# digest 32 | head 10, its last byte the number of holders | their ids | public key | share keys
MAX_SHARING: constant(uint256) = 8_266
SHARING_HEAD: constant(uint256) = 42
VALIDATOR: constant(uint256) = 1
PURPOSES: constant(uint256) = 2  # 1 tag key, 2 council key
DEFAULT_PHASE_SECONDS: constant(uint256) = 600
DEFAULT_REFRESH_SECONDS: constant(uint256) = 30 * 86_400

GENERATE: constant(uint256) = 1
REFRESH: constant(uint256) = 2
RESHARE: constant(uint256) = 3

COMMIT: constant(uint256) = 1
DEAL: constant(uint256) = 2
EXTRACT: constant(uint256) = 5
CONFIRM: constant(uint256) = 8  # 3 complain, 4 defend, 6 accuse, 7 reconstruct
ACTIVE: constant(uint256) = 9
FAILED: constant(uint256) = 10

BYTE: constant(uint256) = 255
WORD32: constant(uint256) = 2**32 - 1
WORD64: constant(uint256) = 2**64 - 1

PHASE_SECONDS: constant(bytes32) = (
    0x636572656d6f6e795f70686173655f7365636f6e647300000000000000000000
)
REFRESH_SECONDS: constant(bytes32) = (
    0x726566726573685f7365636f6e64730000000000000000000000000000000000
)
REFRESH_ORDER: constant(bytes32) = (
    0x726566726573685f6f7264657200000000000000000000000000000000000000
)
# Texts, padded with zeros: what the contract itself finds.
TOO_FEW: constant(bytes32) = 0x746f6f2066657720706f73747300000000000000000000000000000000000000
NO_AGREEMENT: constant(bytes32) = (
    0x6e6f2061677265656d656e740000000000000000000000000000000000000000
)

MEMBERS: immutable(Members)
GOVERNANCE: immutable(Governance)
KEYS: immutable(PrivacyKeys)

session_count: public(uint256)

_sessions: HashMap[bytes32, Session]
_open: HashMap[uint256, bytes32]
_sharings: HashMap[uint256, Sharing]
# session -> phase << 8 | index -> keccak of the post, in CONFIRM the result
_posts: HashMap[bytes32, HashMap[uint256, bytes32]]
# session -> result -> confirmations
_confirmations: HashMap[bytes32, HashMap[bytes32, uint256]]
# session -> index -> reason, and session -> reason -> how many name it
_reasons: HashMap[bytes32, HashMap[uint256, bytes32]]
_reason_counts: HashMap[bytes32, HashMap[bytes32, uint256]]
_published: HashMap[uint256, Published]


@deploy
def __init__(members: address, governance: address, keys: address):
    assert members != empty(address), "bulwark: zero members"
    assert governance != empty(address), "bulwark: zero governance"
    assert keys != empty(address), "bulwark: zero keys"
    MEMBERS = Members(members)
    GOVERNANCE = Governance(governance)
    KEYS = PrivacyKeys(keys)


@external
def open(purpose: uint256, kind: uint256) -> bytes32:
    """
    @notice Opens the session that is due; any validator may. The id of the session.
    @param purpose 1 tag key, 2 council key.
    @param kind 1 generate, 2 refresh, 3 reshare: what due() says.
    """
    self._check_account()
    assert staticcall MEMBERS.has_role(msg.sender, VALIDATOR), "bulwark: not a validator"
    assert purpose != 0 and purpose <= PURPOSES, "bulwark: unknown purpose"
    assert self._open[purpose] == empty(bytes32), "bulwark: session open"
    before: Sharing = self._sharings[purpose]
    holders: DynArray[bytes32, MAX_MEMBERS] = []
    sealing_keys: DynArray[bytes32, MAX_MEMBERS] = []
    leaving: DynArray[bytes32, MAX_MEMBERS] = []
    holders, sealing_keys, leaving = self._roster(self._sessions[before.session].holders)
    threshold: uint256 = self._threshold(len(holders))
    roster_hash: bytes32 = keccak256(abi_encode(threshold, holders))
    order: uint256 = staticcall GOVERNANCE.parameter(REFRESH_ORDER)
    assert kind != 0 and kind == self._due(purpose, roster_hash, order), "bulwark: not due"
    assert self._is_enough(len(holders)), "bulwark: too few keys"

    key_id: uint256 = 1
    share_epoch: uint256 = 0
    dealers: uint256 = self._quorum(len(holders))
    if kind != GENERATE:
        key_id = before.packed & WORD32
        share_epoch = ((before.packed >> 32) & WORD32) + 1
    if kind == RESHARE:
        dealers = (self._sessions[before.session].packed >> 32) & BYTE
    number: uint256 = self.session_count + 1
    self.session_count = number
    session: bytes32 = keccak256(
        abi_encode(
            chain.id,
            self,
            number,
            purpose,
            kind,
            key_id,
            share_epoch,
            before.session,
            threshold,
            block.number,
            holders,
            sealing_keys,
            leaving,
        )
    )
    seconds: uint256 = self._or_default(PHASE_SECONDS, DEFAULT_PHASE_SECONDS)
    deadline: uint256 = block.timestamp + seconds
    self._open[purpose] = session
    self._sessions[session] = Session(
        packed=(
            COMMIT
            | (purpose << 8)
            | (kind << 16)
            | (len(holders) << 24)
            | (threshold << 32)
            | (dealers << 56)
            | (key_id << 64)
            | (share_epoch << 96)
            | (deadline << 128)
            | ((seconds & WORD32) << 192)
            | ((len(holders) + len(leaving)) << 224)
        ),
        opened=block.number | ((order & WORD32) << 64),
        roster_hash=roster_hash,
        leading=empty(bytes32),
        holders=holders,
        leaving=leaving,
    )
    log SessionOpened(
        session=session,
        purpose=purpose,
        kind=kind,
        number=number,
        key_id=key_id,
        share_epoch=share_epoch,
        threshold=threshold,
        deadline=deadline,
        previous=before.session,
        holders=holders,
        sealing_keys=sealing_keys,
        leaving=leaving,
    )
    return session


@external
def post(session: bytes32, phase: uint256, index: uint256, data: Bytes[MAX_POST]):
    """
    @notice The one post of a party in a phase; empty for "nothing to say".
    @param phase 1 to 7, the phase that is open.
    @param index The party's own, from 1: holders first, then those that leave.
    """
    packed: uint256 = self._entered(session, index)
    assert phase < CONFIRM and packed & BYTE == phase, "bulwark: wrong phase"
    place: uint256 = (phase << 8) | index
    assert self._posts[session][place] == empty(bytes32), "bulwark: posted already"
    self._posts[session][place] = keccak256(data)
    packed += 1 << 40
    if len(data) != 0:
        packed += 1 << 48
    log Posted(session=session, phase=phase, index=index, data=data)
    self._sessions[session].packed = self._closed_when_full(session, packed)


@external
def confirm(session: bytes32, index: uint256, result_hash: bytes32):
    """
    @notice A holder's word on the outcome that it computed from the posts and its own share.
    @param result_hash Hash over session, key and all share keys, not zero.
    """
    assert result_hash != empty(bytes32), "bulwark: zero result"
    packed: uint256 = self._entered(session, index)
    assert index <= (packed >> 24) & BYTE, "bulwark: not the holder"
    assert packed & BYTE == CONFIRM, "bulwark: wrong phase"
    place: uint256 = (CONFIRM << 8) | index
    assert self._posts[session][place] == empty(bytes32), "bulwark: posted already"
    self._posts[session][place] = result_hash
    count: uint256 = self._confirmations[session][result_hash] + 1
    self._confirmations[session][result_hash] = count
    leading: bytes32 = self._sessions[session].leading
    if leading != result_hash and count > self._confirmations[session][leading]:
        self._sessions[session].leading = result_hash
    log Confirmed(session=session, index=index, result_hash=result_hash)
    self._sessions[session].packed = self._closed_when_full(session, packed + (1 << 40))


@external
def fail(session: bytes32, index: uint256, reason: bytes32):
    """
    @notice A holder's word that the session cannot succeed; as many as the threshold that name the
            same reason end it. A second call replaces the caller's reason.
    """
    assert reason != empty(bytes32), "bulwark: zero reason"
    packed: uint256 = self._entered(session, index)
    assert index <= (packed >> 24) & BYTE, "bulwark: not the holder"
    before: bytes32 = self._reasons[session][index]
    assert before != reason, "bulwark: posted already"
    if before != empty(bytes32):
        self._reason_counts[session][before] -= 1
    self._reasons[session][index] = reason
    count: uint256 = self._reason_counts[session][reason] + 1
    self._reason_counts[session][reason] = count
    log FailureNamed(session=session, index=index, reason=reason, count=count)
    if count >= (packed >> 32) & BYTE:
        packed = self._failed(session, packed, reason)
    self._sessions[session].packed = packed


@external
def advance(session: bytes32):
    """
    @notice Closes the phase whose time is over; does nothing when none is.
    """
    self._check_account()
    known: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert known != empty(bytes32), "bulwark: not a member"
    packed: uint256 = self._sessions[session].packed
    assert packed != 0, "bulwark: unknown session"
    after: uint256 = self._settled(session, packed)
    if after != packed:
        self._sessions[session].packed = after


@external
def publish(purpose: uint256, data: Bytes[MAX_SHARING]):
    """
    @notice Puts the public keys of the active sharing into the state, once; any member may, since
            the holders confirmed the SHA-256 of these very bytes. From here on it is in force.
    @param data Digest of the ceremony, then the sharing as its holders encode it.
    """
    self._check_account()
    known: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert known != empty(bytes32), "bulwark: not a member"
    active: Sharing = self._sharings[purpose]
    assert active.session != empty(bytes32), "bulwark: no sharing"
    assert self._published[purpose].session != active.session, "bulwark: published already"
    assert sha256(data) == active.result_hash, "bulwark: not the result"
    holders: uint256 = len(self._sessions[active.session].holders)
    assert len(data) == SHARING_HEAD + 32 * (2 * holders + 1), "bulwark: not a sharing"
    key: bytes32 = extract32(data, SHARING_HEAD + 32 * holders)
    self._published[purpose] = Published(session=active.session, public_key=key, data=data)
    log SharingPublished(purpose=purpose, session=active.session, public_key=key)


@external
@view
def published(purpose: uint256) -> (bytes32, bytes32, Bytes[MAX_SHARING]):
    """
    @notice Session, public key and bytes of the sharing in force, zeros and nothing for none.
    """
    p: Published = self._published[purpose]
    return (p.session, p.public_key, p.data)


@external
@view
def due(purpose: uint256) -> uint256:
    """
    @notice The kind of session that is due, 0 for none; an open session is not looked at.
    """
    holders: DynArray[bytes32, MAX_MEMBERS] = self._roster([])[0]
    if not self._is_enough(len(holders)):
        return 0
    roster_hash: bytes32 = keccak256(abi_encode(self._threshold(len(holders)), holders))
    return self._due(purpose, roster_hash, staticcall GOVERNANCE.parameter(REFRESH_ORDER))


@external
@view
def open_session(purpose: uint256) -> bytes32:
    """
    @notice Id of the open session of a purpose, zero for none.
    """
    return self._open[purpose]


@external
@view
def session(id: bytes32) -> (uint256, uint256, bytes32, bytes32):
    """
    @notice Packed state, packed block of opening, roster hash and leading result; zeros if unknown.
    """
    return (
        self._sessions[id].packed,
        self._sessions[id].opened,
        self._sessions[id].roster_hash,
        self._sessions[id].leading,
    )


@external
@view
def holders(session: bytes32) -> DynArray[bytes32, MAX_MEMBERS]:
    """
    @notice Member ids of those that will hold a share; the first has index 1.
    """
    return self._sessions[session].holders


@external
@view
def leaving(session: bytes32) -> DynArray[bytes32, MAX_MEMBERS]:
    """
    @notice Member ids of those that deal for the last time, with the indices after the holders'.
    """
    return self._sessions[session].leaving


@external
@view
def sharing(purpose: uint256) -> (bytes32, bytes32, uint256):
    """
    @notice Session, result hash and packed state of the active sharing, zeros for none.
    """
    s: Sharing = self._sharings[purpose]
    return (s.session, s.result_hash, s.packed)


@external
@view
def post_hash(session: bytes32, phase: uint256, index: uint256) -> bytes32:
    """
    @notice Keccak of a holder's post in a phase, the result itself in CONFIRM, zero for none.
    """
    return self._posts[session][(phase << 8) | index]


@external
@view
def confirmations(session: bytes32, result_hash: bytes32) -> uint256:
    return self._confirmations[session][result_hash]


@internal
@view
def _check_account():
    # A delegated account (EIP-7702) has code: others could make it post.
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"


@internal
@view
def _roster(
    old: DynArray[bytes32, MAX_MEMBERS],
) -> (
    DynArray[bytes32, MAX_MEMBERS], DynArray[bytes32, MAX_MEMBERS], DynArray[bytes32, MAX_MEMBERS]
):
    """
    Validators that have keys in force, their sealing keys, and the other members that are among
    the old holders: each in registry order.
    """
    holders: DynArray[bytes32, MAX_MEMBERS] = []
    sealing_keys: DynArray[bytes32, MAX_MEMBERS] = []
    leaving: DynArray[bytes32, MAX_MEMBERS] = []
    count: uint256 = staticcall MEMBERS.member_count()
    epoch: uint256 = staticcall KEYS.epoch()
    for i: uint256 in range(MAX_MEMBERS):
        if i >= count:
            break
        m: Member = staticcall MEMBERS.member_at(i)
        sealing_key: bytes32 = empty(bytes32)
        if m.roles & VALIDATOR != 0:
            sealing_key = (staticcall KEYS.keys_at(m.id, epoch)).sealing_key
        if sealing_key != empty(bytes32):
            holders.append(m.id)
            sealing_keys.append(sealing_key)
        elif m.id in old:
            leaving.append(m.id)
    return (holders, sealing_keys, leaving)


@internal
@pure
def _threshold(n: uint256) -> uint256:
    # As the quorum of consensus, so that two sets of evaluators share an honest one even when the
    # asker evaluates for itself; 2f+1 for n = 3f+1.
    return 0 if n == 0 else (n + (n - 1) // 3 + 2) // 2


@internal
@view
def _is_enough(holders: uint256) -> bool:
    return holders >= self._threshold(staticcall MEMBERS.validator_count())


@internal
@pure
def _quorum(holders: uint256) -> uint256:
    return 0 if holders == 0 else holders - (holders - 1) // 3


@internal
@view
def _or_default(name: bytes32, otherwise: uint256) -> uint256:
    voted: uint256 = staticcall GOVERNANCE.parameter(name)
    return otherwise if voted == 0 else voted


@internal
@view
def _due(purpose: uint256, roster_hash: bytes32, order: uint256) -> uint256:
    active: Sharing = self._sharings[purpose]
    if active.session == empty(bytes32):
        return GENERATE
    if self._published[purpose].session != active.session:
        # Whoever opened the next one first would have it begin from keys that nobody was shown.
        return 0
    if self._sessions[active.session].roster_hash != roster_hash:
        return RESHARE
    activated: uint256 = (active.packed >> 128) & WORD64
    ends: uint256 = activated + self._or_default(REFRESH_SECONDS, DEFAULT_REFRESH_SECONDS)
    if order & WORD32 <= (active.packed >> 192) & WORD32 and block.timestamp < ends:
        return 0
    # A refresh is of use only to who has a share: where a holder did not confirm that it has one,
    # a reshare among the same holders renews all shares and gives it one.
    holders: uint256 = (self._sessions[active.session].packed >> 24) & BYTE
    if self._confirmations[active.session][active.result_hash] < holders:
        return RESHARE
    return REFRESH


@internal
def _entered(session: bytes32, index: uint256) -> uint256:
    """
    The session's state once a phase whose time is over is closed, for its party of that index.
    """
    self._check_account()
    packed: uint256 = self._sessions[session].packed
    assert packed != 0, "bulwark: unknown session"
    holders: uint256 = (packed >> 24) & BYTE
    assert index != 0 and index <= packed >> 224, "bulwark: not the holder"
    id: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    if index <= holders:
        assert self._sessions[session].holders[index - 1] == id, "bulwark: not the holder"
    else:
        party: bytes32 = self._sessions[session].leaving[index - holders - 1]
        assert party == id, "bulwark: not the holder"
    packed = self._settled(session, packed)
    assert packed & BYTE < ACTIVE, "bulwark: closed"
    return packed


@internal
def _settled(session: bytes32, packed: uint256) -> uint256:
    if packed & BYTE >= ACTIVE or block.timestamp < (packed >> 128) & WORD64:
        return packed
    return self._close_phase(session, packed)


@internal
def _closed_when_full(session: bytes32, packed: uint256) -> uint256:
    expected: uint256 = packed >> 224
    if packed & BYTE == CONFIRM:
        expected = (packed >> 24) & BYTE
    if (packed >> 40) & BYTE < expected:
        return packed
    return self._close_phase(session, packed)


@internal
def _close_phase(session: bytes32, packed: uint256) -> uint256:
    phase: uint256 = packed & BYTE
    if phase == CONFIRM:
        return self._concluded(session, packed)
    is_generation: bool = (packed >> 16) & BYTE == GENERATE
    if phase == COMMIT or phase == DEAL or (phase == EXTRACT and is_generation):
        # A refresh or reshare deals under the commitments that EXTRACT would open.
        if (packed >> 48) & BYTE < (packed >> 56) & BYTE:
            return self._failed(session, packed, TOO_FEW)
    deadline: uint256 = block.timestamp + ((packed >> 192) & WORD32)
    log PhaseClosed(
        session=session, phase=phase, posts=(packed >> 40) & BYTE, deadline=deadline
    )
    kept: uint256 = packed & ~((WORD64 << 128) | (65_535 << 40))
    return (kept + 1) | (deadline << 128)


@internal
def _concluded(session: bytes32, packed: uint256) -> uint256:
    result: bytes32 = self._sessions[session].leading
    count: uint256 = self._confirmations[session][result]
    if count < self._quorum((packed >> 24) & BYTE):
        return self._failed(session, packed, NO_AGREEMENT)
    purpose: uint256 = (packed >> 8) & BYTE
    key_id: uint256 = (packed >> 64) & WORD32
    share_epoch: uint256 = (packed >> 96) & WORD32
    self._open[purpose] = empty(bytes32)
    self._sharings[purpose] = Sharing(
        session=session,
        result_hash=result,
        packed=(
            key_id
            | (share_epoch << 32)
            | (block.number << 64)
            | (block.timestamp << 128)
            | ((self._sessions[session].opened >> 64) << 192)
        ),
    )
    log SharingActivated(
        purpose=purpose,
        session=session,
        result_hash=result,
        key_id=key_id,
        share_epoch=share_epoch,
        confirmations=count,
    )
    return (packed & ~BYTE) | ACTIVE


@internal
def _failed(session: bytes32, packed: uint256, reason: bytes32) -> uint256:
    self._open[(packed >> 8) & BYTE] = empty(bytes32)
    log SessionFailed(session=session, phase=packed & BYTE, reason=reason)
    return (packed & ~BYTE) | FAILED
