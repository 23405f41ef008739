// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Who belongs to the alliance, with which keys, in which roles. Only the governor changes it.
/// The last validator can neither be removed nor lose its role.
interface IMemberRegistry {
    /// roles: 1 validator | 2 reporter | 4 regulator | 8 deployer.
    struct Member {
        bytes32 id;
        address node;
        address account;
        uint256 roles;
        bytes32 oprfKey;
        bytes32 tlsPin;
        bytes32 nextTlsPin;
    }

    event MemberAdded(
        bytes32 indexed id,
        address indexed node,
        address indexed account,
        uint256 roles,
        bytes32 oprfKey,
        bytes32 tlsPin,
        bytes32 nextTlsPin
    );
    event MemberRemoved(bytes32 indexed id, address indexed node, address indexed account);
    event KeysChanged(
        bytes32 indexed id,
        address indexed node,
        address indexed account,
        bytes32 oprfKey
    );
    event TlsPinsChanged(bytes32 indexed id, bytes32 tlsPin, bytes32 nextTlsPin);
    event RolesChanged(bytes32 indexed id, address indexed account, uint256 roles);
    event GovernorOffered(address indexed governor, address indexed successor);
    event GovernorChanged(address indexed previous, address indexed governor);

    function governor() external view returns (address);

    function successor() external view returns (address);

    /// True when the account holds every bit of role; false for role 0.
    function has_role(address account, uint256 role) external view returns (bool);

    function roles_of(address account) external view returns (uint256);

    function member_count() external view returns (uint256);

    function validator_count() external view returns (uint256);

    function member_at(uint256 index) external view returns (Member memory);

    function member(bytes32 id) external view returns (Member memory);

    /// Member that holds the account now, else zero.
    function member_of_account(address account) external view returns (bytes32);

    /// Member that holds or ever held the account, else zero: authorship, not a permission.
    function owner_of_account(address account) external view returns (bytes32);

    function add_member(Member calldata m) external;

    function remove_member(bytes32 id) external;

    function set_keys(bytes32 id, address node, address account, bytes32 oprfKey) external;

    function set_tls_pins(bytes32 id, bytes32 tlsPin, bytes32 nextTlsPin) external;

    function set_roles(bytes32 id, uint256 roles) external;

    function offer_governor(address next) external;

    function accept_governor() external;
}
