# pragma version 0.4.3
# pragma evm-version prague
"""
@title MembersPoll
@license Apache-2.0
@notice Example of a contract that demands a proof of membership: a poll in which every member of the
        alliance is counted once, and nobody learns who chose what.
        Rules: a proof is for this contract, this poll and this choice; a nullifier counts once; the
        poll lasts until the end of the quota epoch in which it was deployed, since a member's
        nullifier is another one in the next.
@dev Who sends the transaction is no part of it: somebody else may send a member's choice. Read
     docs/precompiles.md before you write a contract of your own.
"""

interface Keys:
    def epoch() -> uint256: view

event Counted:
    choice: indexed(uint256)
    nullifier: indexed(bytes32)
    total: uint256

MEMBERSHIP: constant(address) = 0x000000000000000000000000000000000000B101
PRIVACY_KEYS: constant(address) = 0x000000000000000000000000000000000000b006
LABEL: constant(bytes32) = keccak256("MembersPoll")
SLOT: constant(uint256) = 0  # one vote a member
MAX_PROOF: constant(uint256) = 1281
MAX_INPUT: constant(uint256) = 1377  # label, slot, message, proof

CHOICES: immutable(uint256)
EPOCH: immutable(uint256)

totals: public(HashMap[uint256, uint256])
is_used: public(HashMap[bytes32, bool])


@deploy
def __init__(choices: uint256):
    """
    @param choices Choices are 0 to choices - 1.
    """
    assert choices > 1, "bulwark: no choice"
    CHOICES = choices
    EPOCH = staticcall Keys(PRIVACY_KEYS).epoch()


@external
def choose(choice: uint256, proof: Bytes[MAX_PROOF]):
    """
    @notice Counts one member's choice.
    @param proof ARP-1 proof over label(), slot 0 and message(choice), for this contract.
    """
    assert choice < CHOICES, "bulwark: unknown choice"
    nullifier: bytes32 = self._member_says(self._message(choice), proof)
    assert not self.is_used[nullifier], "bulwark: nullifier used"
    self.is_used[nullifier] = True
    self.totals[choice] += 1
    log Counted(choice=choice, nullifier=nullifier, total=self.totals[choice])


@external
@view
def message(choice: uint256) -> bytes32:
    """
    @notice What a proof for a choice has to be bound to.
    """
    return self._message(choice)


@external
@pure
def label() -> bytes32:
    return LABEL


@external
@view
def epoch() -> uint256:
    """
    @notice Quota epoch that the poll lasts in.
    """
    return EPOCH


@internal
@pure
def _message(choice: uint256) -> bytes32:
    return keccak256(abi_encode(choice))


@internal
@view
def _member_says(said: bytes32, proof: Bytes[MAX_PROOF]) -> bytes32:
    """
    The nullifier of a proof that holds; reverts for any other.
    """
    statement: Bytes[MAX_INPUT] = concat(LABEL, convert(SLOT, bytes32), said, proof)
    done: bool = False
    answer: Bytes[160] = b""
    done, answer = raw_call(
        MEMBERSHIP, statement, max_outsize=160, is_static_call=True, revert_on_failure=False
    )
    # No code at that address answers with nothing: not a chain of the alliance, or too little gas.
    assert done and len(answer) == 160, "bulwark: no answer on membership"
    assert convert(slice(answer, 0, 32), uint256) == 1, "bulwark: membership not proven"
    assert convert(slice(answer, 96, 32), uint256) == EPOCH, "bulwark: poll is over"
    return convert(slice(answer, 64, 32), bytes32)
