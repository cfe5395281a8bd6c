// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MerkleHarness} from "./MerkleHarness.sol";
import {Reference} from "./Reference.sol";

/// @title For all inputs of bounded size, not for some: run by halmos (`make prove-contracts`)
/// @notice Trees of up to 8 leaves and proofs of up to 4 nodes; leaves, nodes, roots, sizes and places are symbolic. halmos
/// takes Keccak-256 for a function without collisions.
contract MerkleProof {
    MerkleHarness internal merkle;
    Reference internal rfc;

    uint256 internal constant MAX = 8;

    function setUp() public {
        merkle = new MerkleHarness();
        rfc = new Reference();
    }

    /// @notice `Merkle` answers as the RFC's own algorithm.
    function check_inclusion_is_the_rfcs(
        bytes32 leaf,
        uint256 index,
        uint256 size,
        bytes32[] calldata proof,
        bytes32 root
    ) public view {
        if (size > MAX || index > MAX) return;
        assert(merkle.inclusion(leaf, index, size, proof, root) == rfc.inclusion(leaf, index, size, proof, root));
    }

    /// @notice The same for consistency.
    function check_consistency_is_the_rfcs(
        uint256 old,
        uint256 size,
        bytes32 older,
        bytes32 newer,
        bytes32[] calldata proof
    ) public view {
        if (size > MAX || old > MAX) return;
        assert(merkle.consistency(old, size, older, newer, proof) == rfc.consistency(old, size, older, newer, proof));
    }

    /// @notice Nothing but the leaf that stands there is included, and it is.
    function check_only_the_leaf_is_included(
        bytes32[5] calldata leaves,
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata proof
    ) public view {
        if (index >= 5) return;
        bytes32 root = _node(_node(_node(leaves[0], leaves[1]), _node(leaves[2], leaves[3])), leaves[4]);
        if (merkle.inclusion(leaf, index, 5, proof, root)) assert(leaf == _chosen(leaves, index));
    }

    /// @notice A head that is accepted over three leaves has those three leaves.
    function check_only_extensions_are_consistent(bytes32[3] calldata leaves, bytes32 newer, bytes32[] calldata proof)
        public
        view
    {
        bytes32 pair = _node(leaves[0], leaves[1]);
        if (!merkle.consistency(3, 5, _node(pair, leaves[2]), newer, proof)) return;
        // RFC 9162 §2.1.4.1: leaf 2, leaf 3, the pair, leaf 4.
        assert(proof.length == 4 && proof[0] == leaves[2] && proof[2] == pair);
        assert(newer == _node(_node(pair, _node(leaves[2], proof[1])), proof[3]));
    }

    /// @dev `leaves[index]`, without reading at a place that is symbolic.
    function _chosen(bytes32[5] calldata leaves, uint256 index) private pure returns (bytes32 leaf) {
        for (uint256 i = 0; i < 5; ++i) {
            if (i == index) leaf = leaves[i];
        }
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(bytes.concat(hex"01", left, right));
    }
}
