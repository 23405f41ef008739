// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// The keys that members sign guarded questions with, and that shares are sealed to.
interface IPrivacyKeys {
    struct Keys {
        bytes32 ring_key;
        bytes32 sealing_key;
        uint256 since;
    }

    struct RegulatorKey {
        bytes32 key;
        bytes32 holder;
        uint256 since;
    }

    event KeysRegistered(
        bytes32 indexed id, bytes32 indexed ring_key, bytes32 sealing_key, uint256 since
    );
    event RegulatorKeyRegistered(bytes32 indexed holder, bytes32 indexed key, uint256 since);

    function register(bytes32 ring_key, bytes32[2] calldata possession, bytes32 sealing_key)
        external;

    function register_regulator(bytes32 key, bytes32[2] calldata possession) external;

    function keys_at(bytes32 id, uint256 epoch) external view returns (Keys memory);

    function regulator_key_at(uint256 epoch) external view returns (RegulatorKey memory);

    function owner_of_ring_key(bytes32 ring_key) external view returns (bytes32);

    function epoch() external view returns (uint256);

    function epoch_seconds() external view returns (uint256);

    function members() external view returns (address);
}
