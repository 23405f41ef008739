# pragma version 0.4.3
# pragma evm-version prague
"""
@title QueryLog
@license Apache-2.0
@notice Anchors what evaluators served, and how long each member's own access log is.
        Rules: only roots and counts enter here; an evaluator's intervals only go forward, each
        anchored once and never without a statement; nothing of a quota epoch that is still to
        come; an access log only grows.
@dev A root is the RFC 6962 SHA-256 root over the leaves of the statements of one interval. It is
     the key of its own entry: two evaluators that served the same statements have the same root.
"""

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def member_of_account(account: address) -> bytes32: view

struct Access:
    # sequence (bits 0-63) | count (64-127) | block number (128-191)
    packed: uint256
    root: bytes32

event StatementsAnchored:
    id: indexed(bytes32)
    root: indexed(bytes32)
    epoch: uint64
    interval: uint32
    count: uint32

event AccessAnchored:
    id: indexed(bytes32)
    root: indexed(bytes32)
    sequence: uint64
    count: uint64

VALIDATOR: constant(uint256) = 1
MAX_STATEMENTS: constant(uint32) = 16_777_216  # a proof has at most 24 siblings
ANCHOR_BYTES: constant(uint256) = 132  # selector and four words
ACCESS_BYTES: constant(uint256) = 100

MEMBERS: immutable(Members)
EPOCH_SECONDS: immutable(uint256)

# member id -> root -> count (bits 0-31) | interval (32-63) | epoch (64-127) | block (128-191)
_anchors: HashMap[bytes32, HashMap[bytes32, uint256]]
# member id -> the newest of its anchors, packed alike
_last: HashMap[bytes32, uint256]
_access: HashMap[bytes32, Access]


@deploy
def __init__(members: address, epoch_seconds: uint256):
    assert members != empty(address), "bulwark: zero members"
    assert epoch_seconds != 0, "bulwark: zero epoch"
    MEMBERS = Members(members)
    EPOCH_SECONDS = epoch_seconds


@external
def anchor(epoch: uint64, interval: uint32, count: uint32, root: bytes32):
    """
    @notice Anchors the statements that the caller's member served in one interval.
    @param epoch Quota epoch of the statements, not in the future.
    @param interval Number of the interval in that epoch; (epoch, interval) only goes forward.
    @param count Number of statements, 1 to 2^24; an interval without any is not anchored.
    @param root Root over their leaves, not zero, not anchored by this member before.
    """
    id: bytes32 = self._caller(ANCHOR_BYTES)
    assert staticcall MEMBERS.has_role(msg.sender, VALIDATOR), "bulwark: not an evaluator"
    assert count != 0 and count <= MAX_STATEMENTS, "bulwark: count not 1 to 2^24"
    assert root != empty(bytes32), "bulwark: zero root"
    assert convert(epoch, uint256) <= block.timestamp // EPOCH_SECONDS, "bulwark: future epoch"
    assert self._anchors[id][root] == 0, "bulwark: root anchored"
    place: uint256 = (convert(epoch, uint256) << 32) | convert(interval, uint256)
    last: uint256 = self._last[id]
    assert last == 0 or place > (last & (2**128 - 1)) >> 32, "bulwark: interval not after the last"
    packed: uint256 = convert(count, uint256) | (place << 32) | (block.number << 128)
    self._anchors[id][root] = packed
    self._last[id] = packed
    log StatementsAnchored(id=id, root=root, epoch=epoch, interval=interval, count=count)


@external
def anchor_access(sequence: uint64, count: uint64, root: bytes32):
    """
    @notice Anchors the state of the caller's own access log.
    @param sequence Number of this anchor, greater than that of the one before.
    @param count Entries in the log so far, never fewer than before.
    @param root Head of the hash chain over the entries, not zero.
    """
    id: bytes32 = self._caller(ACCESS_BYTES)
    assert root != empty(bytes32), "bulwark: zero root"
    last: uint256 = self._access[id].packed
    assert convert(sequence, uint256) > last & (2**64 - 1), "bulwark: sequence not after the last"
    assert convert(count, uint256) >= (last >> 64) & (2**64 - 1), "bulwark: access log shrank"
    self._access[id] = Access(
        packed=(
            convert(sequence, uint256) | (convert(count, uint256) << 64) | (block.number << 128)
        ),
        root=root,
    )
    log AccessAnchored(id=id, root=root, sequence=sequence, count=count)


@external
@view
def anchored(id: bytes32, root: bytes32) -> (uint64, uint32, uint32, uint64):
    """
    @notice Epoch, interval, count and block number of an anchor; all zero when there is none.
    """
    return self._unpacked(self._anchors[id][root])


@external
@view
def last(id: bytes32) -> (uint64, uint32, uint32, uint64):
    """
    @notice Epoch, interval, count and block number of a member's newest anchor, or zeros.
    """
    return self._unpacked(self._last[id])


@external
@view
def access(id: bytes32) -> (uint64, uint64, uint64, bytes32):
    """
    @notice Sequence, count, block number and root of a member's newest access anchor, or zeros.
    """
    packed: uint256 = self._access[id].packed
    return (
        convert(packed & (2**64 - 1), uint64),
        convert((packed >> 64) & (2**64 - 1), uint64),
        convert(packed >> 128, uint64),
        self._access[id].root,
    )


@external
@view
def members() -> address:
    return MEMBERS.address


@internal
@view
def _caller(call_bytes: uint256) -> bytes32:
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"
    assert len(msg.data) == call_bytes, "bulwark: calldata length"
    id: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert id != empty(bytes32), "bulwark: not a member"
    return id


@internal
@pure
def _unpacked(packed: uint256) -> (uint64, uint32, uint32, uint64):
    return (
        convert((packed >> 64) & (2**64 - 1), uint64),
        convert((packed >> 32) & (2**32 - 1), uint32),
        convert(packed & (2**32 - 1), uint32),
        convert(packed >> 128, uint64),
    )
