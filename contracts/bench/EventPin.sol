// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title EventPin
/// @notice For `tally bench ledger` only: pins a batch by an event of FireFly's shape (author, time, batch id, batch hash,
/// payload reference, one context a message). Nothing is stored or checked: who wants to know reads the events.
contract EventPin {
    event BatchPin(
        address author,
        uint256 timestamp,
        string action,
        bytes32 uuids,
        bytes32 batchHash,
        string payloadRef,
        bytes32[] contexts
    );

    /// @notice Pins a batch.
    function pinBatch(bytes32 uuids, bytes32 batchHash, string calldata payloadRef, bytes32[] calldata contexts)
        external
    {
        emit BatchPin(msg.sender, block.timestamp, "", uuids, batchHash, payloadRef, contexts);
    }
}
