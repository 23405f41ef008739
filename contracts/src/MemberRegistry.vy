# pragma version 0.4.3
# pragma evm-version prague
"""
@title MemberRegistry
@license Apache-2.0
@notice Who belongs to the alliance, with which keys, in which roles.
        Rules: ids, nodes and accounts are unique and never zero; an account, once bound to a
        member id, stays bound to it for ever, so that old anchors keep their author; only the
        governor changes anything; the last validator can neither be removed nor lose its role.
@dev has_role is the hot path of every anchor: one SLOAD. Lists are at most MAX_MEMBERS long and
     are walked only by governance. It knows nothing about quorums and activation heights: the
     governor does.
"""

MAX_MEMBERS: constant(uint256) = 128
VALIDATOR: constant(uint256) = 1
ALL_ROLES: constant(uint256) = 15  # 1 validator | 2 reporter | 4 regulator | 8 deployer

struct Member:
    id: bytes32
    node: address
    account: address
    roles: uint256
    oprf_key: bytes32
    tls_pin: bytes32
    next_tls_pin: bytes32

struct Entry:
    node: address
    account: address
    oprf_key: bytes32
    tls_pin: bytes32
    next_tls_pin: bytes32

event MemberAdded:
    id: indexed(bytes32)
    node: indexed(address)
    account: indexed(address)
    roles: uint256
    oprf_key: bytes32
    tls_pin: bytes32
    next_tls_pin: bytes32

event MemberRemoved:
    id: indexed(bytes32)
    node: indexed(address)
    account: indexed(address)

event KeysChanged:
    id: indexed(bytes32)
    node: indexed(address)
    account: indexed(address)
    oprf_key: bytes32

event TlsPinsChanged:
    id: indexed(bytes32)
    tls_pin: bytes32
    next_tls_pin: bytes32

event RolesChanged:
    id: indexed(bytes32)
    account: indexed(address)
    roles: uint256

event GovernorOffered:
    governor: indexed(address)
    successor: indexed(address)

event GovernorChanged:
    previous: indexed(address)
    governor: indexed(address)

governor: public(address)
successor: public(address)

_roles: HashMap[address, uint256]
_owner_of_account: HashMap[address, bytes32]
_member_of_node: HashMap[address, bytes32]
_entries: HashMap[bytes32, Entry]
_ids: DynArray[bytes32, MAX_MEMBERS]
_validators: uint256


@deploy
def __init__(governor: address, members: DynArray[Member, MAX_MEMBERS]):
    assert governor != empty(address), "bulwark: zero governor"
    self.governor = governor
    log GovernorChanged(previous=empty(address), governor=governor)
    for m: Member in members:
        self._add(m)


@external
@view
def has_role(account: address, role: uint256) -> bool:
    """
    @notice True when the account holds every bit of role; false for role 0.
    """
    return role != 0 and self._roles[account] & role == role


@external
@view
def roles_of(account: address) -> uint256:
    return self._roles[account]


@external
@view
def member_count() -> uint256:
    return len(self._ids)


@external
@view
def validator_count() -> uint256:
    return self._validators


@external
@view
def member_at(index: uint256) -> Member:
    """
    @notice Members in the order in which they joined; a removal keeps the order of the rest.
    """
    assert index < len(self._ids), "bulwark: no such index"
    return self._member(self._ids[index])


@external
@view
def member(id: bytes32) -> Member:
    self._check_known(id)
    return self._member(id)


@external
@view
def member_of_account(account: address) -> bytes32:
    """
    @notice Id of the member whose account this is now, else zero.
    """
    id: bytes32 = self._owner_of_account[account]
    if account == empty(address) or self._entries[id].account != account:
        return empty(bytes32)
    return id


@external
@view
def owner_of_account(account: address) -> bytes32:
    """
    @notice Id of the member that holds or ever held the account, else zero: authorship, not
            a permission.
    """
    return self._owner_of_account[account]


@external
def add_member(m: Member):
    self._check_governor()
    self._add(m)


@external
def remove_member(id: bytes32):
    self._check_governor()
    self._check_known(id)
    entry: Entry = self._entries[id]
    self._count_validator(self._roles[entry.account], 0)
    self._roles[entry.account] = 0
    self._member_of_node[entry.node] = empty(bytes32)
    self._entries[id] = empty(Entry)
    last: uint256 = len(self._ids) - 1
    found: bool = False
    for i: uint256 in range(MAX_MEMBERS):
        if i >= last:
            break
        if self._ids[i] == id:
            found = True
        if found:
            self._ids[i] = self._ids[i + 1]
    self._ids.pop()
    log MemberRemoved(id=id, node=entry.node, account=entry.account)


@external
def set_keys(id: bytes32, node: address, account: address, oprf_key: bytes32):
    """
    @notice Replaces the three keys at once; the roles move to the new account.
    """
    self._check_governor()
    self._check_known(id)
    roles: uint256 = self._roles[self._entries[id].account]
    self._roles[self._entries[id].account] = 0
    self._member_of_node[self._entries[id].node] = empty(bytes32)
    self._bind(id, node, account, roles)
    self._entries[id].oprf_key = oprf_key
    log KeysChanged(id=id, node=node, account=account, oprf_key=oprf_key)


@external
def set_tls_pins(id: bytes32, tls_pin: bytes32, next_tls_pin: bytes32):
    self._check_governor()
    self._check_known(id)
    self._entries[id].tls_pin = tls_pin
    self._entries[id].next_tls_pin = next_tls_pin
    log TlsPinsChanged(id=id, tls_pin=tls_pin, next_tls_pin=next_tls_pin)


@external
def set_roles(id: bytes32, roles: uint256):
    """
    @notice Zero roles suspend a member without removing it.
    """
    self._check_governor()
    self._check_known(id)
    assert roles <= ALL_ROLES, "bulwark: unknown role"
    account: address = self._entries[id].account
    self._count_validator(self._roles[account], roles)
    self._roles[account] = roles
    log RolesChanged(id=id, account=account, roles=roles)


@external
def offer_governor(successor: address):
    """
    @notice First of two steps: a mistyped successor cannot lock the registry. Zero takes back.
    """
    self._check_governor()
    self.successor = successor
    log GovernorOffered(governor=msg.sender, successor=successor)


@external
def accept_governor():
    assert msg.sender == self.successor, "bulwark: not the successor"
    previous: address = self.governor
    self.governor = msg.sender
    self.successor = empty(address)
    log GovernorChanged(previous=previous, governor=msg.sender)


@internal
@view
def _check_governor():
    assert msg.sender == self.governor, "bulwark: not the governor"


@internal
@view
def _check_known(id: bytes32):
    # A bound account is never zero, so a zero one means "no such member".
    assert self._entries[id].account != empty(address), "bulwark: unknown member"


@internal
@view
def _member(id: bytes32) -> Member:
    entry: Entry = self._entries[id]
    return Member(
        id=id,
        node=entry.node,
        account=entry.account,
        roles=self._roles[entry.account],
        oprf_key=entry.oprf_key,
        tls_pin=entry.tls_pin,
        next_tls_pin=entry.next_tls_pin,
    )


@internal
def _add(m: Member):
    assert m.id != empty(bytes32), "bulwark: zero id"
    assert self._entries[m.id].account == empty(address), "bulwark: id taken"
    assert m.roles <= ALL_ROLES, "bulwark: unknown role"
    assert len(self._ids) < MAX_MEMBERS, "bulwark: too many members"
    self._bind(m.id, m.node, m.account, m.roles)
    self._count_validator(0, m.roles)
    self._entries[m.id].oprf_key = m.oprf_key
    self._entries[m.id].tls_pin = m.tls_pin
    self._entries[m.id].next_tls_pin = m.next_tls_pin
    self._ids.append(m.id)
    log MemberAdded(
        id=m.id,
        node=m.node,
        account=m.account,
        roles=m.roles,
        oprf_key=m.oprf_key,
        tls_pin=m.tls_pin,
        next_tls_pin=m.next_tls_pin,
    )


@internal
def _count_validator(before: uint256, after: uint256):
    # Nobody could order a block or vote for a member any more: not to be undone.
    if before & VALIDATOR > after & VALIDATOR:
        assert self._validators > 1, "bulwark: last validator"
        self._validators -= 1
    elif before & VALIDATOR < after & VALIDATOR:
        self._validators += 1


@internal
def _bind(id: bytes32, node: address, account: address, roles: uint256):
    assert node != empty(address), "bulwark: zero node"
    assert account != empty(address), "bulwark: zero account"
    assert self._member_of_node[node] == empty(bytes32), "bulwark: node taken"
    owner: bytes32 = self._owner_of_account[account]
    assert owner == empty(bytes32) or owner == id, "bulwark: account taken"
    self._member_of_node[node] = id
    self._owner_of_account[account] = id
    self._entries[id].node = node
    self._entries[id].account = account
    self._roles[account] = roles
