// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Merkle
/// @notice The verifiers of RFC 9162 §2.1.3.2 and §2.1.4.2 over Keccak-256. Leaves hash behind 0x00 and nodes behind
/// 0x01, so that neither passes for the other; every node of a proof must be consumed.
/// @dev `tallystick.core.merkle` is the same in Python; tests compare the two on random trees.
library Merkle {
    /// @dev Nodes: enough for 2^64 leaves, and a bound for the loops.
    uint256 internal constant MAX_PROOF = 64;

    /// @dev Leaves; sizes are 64-bit numbers wherever they are kept.
    uint256 internal constant MAX_SIZE = type(uint64).max;

    /// @dev keccak256(""): the root of the empty tree.
    bytes32 internal constant EMPTY_ROOT = 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470;

    /// @notice `keccak256(0x00 ‖ data)`.
    function leafHash(bytes memory data) internal pure returns (bytes32) {
        return keccak256(bytes.concat(bytes1(0x00), data));
    }

    /// @notice `keccak256(0x01 ‖ left ‖ right)`.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(bytes.concat(bytes1(0x01), left, right));
    }

    /// @notice Whether `leaf` stands at `index` in the tree of `size` leaves with that root.
    /// @dev `first` and `last` are the numbers of the node so far, and of the last node, on their level. Where they
    /// differ, each level has a sibling, on the side that the lowest bit tells. From where they are the same the node is
    /// the last of its level: only where its number is odd is there a sibling, to the left, so each bit still set
    /// stands for one. The sizes alone say how many siblings are read: at most 64, which have to be all that there are.
    function verifyInclusion(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        internal
        pure
        returns (bool)
    {
        if (index >= size || size > MAX_SIZE || proof.length > MAX_PROOF) return false;
        uint256 used;
        assembly ("memory-safe") {
            // A node is hashed in place, behind its 0x01: no copies, which would cost more than the hashing.
            let free := mload(0x40)
            mstore8(free, 0x01)
            let left := add(free, 0x01)
            let right := add(free, 0x21)
            let next := proof.offset
            let first := index
            for { let last := sub(size, 1) } xor(first, last) { last := shr(1, last) } {
                switch and(first, 1)
                case 0 {
                    mstore(left, leaf)
                    mstore(right, calldataload(next))
                }
                default {
                    mstore(left, calldataload(next))
                    mstore(right, leaf)
                }
                leaf := keccak256(free, 0x41)
                next := add(next, 0x20)
                first := shr(1, first)
            }
            for {} first { first := and(first, sub(first, 1)) } {
                mstore(left, calldataload(next))
                mstore(right, leaf)
                leaf := keccak256(free, 0x41)
                next := add(next, 0x20)
            }
            used := shr(5, sub(next, proof.offset))
        }
        return used == proof.length && leaf == root;
    }

    /// @notice Whether the tree of `oldSize` leaves with `oldRoot` is a prefix of that of `newSize` with `newRoot`.
    /// @dev The proof climbs, as above, from the largest perfect subtree at the old tree's right edge, whose root is its
    /// first node; siblings to the left belong to both trees, siblings to the right to the new one only.
    function verifyConsistency(
        uint256 oldSize,
        uint256 newSize,
        bytes32 oldRoot,
        bytes32 newRoot,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        if (oldSize > newSize || newSize > MAX_SIZE || proof.length > MAX_PROOF) return false;
        if (oldSize == 0) return proof.length == 0 && oldRoot == EMPTY_ROOT;
        if (oldSize == newSize) return proof.length == 0 && oldRoot == newRoot;
        (bytes32 older, bytes32 newer, uint256 used) = (oldRoot, oldRoot, 0);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x01)
            let left := add(free, 0x01)
            let right := add(free, 0x21)
            let next := proof.offset
            let first := sub(oldSize, 1)
            let last := sub(newSize, 1)
            for {} and(first, 1) { first := shr(1, first) } { last := shr(1, last) }
            // Zero for a perfect old tree: that is a node of the new one, so the proof leaves its root out.
            if first {
                older := calldataload(next)
                newer := older
                next := add(next, 0x20)
            }
            for {} xor(first, last) { last := shr(1, last) } {
                let sibling := calldataload(next)
                switch and(first, 1)
                case 0 {
                    mstore(left, newer)
                    mstore(right, sibling)
                }
                default {
                    mstore(left, sibling)
                    mstore(right, older)
                    older := keccak256(free, 0x41)
                    mstore(right, newer)
                }
                newer := keccak256(free, 0x41)
                next := add(next, 0x20)
                first := shr(1, first)
            }
            for {} first { first := and(first, sub(first, 1)) } {
                mstore(left, calldataload(next))
                mstore(right, older)
                older := keccak256(free, 0x41)
                mstore(right, newer)
                newer := keccak256(free, 0x41)
                next := add(next, 0x20)
            }
            used := shr(5, sub(next, proof.offset))
        }
        return used == proof.length && older == oldRoot && newer == newRoot;
    }
}
