// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// The public record by which the validators make, refresh and hand on a shared key.
interface IKeyCeremony {
    event SessionOpened(
        bytes32 indexed session,
        uint256 indexed purpose,
        uint256 indexed kind,
        uint256 number,
        uint256 key_id,
        uint256 share_epoch,
        uint256 threshold,
        uint256 deadline,
        bytes32 previous,
        bytes32[] holders,
        bytes32[] sealing_keys,
        bytes32[] leaving
    );
    event Posted(
        bytes32 indexed session, uint256 indexed phase, uint256 indexed index, bytes data
    );
    event PhaseClosed(
        bytes32 indexed session, uint256 indexed phase, uint256 posts, uint256 deadline
    );
    event Confirmed(bytes32 indexed session, uint256 indexed index, bytes32 result_hash);
    event FailureNamed(
        bytes32 indexed session, uint256 indexed index, bytes32 reason, uint256 count
    );
    event SharingActivated(
        uint256 indexed purpose,
        bytes32 indexed session,
        bytes32 result_hash,
        uint256 key_id,
        uint256 share_epoch,
        uint256 confirmations
    );
    event SharingPublished(
        uint256 indexed purpose, bytes32 indexed session, bytes32 public_key
    );
    event SessionFailed(bytes32 indexed session, uint256 indexed phase, bytes32 reason);

    function open(uint256 purpose, uint256 kind) external returns (bytes32);

    function post(bytes32 session, uint256 phase, uint256 index, bytes calldata data) external;

    function confirm(bytes32 session, uint256 index, bytes32 result_hash) external;

    function fail(bytes32 session, uint256 index, bytes32 reason) external;

    function advance(bytes32 session) external;

    function publish(uint256 purpose, bytes calldata data) external;

    function published(uint256 purpose) external view returns (bytes32, bytes32, bytes memory);

    function due(uint256 purpose) external view returns (uint256);

    function open_session(uint256 purpose) external view returns (bytes32);

    function session(bytes32 id) external view returns (uint256, uint256, bytes32, bytes32);

    function holders(bytes32 session_id) external view returns (bytes32[] memory);

    function leaving(bytes32 session_id) external view returns (bytes32[] memory);

    function sharing(uint256 purpose) external view returns (bytes32, bytes32, uint256);

    function post_hash(bytes32 session_id, uint256 phase, uint256 index)
        external
        view
        returns (bytes32);

    function confirmations(bytes32 session_id, bytes32 result_hash)
        external
        view
        returns (uint256);

    function session_count() external view returns (uint256);
}
