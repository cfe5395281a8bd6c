// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Merkle} from "../Merkle.sol";

/// @title MerkleHarness
/// @notice Shows the library's internal functions to tests, which compare them with Python's. Never deployed otherwise.
contract MerkleHarness {
    /// @notice See Merkle.
    function inclusion(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        external
        pure
        returns (bool)
    {
        return Merkle.verifyInclusion(leaf, index, size, proof, root);
    }

    /// @notice See Merkle.
    function consistency(uint256 oldSize, uint256 newSize, bytes32 oldRoot, bytes32 newRoot, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Merkle.verifyConsistency(oldSize, newSize, oldRoot, newRoot, proof);
    }

    /// @notice See Merkle.
    function leafHash(bytes calldata data) external pure returns (bytes32) {
        return Merkle.leafHash(data);
    }
}
