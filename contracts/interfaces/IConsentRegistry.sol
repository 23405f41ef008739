// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// Anchors that a consent receipt exists, its renewals, its withdrawal; no personal data.
interface IConsentRegistry {
    /// eventKind 1 given, 2 withdrawn, 3 renewed; a withdrawal carries its reason code in basis.
    event ConsentAnchored(
        address indexed issuer,
        bytes32 indexed anchorId,
        bytes32 commitment,
        uint8 eventKind,
        uint16 purpose,
        uint16 basis,
        uint32 validUntilDay
    );

    /// validUntilDay counts days since 1970-01-01, 0 for no fixed end.
    function give(
        bytes32 anchorId,
        bytes32 commitment,
        uint16 purpose,
        uint16 basis,
        uint32 validUntilDay
    ) external;

    /// Another receipt and last day; purpose and basis stay. Not after the last day before.
    function renew(bytes32 anchorId, bytes32 commitment, uint32 validUntilDay) external;

    function withdraw(bytes32 anchorId, uint16 reason) external;

    /// state 0 none, 1 given, 2 withdrawn.
    function status(bytes32 anchorId)
        external
        view
        returns (uint8 state, address issuer, bytes32 commitment, uint32 validUntilDay);

    function members() external view returns (address);
}
