// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Policies under which records are shared: documents by hash, adopted and withdrawn by vote.
interface IPolicyRegistry {
    /// id is the SHA-256 of document; publisher is a member id, zero for one of genesis.
    event PolicyPublished(bytes32 indexed id, bytes32 indexed publisher, bytes document);
    /// In force for anchors of later blocks.
    event PolicyAdopted(bytes32 indexed id);
    /// In force no more for anchors of later blocks.
    event PolicyWithdrawn(bytes32 indexed id);

    /// By any member, 1 to 8192 bytes.
    function publish(bytes calldata document) external returns (bytes32 id);

    /// Only by the governor.
    function adopt(bytes32 id) external;

    /// Only by the governor, never the default policy.
    function withdraw(bytes32 id) external;

    /// State (0 unknown, 1 published, 2 adopted, 3 withdrawn), blocks since and until which it is
    /// adopted (0 for none), member that published it.
    function standing(bytes32 id)
        external
        view
        returns (uint256 state, uint256 since, uint256 until, bytes32 publisher);

    /// Empty for an unknown id.
    function document(bytes32 id) external view returns (bytes memory);

    /// In the order of publication, from 0; zero beyond the last.
    function id_at(uint256 index) external view returns (bytes32);

    function policy_count() external view returns (uint256);

    /// The policy that the zero id stands for, zero where genesis has none.
    function default_id() external view returns (bytes32);

    function members() external view returns (address);

    function governor() external view returns (address);
}
