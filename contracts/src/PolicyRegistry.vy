# pragma version 0.4.3
# pragma evm-version prague
"""
@title PolicyRegistry
@license Apache-2.0
@notice The documents that say under which law, for which purposes and within which limits the
        alliance shares records. Rules: a policy's id is the SHA-256 of its bytes; any member may
        publish one, only the governor adopts or withdraws it; it is adopted and withdrawn once
        each, so what was in force at a height is known for ever; the first of genesis is the
        default and is never withdrawn.
@dev The bytes are kept in storage, so that a node that took over the state by state sync has them
     and genesis can hold some. This contract does not read the documents: nodes do, strictly. A
     policy adopted in block B is in force for anchors of later blocks than B, up to the block that
     withdraws it, that one included.
"""

interface Members:
    def member_of_account(account: address) -> bytes32: view

struct Policy:
    state: uint256
    since: uint256  # block of the adoption, 0 for one of genesis
    until: uint256  # block of the withdrawal, 0 for none
    publisher: bytes32  # member id, zero for one of genesis
    document: Bytes[MAX_DOCUMENT]

event PolicyPublished:
    id: indexed(bytes32)
    publisher: indexed(bytes32)
    document: Bytes[MAX_DOCUMENT]

event PolicyAdopted:
    id: indexed(bytes32)

event PolicyWithdrawn:
    id: indexed(bytes32)

MAX_DOCUMENT: constant(uint256) = 8192
MAX_GENESIS: constant(uint256) = 16
MAX_WAITING: constant(uint256) = 16  # published by one member and never adopted

PUBLISHED: constant(uint256) = 1
ADOPTED: constant(uint256) = 2
WITHDRAWN: constant(uint256) = 3

MEMBERS: immutable(Members)
GOVERNOR: immutable(address)

policy_count: public(uint256)
default_id: public(bytes32)

_ids: HashMap[uint256, bytes32]
_policies: HashMap[bytes32, Policy]
_waiting: HashMap[bytes32, uint256]


@deploy
def __init__(
    members: address, governor: address, policies: DynArray[Bytes[MAX_DOCUMENT], MAX_GENESIS]
):
    """
    @param policies Those in force from the first block on; the first is the default.
    """
    assert members != empty(address), "bulwark: zero members"
    assert governor != empty(address), "bulwark: zero governor"
    MEMBERS = Members(members)
    GOVERNOR = governor
    for document: Bytes[MAX_DOCUMENT] in policies:
        id: bytes32 = self._publish(document, empty(bytes32))
        self._policies[id].state = ADOPTED
        if self.default_id == empty(bytes32):
            self.default_id = id
        log PolicyAdopted(id=id)


@external
def publish(document: Bytes[MAX_DOCUMENT]) -> bytes32:
    """
    @notice Puts a document on the ledger, in force only once it is adopted; its id.
    """
    publisher: bytes32 = staticcall MEMBERS.member_of_account(msg.sender)
    assert publisher != empty(bytes32), "bulwark: not a member"
    assert self._waiting[publisher] < MAX_WAITING, "bulwark: too many waiting policies"
    self._waiting[publisher] += 1
    return self._publish(document, publisher)


@external
def adopt(id: bytes32):
    """
    @notice In force for anchors of later blocks.
    """
    self._check_governor()
    state: uint256 = self._policies[id].state
    assert state != 0, "bulwark: unknown policy"
    assert state != ADOPTED, "bulwark: policy adopted"
    assert state == PUBLISHED, "bulwark: policy was withdrawn"
    self._policies[id].state = ADOPTED
    self._policies[id].since = block.number
    self._waiting[self._policies[id].publisher] -= 1
    log PolicyAdopted(id=id)


@external
def withdraw(id: bytes32):
    """
    @notice No anchor of a later block may name it; older ones stay as they were.
    """
    self._check_governor()
    assert self._policies[id].state == ADOPTED, "bulwark: policy not adopted"
    assert id != self.default_id, "bulwark: the default policy"
    self._policies[id].state = WITHDRAWN
    self._policies[id].until = block.number
    log PolicyWithdrawn(id=id)


@external
@view
def standing(id: bytes32) -> (uint256, uint256, uint256, bytes32):
    """
    @notice State (0 unknown, 1 published, 2 adopted, 3 withdrawn), block since which and block
            until which it is adopted (0 for none), member that published it.
    """
    p: Policy = self._policies[id]
    return (p.state, p.since, p.until, p.publisher)


@external
@view
def document(id: bytes32) -> Bytes[MAX_DOCUMENT]:
    return self._policies[id].document


@external
@view
def id_at(index: uint256) -> bytes32:
    """
    @notice Ids in the order of publication, from 0; zero beyond the last.
    """
    return self._ids[index]


@external
@view
def members() -> address:
    return MEMBERS.address


@external
@view
def governor() -> address:
    return GOVERNOR


@internal
@view
def _check_governor():
    assert msg.sender == GOVERNOR, "bulwark: not the governor"


@internal
def _publish(document: Bytes[MAX_DOCUMENT], publisher: bytes32) -> bytes32:
    assert len(document) != 0, "bulwark: empty policy"
    id: bytes32 = sha256(document)
    assert self._policies[id].state == 0, "bulwark: policy known"
    self._policies[id].state = PUBLISHED
    self._policies[id].publisher = publisher
    self._policies[id].document = document
    self._ids[self.policy_count] = id
    self.policy_count += 1
    log PolicyPublished(id=id, publisher=publisher, document=document)
    return id
