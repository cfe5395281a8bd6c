// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title StoredExecutions
/// @notice For `tally bench ledger` only: each execution's facts in storage of its own, as a contract a workflow keeps them.
contract StoredExecutions {
    struct Execution {
        bytes32 workflowHash;
        bytes32 resultHash;
        address starter;
        uint64 startedAt;
        uint8 status;
        uint64 completedAt;
    }

    mapping(bytes32 execution => Execution) private _executions;

    event Started(bytes32 indexed execution, bytes32 indexed workflowHash);
    event Completed(bytes32 indexed execution, bytes32 resultHash, uint8 status);

    error StoredExecutionsOutOfOrder(bytes32 execution);

    /// @notice Stores a start.
    function start(bytes32 execution, bytes32 workflowHash) external {
        Execution storage one = _executions[execution];
        if (one.startedAt != 0) revert StoredExecutionsOutOfOrder(execution);
        (one.workflowHash, one.starter, one.startedAt) = (workflowHash, msg.sender, uint64(block.timestamp));
        emit Started(execution, workflowHash);
    }

    /// @notice Stores an end.
    function complete(bytes32 execution, bytes32 resultHash, uint8 status) external {
        Execution storage one = _executions[execution];
        if (one.starter != msg.sender || one.completedAt != 0) revert StoredExecutionsOutOfOrder(execution);
        (one.resultHash, one.status, one.completedAt) = (resultHash, status, uint64(block.timestamp));
        emit Completed(execution, resultHash, status);
    }
}
