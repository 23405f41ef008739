// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What evaluators served, and how long each member's own access log is.
interface IQueryLog {
    event StatementsAnchored(
        bytes32 indexed id, bytes32 indexed root, uint64 epoch, uint32 interval, uint32 count
    );
    event AccessAnchored(
        bytes32 indexed id, bytes32 indexed root, uint64 sequence, uint64 count
    );

    function anchor(uint64 epoch, uint32 interval, uint32 count, bytes32 root) external;

    function anchor_access(uint64 sequence, uint64 count, bytes32 root) external;

    function anchored(bytes32 id, bytes32 root)
        external
        view
        returns (uint64, uint32, uint32, uint64);

    function last(bytes32 id) external view returns (uint64, uint32, uint32, uint64);

    function access(bytes32 id) external view returns (uint64, uint64, uint64, bytes32);

    function members() external view returns (address);
}
