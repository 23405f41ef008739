// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Anchors Merkle roots of fraud-record batches: once each, by reporters and regulators,
/// no personal data.
interface IRecordRegistry {
    event RecordsAnchored(
        address indexed reporter,
        bytes32 indexed root,
        uint32 count,
        uint16 schema,
        bytes32 policy
    );

    /// Caller must be the transaction's signer with the role reporter or regulator;
    /// count is 1 to 2000.
    function anchor(bytes32 root, uint32 count, uint16 schema, bytes32 policy) external;

    /// All zero when the root was never anchored.
    function anchored(bytes32 root)
        external
        view
        returns (address reporter, uint32 count, uint64 blockNumber);

    function members() external view returns (address);
}
