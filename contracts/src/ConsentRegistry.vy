# pragma version 0.4.3
# pragma evm-version prague
"""
@title ConsentRegistry
@license Apache-2.0
@notice Anchors that a consent receipt exists, its renewals, and whether it was withdrawn.
        Rules: only a salted commitment, a random id and codes enter here, nothing of the person;
        none -> given -> withdrawn, never back; a renewal brings another receipt and another last
        day, and comes no later than the last day before; only the issuer's member renews and
        withdraws.
@dev The issuer is compared by member, not by address: a member that changed its account must
     still be able to withdraw what it issued before.
"""

interface Members:
    def has_role(account: address, role: uint256) -> bool: view
    def owner_of_account(account: address) -> bytes32: view

event ConsentAnchored:
    issuer: indexed(address)
    anchor_id: indexed(bytes32)
    commitment: bytes32
    event_kind: uint8
    purpose: uint16
    basis: uint16
    valid_until_day: uint32

struct Consent:
    # issuer (bits 0-159) | valid_until_day (160-191) | purpose (192-207) | basis (208-223)
    # | state (224-231)
    packed: uint256
    commitment: bytes32

REPORTER: constant(uint256) = 2
GIVEN: constant(uint8) = 1
WITHDRAWN: constant(uint8) = 2
RENEWED: constant(uint8) = 3  # kind of an event; the state of a renewed consent is GIVEN
STATE_SHIFT: constant(uint256) = 224
DAY_SHIFT: constant(uint256) = 160
DAY_SECONDS: constant(uint256) = 86400
GIVE_BYTES: constant(uint256) = 164  # selector and five words
RENEW_BYTES: constant(uint256) = 100  # selector and three words
WITHDRAW_BYTES: constant(uint256) = 68  # selector and two words

MEMBERS: immutable(Members)

_consents: HashMap[bytes32, Consent]


@deploy
def __init__(members: address):
    assert members != empty(address), "bulwark: zero members"
    MEMBERS = Members(members)


@external
def give(
    anchor_id: bytes32, commitment: bytes32, purpose: uint16, basis: uint16, valid_until_day: uint32
):
    """
    @notice Anchors a new receipt.
    @param anchor_id Random id chosen by the issuer, not zero, never used before.
    @param commitment SHA-256 commitment to the salted receipt, not zero.
    @param purpose Purpose code of the policy.
    @param basis Lawful-basis code of the policy.
    @param valid_until_day Last day of validity, days since 1970-01-01; 0 for no fixed end.
    """
    self._check_caller(GIVE_BYTES)
    assert anchor_id != empty(bytes32), "bulwark: zero anchor id"
    assert commitment != empty(bytes32), "bulwark: zero commitment"
    assert self._consents[anchor_id].packed == 0, "bulwark: anchor id taken"
    self._consents[anchor_id] = Consent(
        packed=(
            convert(msg.sender, uint256)
            | (convert(valid_until_day, uint256) << DAY_SHIFT)
            | (convert(purpose, uint256) << 192)
            | (convert(basis, uint256) << 208)
            | (convert(GIVEN, uint256) << STATE_SHIFT)
        ),
        commitment=commitment,
    )
    log ConsentAnchored(
        issuer=msg.sender,
        anchor_id=anchor_id,
        commitment=commitment,
        event_kind=GIVEN,
        purpose=purpose,
        basis=basis,
        valid_until_day=valid_until_day,
    )


@external
def renew(anchor_id: bytes32, commitment: bytes32, valid_until_day: uint32):
    """
    @notice Replaces the receipt of a given consent and its last day. Purpose and basis stay: who
            consents to something else gives another consent.
    @param commitment SHA-256 commitment to the new salted receipt, not zero.
    @param valid_until_day Last day of validity, days since 1970-01-01; 0 for no fixed end.
    """
    self._check_caller(RENEW_BYTES)
    assert commitment != empty(bytes32), "bulwark: zero commitment"
    packed: uint256 = self._packed_of_own(anchor_id)
    last: uint32 = self._valid_until_day(packed)
    if last != 0:
        assert block.timestamp // DAY_SECONDS <= convert(last, uint256), "bulwark: expired"
    self._consents[anchor_id].packed = (
        packed ^ (convert(last ^ valid_until_day, uint256) << DAY_SHIFT)
    )
    self._consents[anchor_id].commitment = commitment
    log ConsentAnchored(
        issuer=self._issuer(packed),
        anchor_id=anchor_id,
        commitment=commitment,
        event_kind=RENEWED,
        purpose=self._code(packed, 192),
        basis=self._code(packed, 208),
        valid_until_day=valid_until_day,
    )


@external
def withdraw(anchor_id: bytes32, reason: uint16):
    """
    @notice Withdraws a given consent; the event repeats the receipt's data and carries the
            reason code in the basis field.
    """
    self._check_caller(WITHDRAW_BYTES)
    packed: uint256 = self._packed_of_own(anchor_id)
    self._consents[anchor_id].packed = packed ^ (
        convert(GIVEN ^ WITHDRAWN, uint256) << STATE_SHIFT
    )
    log ConsentAnchored(
        issuer=self._issuer(packed),
        anchor_id=anchor_id,
        commitment=self._consents[anchor_id].commitment,
        event_kind=WITHDRAWN,
        purpose=self._code(packed, 192),
        basis=reason,
        valid_until_day=self._valid_until_day(packed),
    )


@external
@view
def status(anchor_id: bytes32) -> (uint8, address, bytes32, uint32):
    """
    @notice State (0 none, 1 given, 2 withdrawn), issuer, commitment, last day of validity.
    """
    packed: uint256 = self._consents[anchor_id].packed
    return (
        convert(packed >> STATE_SHIFT, uint8),
        self._issuer(packed),
        self._consents[anchor_id].commitment,
        self._valid_until_day(packed),
    )


@external
@view
def members() -> address:
    return MEMBERS.address


@internal
@view
def _check_caller(call_bytes: uint256):
    assert msg.sender == tx.origin and msg.sender.codesize == 0, "bulwark: not an account"
    assert len(msg.data) == call_bytes, "bulwark: calldata length"
    assert staticcall MEMBERS.has_role(msg.sender, REPORTER), "bulwark: not a reporter"


@internal
@view
def _packed_of_own(anchor_id: bytes32) -> uint256:
    """
    @notice A consent that is given and that the caller's member issued.
    """
    packed: uint256 = self._consents[anchor_id].packed
    assert packed != 0, "bulwark: unknown anchor id"
    issuer: address = self._issuer(packed)
    if issuer != msg.sender:
        owner: bytes32 = staticcall MEMBERS.owner_of_account(issuer)
        caller: bytes32 = staticcall MEMBERS.owner_of_account(msg.sender)
        assert owner == caller, "bulwark: not the issuer"
    assert packed >> STATE_SHIFT == convert(GIVEN, uint256), "bulwark: already withdrawn"
    return packed


@internal
@pure
def _code(packed: uint256, first_bit: uint256) -> uint16:
    return convert((packed >> first_bit) & convert(max_value(uint16), uint256), uint16)


@internal
@pure
def _issuer(packed: uint256) -> address:
    return convert(packed & convert(max_value(uint160), uint256), address)


@internal
@pure
def _valid_until_day(packed: uint256) -> uint32:
    return convert((packed >> DAY_SHIFT) & convert(max_value(uint32), uint256), uint32)
