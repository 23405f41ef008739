# pragma version 0.4.3
# pragma evm-version prague
"""
@title EvidenceRegistry
@license Apache-2.0
@notice Keeps proof that a validator broke the consensus protocol, for every member to see.
        Rules: a double vote is believed only when both signatures are checked here; one case a
        culprit and subject, its first reporter stays; other kinds of evidence are kept by hash,
        marked unverified, their bytes in the event; any member account may report.
@dev A vote signs keccak256("bulwark", a zero byte, length of tag, tag, chain id, genesis hash,
     epoch, view, height, digest); the tag is "vote/" and the kind. The genesis hash covers this
     contract's own code, so it can be no constant here: the reporter names it, the case is filed
     under it, and a reader asks with the hash of its own alliance. The culprit's key is the node
     address that the member registry holds now: report before the key is replaced.
"""

struct Member:
    id: bytes32
    node: address
    account: address
    roles: uint256
    oprf_key: bytes32
    tls_pin: bytes32
    next_tls_pin: bytes32

struct Case:
    culprit: bytes32
    reporter: address
    block_number: uint64
    verified: bool

interface Members:
    def member(id: bytes32) -> Member: view
    def member_of_account(account: address) -> bytes32: view

event DoubleVoteProven:
    culprit: indexed(bytes32)
    node: indexed(address)
    reporter: indexed(address)
    case_id: bytes32
    genesis_hash: bytes32
    epoch: uint64
    kind: uint8
    view_number: uint64
    height: uint64
    first: bytes32
    second: bytes32
    first_signature: Bytes[65]
    second_signature: Bytes[65]

event EvidenceFiled:
    culprit: indexed(bytes32)
    reporter: indexed(address)
    case_id: indexed(bytes32)
    kind: uint8
    data: Bytes[25600]

MAX_BYTES: constant(uint256) = 25600
HALF_ORDER: constant(uint256) = (
    # of secp256k1, rounded down
    57896044618658097711785492504343953926418782139537452191302581570759080747168
)

MEMBERS: immutable(Members)

_cases: HashMap[bytes32, Case]


@deploy
def __init__(members: address):
    assert members != empty(address), "bulwark: zero members"
    MEMBERS = Members(members)


@external
def submit_double_vote(
    culprit: bytes32,
    genesis_hash: bytes32,
    epoch: uint64,
    kind: uint8,
    view_number: uint64,
    height: uint64,
    first: bytes32,
    second: bytes32,
    first_signature: Bytes[65],
    second_signature: Bytes[65],
):
    """
    @notice Files two votes of one validator for one subject with different digests.
    @param culprit Member id of the validator.
    @param genesis_hash Hash of the genesis document that both votes are bound to.
    @param epoch Membership epoch of both votes.
    @param kind 1 PREPARE, 2 COMMIT, 3 CHECKPOINT.
    @param first_signature 65 bytes r, s, y-parity, s in the lower half.
    """
    self._check_member()
    assert kind >= 1 and kind <= 3, "bulwark: no vote kind"
    assert first != second, "bulwark: equal digests"
    # The registry reverts for an unknown member, and no member's node address is zero.
    node: address = (staticcall MEMBERS.member(culprit)).node
    case_id: bytes32 = self._subject(culprit, genesis_hash, epoch, kind, view_number, height)
    assert self._cases[case_id].culprit == empty(bytes32), "bulwark: case known"
    head: Bytes[79] = concat(
        b"bulwark\x00\x06vote/",
        convert(kind, bytes1),
        convert(convert(chain.id, uint64), bytes8),
        genesis_hash,
        convert(epoch, bytes8),
        convert(view_number, bytes8),
        convert(height, bytes8),
    )
    self._check_signature(node, keccak256(concat(head, first)), first_signature)
    self._check_signature(node, keccak256(concat(head, second)), second_signature)
    self._file(case_id, culprit, True)
    log DoubleVoteProven(
        culprit=culprit,
        node=node,
        reporter=msg.sender,
        case_id=case_id,
        genesis_hash=genesis_hash,
        epoch=epoch,
        kind=kind,
        view_number=view_number,
        height=height,
        first=first,
        second=second,
        first_signature=first_signature,
        second_signature=second_signature,
    )


@external
def submit_unverified(culprit: bytes32, kind: uint8, data: Bytes[MAX_BYTES]):
    """
    @notice Files other evidence by its hash; this contract does not check it, readers do.
    @param culprit Member id that the reporter accuses.
    @param kind Number of the kind of evidence, as in its first byte.
    @param data The encoded case.
    """
    self._check_member()
    assert len(data) != 0, "bulwark: no evidence"
    assert (staticcall MEMBERS.member(culprit)).id == culprit, "bulwark: unknown member"
    case_id: bytes32 = keccak256(concat(culprit, keccak256(data)))
    assert self._cases[case_id].culprit == empty(bytes32), "bulwark: case known"
    self._file(case_id, culprit, False)
    log EvidenceFiled(
        culprit=culprit, reporter=msg.sender, case_id=case_id, kind=kind, data=data
    )


@external
@view
def case(case_id: bytes32) -> Case:
    """
    @notice Culprit, first reporter, block number, and whether it was verified; zero if unknown.
    """
    return self._cases[case_id]


@external
@view
def subject_of(
    culprit: bytes32,
    genesis_hash: bytes32,
    epoch: uint64,
    kind: uint8,
    view_number: uint64,
    height: uint64,
) -> bytes32:
    """
    @notice Id under which a double vote is filed.
    """
    return self._subject(culprit, genesis_hash, epoch, kind, view_number, height)


@external
@view
def members() -> address:
    return MEMBERS.address


@internal
@view
def _check_member():
    known: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert known != empty(bytes32), "bulwark: not a member"


@internal
@pure
def _subject(
    culprit: bytes32,
    genesis_hash: bytes32,
    epoch: uint64,
    kind: uint8,
    view_number: uint64,
    height: uint64,
) -> bytes32:
    return keccak256(abi_encode(culprit, genesis_hash, epoch, kind, view_number, height))


@internal
@pure
def _check_signature(node: address, digest: bytes32, signature: Bytes[65]):
    assert len(signature) == 65, "bulwark: signature length"
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    # The ledger refuses the second form of a signature, so this contract does.
    assert v <= 1 and s <= HALF_ORDER, "bulwark: signature form"
    assert ecrecover(digest, v + 27, r, s) == node, "bulwark: wrong signer"


@internal
def _file(case_id: bytes32, culprit: bytes32, verified: bool):
    self._cases[case_id] = Case(
        culprit=culprit,
        reporter=msg.sender,
        block_number=convert(block.number, uint64),
        verified=verified,
    )
