// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Merkle
/// @notice The verifiers of RFC 9162 §2.1.3.2 and §2.1.4.2 over Keccak-256. Leaves hash behind 0x00 and nodes behind
/// 0x01, so that neither passes for the other; every node of a proof must be consumed.
/// @dev `tallystick.core.merkle` is the same in Python; tests compare the two on random trees.
library Merkle {
    /// @dev Nodes: enough for 2^64 leaves, and a bound for the loops.
    uint256 internal constant MAX_PROOF = 64;

    /// @dev keccak256(""): the root of the empty tree.
    bytes32 internal constant EMPTY_ROOT = 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470;

    /// @notice `keccak256(0x00 ‖ data)`.
    function leafHash(bytes memory data) internal pure returns (bytes32) {
        return keccak256(bytes.concat(bytes1(0x00), data));
    }

    /// @notice `keccak256(0x01 ‖ left ‖ right)`.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        // In place at the free memory pointer: a proof of n nodes then leaves no n copies behind.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x01)
            mstore(add(free, 0x01), left)
            mstore(add(free, 0x21), right)
            hash := keccak256(free, 0x41)
        }
    }

    /// @notice Whether `leaf` stands at `index` in the tree of `size` leaves with that root.
    function verifyInclusion(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        internal
        pure
        returns (bool)
    {
        if (index >= size || proof.length > MAX_PROOF) return false;
        uint256 first = index;
        uint256 second = size - 1;
        bytes32 node = leaf;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (second == 0) return false;
            if (first & 1 == 1 || first == second) {
                node = nodeHash(proof[i], node);
                while (first & 1 == 0 && first != 0) {
                    first >>= 1;
                    second >>= 1;
                }
            } else {
                node = nodeHash(node, proof[i]);
            }
            first >>= 1;
            second >>= 1;
        }
        return second == 0 && node == root;
    }

    /// @notice Whether the tree of `oldSize` leaves with `oldRoot` is a prefix of that of `newSize` with `newRoot`.
    function verifyConsistency(
        uint256 oldSize,
        uint256 newSize,
        bytes32 oldRoot,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        if (oldSize > newSize || proof.length > MAX_PROOF) return false;
        if (oldSize == 0) return proof.length == 0 && oldRoot == EMPTY_ROOT;
        if (oldSize == newSize) return proof.length == 0 && oldRoot == newRoot;
        // A perfect old tree is a node of the new one, so the proof leaves its root out.
        bool perfect = oldSize & (oldSize - 1) == 0;
        if (!perfect && proof.length == 0) return false;
        bytes32 left = perfect ? oldRoot : proof[0];
        bytes32 right = left;
        uint256 first = oldSize - 1;
        uint256 second = newSize - 1;
        while (first & 1 == 1) {
            first >>= 1;
            second >>= 1;
        }
        for (uint256 i = perfect ? 0 : 1; i < proof.length; ++i) {
            if (second == 0) return false;
            if (first & 1 == 1 || first == second) {
                left = nodeHash(proof[i], left);
                right = nodeHash(proof[i], right);
                while (first & 1 == 0 && first != 0) {
                    first >>= 1;
                    second >>= 1;
                }
            } else {
                right = nodeHash(right, proof[i]);
            }
            first >>= 1;
            second >>= 1;
        }
        return second == 0 && left == oldRoot && right == newRoot;
    }
}
