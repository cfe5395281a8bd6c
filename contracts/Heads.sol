// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Signatures} from "./Signatures.sol";

/// @title Heads
/// @notice What organisations sign for `ExecutionLedger` (EIP-712), bound to one chain and one ledger.
library Heads {
    /// @notice That the tree of `newSize` leaves with `root` extends the tree of `oldSize`, in one epoch of one log.
    struct Head {
        bytes32 org;
        uint64 epoch;
        uint64 oldSize;
        uint64 newSize;
        bytes32 root;
    }

    bytes32 private constant HEAD_TYPE =
        keccak256("Head(bytes32 org,uint64 epoch,uint64 oldSize,uint64 newSize,bytes32 root)");
    bytes32 private constant COMPLETION_TYPE =
        keccak256("ExecutionCompletion(bytes32 start,bytes32 resultHash,uint8 status)");
    bytes32 private constant NAME = keccak256("Tallystick ExecutionLedger");

    /// @notice The digest of a head of an organisation's log.
    function digest(Head calldata head) internal view returns (bytes32) {
        return digest(head.org, head.epoch, head.oldSize, head.newSize, head.root);
    }

    /// @notice The same, from the fields of `Head`.
    function digest(bytes32 org, uint64 epoch, uint64 oldSize, uint64 newSize, bytes32 root)
        internal
        view
        returns (bytes32)
    {
        return Signatures.digest(NAME, keccak256(abi.encode(HEAD_TYPE, org, epoch, oldSize, newSize, root)));
    }

    /// @notice The digest of how an execution ended; `start` is the commitment that its word holds while it runs.
    function completionDigest(bytes32 start, bytes32 resultHash, uint8 status) internal view returns (bytes32) {
        return Signatures.digest(NAME, keccak256(abi.encode(COMPLETION_TYPE, start, resultHash, status)));
    }
}
