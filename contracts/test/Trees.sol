// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Trees
/// @notice Builds RFC 9162 roots and proofs the plain way, by the recursive definitions of §2.1.1, §2.1.3.1 and §2.1.4.1.
/// Shares no line with `Merkle`, which checks them.
/// @dev A tree is `(seed, size)`: leaf i is the 416 bytes of `leaf(org, seed, i)`. Perfect subtrees that hold neither an
/// edge nor a leaf of interest may be made up, so that a proof in a tree of a million leaves needs no million hashes.
library Trees {
    struct Tree {
        bytes32 org;
        uint256 seed;
        /// Subtrees without `edge` inside and without `target` are made up when this is above zero.
        uint256 edge;
        uint256 target;
    }

    uint256 internal constant NONE = type(uint256).max;

    /// @notice A tree whose every leaf is hashed.
    function plain(bytes32 org, uint256 seed) internal pure returns (Tree memory) {
        return Tree(org, seed, 0, NONE);
    }

    /// @notice Leaf `index`: thirteen words, the third being the organisation.
    function leaf(Tree memory tree, uint256 index) internal pure returns (bytes memory) {
        bytes32 a = keccak256(abi.encode(tree.seed, index));
        bytes32 b = keccak256(abi.encode(a));
        return abi.encode(1, 1, tree.org, a, b, 0, 3, ~a, ~b, a ^ b, 0, index, keccak256(abi.encode(b)));
    }

    function root(Tree memory tree, uint256 size) internal pure returns (bytes32) {
        return size == 0 ? keccak256("") : range(tree, 0, size);
    }

    function consistency(Tree memory tree, uint256 old, uint256 size) internal pure returns (bytes32[] memory) {
        bytes32[] memory found = new bytes32[](80);
        if (old == 0 || old == size) return new bytes32[](0);
        return _cut(found, _consistency(tree, old, 0, size, true, found));
    }

    function inclusion(Tree memory tree, uint256 index, uint256 size) internal pure returns (bytes32[] memory) {
        bytes32[] memory found = new bytes32[](80);
        return _cut(found, _inclusion(tree, index, 0, size, found));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(bytes.concat(hex"01", left, right));
    }

    function range(Tree memory tree, uint256 low, uint256 high) internal pure returns (bytes32) {
        uint256 width = high - low;
        bool perfect = width & (width - 1) == 0;
        bool inside = low < tree.edge && tree.edge < high || low <= tree.target && tree.target < high;
        if (tree.edge > 0 && perfect && !inside) return keccak256(abi.encode("made up", tree.seed, low, high));
        if (width == 1) return keccak256(bytes.concat(hex"00", leaf(tree, low)));
        uint256 middle = low + split(width);
        return node(range(tree, low, middle), range(tree, middle, high));
    }

    /// @notice The largest power of two smaller than `width`.
    function split(uint256 width) internal pure returns (uint256 power) {
        power = 1;
        while (power << 1 < width) power <<= 1;
    }

    function _consistency(Tree memory tree, uint256 old, uint256 low, uint256 high, bool whole, bytes32[] memory found)
        private
        pure
        returns (uint256 count)
    {
        if (old == high) {
            if (whole) return 0;
            found[0] = range(tree, low, high);
            return 1;
        }
        uint256 middle = low + split(high - low);
        if (old <= middle) {
            count = _consistency(tree, old, low, middle, whole, found);
            found[count] = range(tree, middle, high);
        } else {
            count = _consistency(tree, old, middle, high, false, found);
            found[count] = range(tree, low, middle);
        }
        return count + 1;
    }

    function _inclusion(Tree memory tree, uint256 index, uint256 low, uint256 high, bytes32[] memory found)
        private
        pure
        returns (uint256 count)
    {
        if (high - low == 1) return 0;
        uint256 middle = low + split(high - low);
        if (index < middle) {
            count = _inclusion(tree, index, low, middle, found);
            found[count] = range(tree, middle, high);
        } else {
            count = _inclusion(tree, index, middle, high, found);
            found[count] = range(tree, low, middle);
        }
        return count + 1;
    }

    function _cut(bytes32[] memory words, uint256 count) private pure returns (bytes32[] memory) {
        assembly ("memory-safe") {
            mstore(words, count)
        }
        return words;
    }
}
