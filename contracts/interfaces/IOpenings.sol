// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Cases in which the alliance tells the regulator who asked.
interface IOpenings {
    struct Case {
        uint256 packed;
        bytes32 regulator;
        bytes32 evaluator;
        bytes32 statement_hash;
        bytes32 nullifier;
        bytes32 e1;
        bytes32 e2;
        bytes32 basis_hash;
        bytes32 result_hash;
        bytes32 session;
    }

    event CaseOpened(
        bytes32 indexed case_id,
        bytes32 indexed regulator,
        bytes32 indexed statement_hash,
        bytes32 evaluator,
        bytes32 nullifier,
        bytes32 e1,
        bytes32 e2,
        bytes32 basis_hash,
        uint256 needed,
        uint256 deadline
    );
    event Voted(
        bytes32 indexed case_id,
        bytes32 indexed id,
        bool approve,
        uint256 approvals,
        uint256 rejections
    );
    event CaseApproved(bytes32 indexed case_id, uint256 deadline);
    event CaseRefused(bytes32 indexed case_id);
    event PartialPosted(
        bytes32 indexed case_id,
        bytes32 indexed id,
        bytes32 indexed session,
        bytes32 commitment,
        bytes sealed_part
    );
    event CaseClosed(bytes32 indexed case_id, bytes32 indexed regulator, bytes32 result_hash);

    function open_case(
        bytes32 case_id,
        bytes32 statement_hash,
        bytes32 nullifier,
        bytes32 e1,
        bytes32 e2,
        bytes32 basis_hash,
        bytes32 evaluator,
        uint256 lefts,
        bytes32[] calldata siblings
    ) external;

    function vote(bytes32 case_id, bool approve) external;

    function post_partial(
        bytes32 case_id,
        bytes calldata sealed_part,
        bytes32 commitment,
        bytes32 session
    ) external;

    function close_case(bytes32 case_id, bytes32 result_hash) external;

    function case_of(bytes32 case_id) external view returns (Case memory);

    function state(bytes32 case_id) external view returns (uint256);

    function vote_of(bytes32 case_id, bytes32 id) external view returns (uint256);

    function partial_of(bytes32 case_id, bytes32 id) external view returns (bytes32, bytes32);
}
