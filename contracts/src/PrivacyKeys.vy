# pragma version 0.4.3
# pragma evm-version prague
"""
@title PrivacyKeys
@license Apache-2.0
@notice The keys that members sign guarded questions with, and that shares are sealed to.
        Rules: a key comes with a proof that its owner knows the secret; a ring key once used by a
        member is its own for ever; a change is in force from the next quota epoch on, never in the
        running one, so that no member gets fresh nullifiers within an epoch; the regulator's part
        of the opener changes by the same rule.
@dev The proof is checked by a native precompile: 32 bytes holding 1 mean yes, anything else no. The
     constructor checks none: genesis is what the members agreed on. Who belongs to a ring is the
     business of whoever reads this beside the member registry.
"""

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def member_of_account(account: address) -> bytes32: view

struct MemberKeys:
    id: bytes32
    ring_key: bytes32
    sealing_key: bytes32

struct Keys:
    ring_key: bytes32
    sealing_key: bytes32
    since: uint256  # quota epoch from which they are in force

struct RegulatorKey:
    key: bytes32
    holder: bytes32  # member id
    since: uint256

struct Entry:
    current: Keys
    next: Keys

event KeysRegistered:
    id: indexed(bytes32)
    ring_key: indexed(bytes32)
    sealing_key: bytes32
    since: uint256

event RegulatorKeyRegistered:
    holder: indexed(bytes32)
    key: indexed(bytes32)
    since: uint256

MAX_MEMBERS: constant(uint256) = 128
REGULATOR: constant(uint256) = 4
POSSESSION: constant(address) = 0x000000000000000000000000000000000000B102
KEYS_CALL_BYTES: constant(uint256) = 132  # selector and four words
REGULATOR_CALL_BYTES: constant(uint256) = 100

MEMBERS: immutable(Members)
EPOCH_SECONDS: immutable(uint256)

_keys: HashMap[bytes32, Entry]
_owner_of_ring_key: HashMap[bytes32, bytes32]
_owner_of_regulator_key: HashMap[bytes32, bytes32]
_regulator: RegulatorKey
_next_regulator: RegulatorKey


@deploy
def __init__(
    members: address,
    epoch_seconds: uint256,
    regulator_key: bytes32,
    regulator: bytes32,
    keys: DynArray[MemberKeys, MAX_MEMBERS],
):
    """
    @param regulator_key The regulator's part of the opener from the start, zero for none.
    @param regulator Member id of its holder, zero for none.
    @param keys Ring and sealing keys that are in force from the start.
    """
    assert members != empty(address), "bulwark: zero members"
    assert epoch_seconds != 0, "bulwark: zero epoch"
    MEMBERS = Members(members)
    EPOCH_SECONDS = epoch_seconds
    assert (regulator_key == empty(bytes32)) == (regulator == empty(bytes32)), "bulwark: zero key"
    if regulator_key != empty(bytes32):
        self._owner_of_regulator_key[regulator_key] = regulator
        self._regulator = RegulatorKey(key=regulator_key, holder=regulator, since=0)
        log RegulatorKeyRegistered(holder=regulator, key=regulator_key, since=0)
    for k: MemberKeys in keys:
        assert k.id != empty(bytes32), "bulwark: zero id"
        assert self._keys[k.id].current.ring_key == empty(bytes32), "bulwark: id taken"
        self._claim(k.id, k.ring_key, k.sealing_key)
        self._keys[k.id].current = Keys(
            ring_key=k.ring_key, sealing_key=k.sealing_key, since=0
        )
        log KeysRegistered(id=k.id, ring_key=k.ring_key, sealing_key=k.sealing_key, since=0)


@external
def register(ring_key: bytes32, possession: bytes32[2], sealing_key: bytes32):
    """
    @notice Replaces the caller's keys from the next quota epoch on; a second call in one epoch
            replaces what the first one announced.
    @param ring_key Public key, an encoded group element.
    @param possession Challenge and response of the proof of possession, bound to the member.
    @param sealing_key X25519 public key that shares are sealed to.
    """
    id: bytes32 = self._caller(KEYS_CALL_BYTES)
    self._claim(id, ring_key, sealing_key)
    self._check_possession(
        concat(
            b"\x08ring-key\x00\x28",
            convert(convert(chain.id, uint64), bytes8),
            id,
            ring_key,
            possession[0],
            possession[1],
        )
    )
    since: uint256 = self._epoch() + 1
    planned: Keys = self._keys[id].next
    if planned.since != 0 and planned.since < since:
        self._keys[id].current = planned
    self._keys[id].next = Keys(ring_key=ring_key, sealing_key=sealing_key, since=since)
    log KeysRegistered(id=id, ring_key=ring_key, sealing_key=sealing_key, since=since)


@external
def register_regulator(key: bytes32, possession: bytes32[2]):
    """
    @notice Replaces the regulator's part of the opener from the next quota epoch on.
    """
    id: bytes32 = self._caller(REGULATOR_CALL_BYTES)
    assert staticcall MEMBERS.has_role(msg.sender, REGULATOR), "bulwark: not a regulator"
    assert key != empty(bytes32), "bulwark: zero key"
    owner: bytes32 = self._owner_of_regulator_key[key]
    assert owner == empty(bytes32) or owner == id, "bulwark: key taken"
    assert self._owner_of_ring_key[key] == empty(bytes32), "bulwark: key taken"
    self._check_possession(
        concat(
            b"\x0dregulator-key\x00\x28",
            convert(convert(chain.id, uint64), bytes8),
            id,
            key,
            possession[0],
            possession[1],
        )
    )
    self._owner_of_regulator_key[key] = id
    since: uint256 = self._epoch() + 1
    planned: RegulatorKey = self._next_regulator
    if planned.since != 0 and planned.since < since:
        self._regulator = planned
    self._next_regulator = RegulatorKey(key=key, holder=id, since=since)
    log RegulatorKeyRegistered(holder=id, key=key, since=since)


@external
@view
def keys_at(id: bytes32, epoch: uint256) -> Keys:
    """
    @notice Keys of a member in force in a quota epoch; zero when it has none, or when newer keys
            took the place of those that it had then.
    """
    if self._keys[id].next.since != 0 and epoch >= self._keys[id].next.since:
        return self._keys[id].next
    if epoch >= self._keys[id].current.since:
        return self._keys[id].current
    return empty(Keys)


@external
@view
def regulator_key_at(epoch: uint256) -> RegulatorKey:
    """
    @notice The regulator's part of the opener in force in a quota epoch, zero as for keys_at.
    """
    if self._next_regulator.since != 0 and epoch >= self._next_regulator.since:
        return self._next_regulator
    if epoch >= self._regulator.since:
        return self._regulator
    return empty(RegulatorKey)


@external
@view
def owner_of_ring_key(ring_key: bytes32) -> bytes32:
    """
    @notice Id of the member that uses or ever used a ring key, else zero.
    """
    return self._owner_of_ring_key[ring_key]


@external
@view
def epoch() -> uint256:
    """
    @notice The running quota epoch.
    """
    return self._epoch()


@external
@view
def epoch_seconds() -> uint256:
    return EPOCH_SECONDS


@external
@view
def members() -> address:
    return MEMBERS.address


@internal
@view
def _epoch() -> uint256:
    return block.timestamp // EPOCH_SECONDS


@internal
@view
def _caller(call_bytes: uint256) -> bytes32:
    # A delegated account (EIP-7702) has code: others could make it register.
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"
    assert len(msg.data) == call_bytes, "bulwark: calldata length"
    id: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert id != empty(bytes32), "bulwark: not a member"
    return id


@internal
def _claim(id: bytes32, ring_key: bytes32, sealing_key: bytes32):
    assert ring_key != empty(bytes32), "bulwark: zero key"
    assert sealing_key != empty(bytes32), "bulwark: zero key"
    owner: bytes32 = self._owner_of_ring_key[ring_key]
    assert owner == empty(bytes32) or owner == id, "bulwark: key taken"
    assert self._owner_of_regulator_key[ring_key] == empty(bytes32), "bulwark: key taken"
    if owner == empty(bytes32):
        self._owner_of_ring_key[ring_key] = id


@internal
@view
def _check_possession(statement: Bytes[160]):
    done: bool = False
    answer: Bytes[32] = b""
    done, answer = raw_call(
        POSSESSION, statement, max_outsize=32, is_static_call=True, revert_on_failure=False
    )
    # No code at that address answers with nothing: not a chain of the alliance.
    assert done and len(answer) == 32, "bulwark: no answer on possession"
    assert convert(answer, uint256) == 1, "bulwark: possession not proven"
