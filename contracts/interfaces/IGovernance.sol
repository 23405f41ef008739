// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// The alliance changes itself by vote of its validators: its members and protocol parameters.
interface IGovernance {
    /// action is calldata of the member registry, of the policy registry's adopt or withdraw, or of
    /// set_parameter(bytes32,uint256), suspend_member(bytes32,bytes32), reinstate(bytes32); ids
    /// count from 1.
    event ProposalMade(
        uint256 indexed id,
        address indexed proposer,
        uint256 expires,
        bytes action
    );
    event Approved(
        uint256 indexed id,
        address indexed voter,
        uint256 approvals,
        uint256 needed
    );
    event ApprovalWithdrawn(uint256 indexed id, address indexed voter, uint256 approvals);
    event ProposalWithdrawn(uint256 indexed id);
    event Executed(uint256 indexed id, uint256 approvals);
    /// failure is the revert data of the action; the proposal stays open.
    event ExecutionFailed(uint256 indexed id, bytes failure);
    /// previous is 0 for a parameter that had no value.
    event ParameterChanged(bytes32 indexed name, uint256 previous, uint256 value);

    /// taken: roles that were taken (1 validator, 2 reporter) and come back with a reinstatement.
    event MemberSuspended(bytes32 indexed id, bytes32 indexed evidence, uint256 taken);
    event MemberReinstated(bytes32 indexed id, uint256 given);

    /// expires is the block time in seconds at which the proposal lapses, at most 90 days ahead.
    function propose(bytes calldata action, uint256 expires) external returns (uint256);

    /// Carries the action out once ceil(2/3) of the voters approve.
    function approve(uint256 id) external;

    function withdraw(uint256 id) external;

    function proposal_count() external view returns (uint256);

    /// Proposer, end (block time in seconds), state (0 none, 1 open, 2 executed, 3 withdrawn,
    /// 4 lapsed), action, revert data of the last try to carry it out.
    function proposal(uint256 id)
        external
        view
        returns (address, uint256, uint256, bytes memory, bytes memory);

    /// Accounts whose approvals count now.
    function approvals(uint256 id) external view returns (address[] memory voters);

    /// Approvals that carry a proposal out now.
    function needed() external view returns (uint256);

    /// Open proposals among the 256 ids from first on.
    function open_ids(uint256 first) external view returns (uint256[] memory ids);

    /// As it was set last, 0 for a parameter that is not set: then genesis says.
    function parameter(bytes32 name) external view returns (uint256);

    /// Value of a quota in force in a quota epoch, the running or the next one; 0 if not set.
    function quota_at(bytes32 name, uint256 epoch) external view returns (uint256);

    /// Roles that a suspended member gets back, 0 if it is not suspended, and the case.
    function suspension(bytes32 id) external view returns (uint256 taken, bytes32 evidence);

    /// Newest proposal to suspend for a case, and the block in which somebody was; 0 for none.
    function case_status(bytes32 evidence)
        external
        view
        returns (uint256 proposal, uint256 judged);

    function bounds(bytes32 name) external view returns (uint256 least, uint256 most);

    function members() external view returns (address);
}
