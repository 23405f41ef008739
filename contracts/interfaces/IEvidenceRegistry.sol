// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Proof that a validator broke the consensus protocol, kept for every member to see.
interface IEvidenceRegistry {
    struct Case {
        bytes32 culprit;
        address reporter;
        uint64 block_number;
        bool verified;
    }

    event DoubleVoteProven(
        bytes32 indexed culprit,
        address indexed node,
        address indexed reporter,
        bytes32 case_id,
        bytes32 genesis_hash,
        uint64 epoch,
        uint8 kind,
        uint64 view_number,
        uint64 height,
        bytes32 first,
        bytes32 second,
        bytes first_signature,
        bytes second_signature
    );
    event EvidenceFiled(
        bytes32 indexed culprit,
        address indexed reporter,
        bytes32 indexed case_id,
        uint8 kind,
        bytes data
    );

    function submit_double_vote(
        bytes32 culprit,
        bytes32 genesis_hash,
        uint64 epoch,
        uint8 kind,
        uint64 view_number,
        uint64 height,
        bytes32 first,
        bytes32 second,
        bytes calldata first_signature,
        bytes calldata second_signature
    ) external;

    function submit_unverified(bytes32 culprit, uint8 kind, bytes calldata data) external;

    function case(bytes32 case_id) external view returns (Case memory);

    function subject_of(
        bytes32 culprit,
        bytes32 genesis_hash,
        uint64 epoch,
        uint8 kind,
        uint64 view_number,
        uint64 height
    ) external view returns (bytes32);

    function members() external view returns (address);
}
