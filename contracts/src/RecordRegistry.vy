# pragma version 0.4.3
# pragma evm-version prague
"""
@title RecordRegistry
@license Apache-2.0
@notice Anchors the Merkle root of one batch of fraud records: for ever, once, by a reporter
        or a regulator (whose statements count nowhere; its follow-ups do, ADR-0019).
        Rules: no personal data and no tag enters here, only a root, a count and codes; one slot
        and one event an anchor; the caller is the signer of the transaction itself.
@dev The exact calldata length is part of the rules: what this contract accepts, every node's
     strict decoder reads, so no anchor can slip past the sidecar check.
"""

interface Members:
    def roles_of(account: address) -> uint256: view

event RecordsAnchored:
    reporter: indexed(address)
    root: indexed(bytes32)
    count: uint32
    schema: uint16
    policy: bytes32

MAY_ANCHOR: constant(uint256) = 6  # 2 reporter | 4 regulator
MAX_RECORDS: constant(uint32) = 2000
CALL_BYTES: constant(uint256) = 132  # selector and four words

MEMBERS: immutable(Members)

# root -> reporter (bits 0-159) | count (bits 160-191) | block number (bits 192-255)
_anchors: HashMap[bytes32, uint256]


@deploy
def __init__(members: address):
    assert members != empty(address), "bulwark: zero members"
    MEMBERS = Members(members)


@external
def anchor(root: bytes32, count: uint32, schema: uint16, policy: bytes32):
    """
    @notice Anchors one batch.
    @param root Merkle root (RFC 6962, SHA-256) of the batch, not zero, never anchored before.
    @param count Number of records, 1 to 2000.
    @param schema Record layout of the batch.
    @param policy Id of the policy the records were reported under.
    """
    # A delegated account (EIP-7702) has code: without the code check it could anchor from
    # inside a call, where the sidecar check does not look.
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"
    assert len(msg.data) == CALL_BYTES, "bulwark: calldata length"
    assert count != 0 and count <= MAX_RECORDS, "bulwark: count not 1 to 2000"
    assert root != empty(bytes32), "bulwark: zero root"
    roles: uint256 = staticcall MEMBERS.roles_of(msg.sender)
    assert roles & MAY_ANCHOR != 0, "bulwark: not a reporter or regulator"
    assert self._anchors[root] == 0, "bulwark: root anchored"
    self._anchors[root] = (
        convert(msg.sender, uint256) | (convert(count, uint256) << 160) | (block.number << 192)
    )
    log RecordsAnchored(
        reporter=msg.sender, root=root, count=count, schema=schema, policy=policy
    )


@external
@view
def anchored(root: bytes32) -> (address, uint32, uint64):
    """
    @notice Reporter, count and block number of an anchor; all zero when there is none.
    """
    packed: uint256 = self._anchors[root]
    return (
        convert(packed & convert(max_value(uint160), uint256), address),
        convert((packed >> 160) & convert(max_value(uint32), uint256), uint32),
        convert(packed >> 192, uint64),
    )


@external
@view
def members() -> address:
    return MEMBERS.address
