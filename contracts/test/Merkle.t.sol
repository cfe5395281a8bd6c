// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Merkle} from "../Merkle.sol";
import {MerkleHarness} from "./MerkleHarness.sol";
import {Reference} from "./Reference.sol";
import {Test} from "./Test.sol";
import {Trees} from "./Trees.sol";

/// @title The verifiers against RFC 9162's own words, and against trees built by its definitions
contract MerkleTest is Test {
    using Trees for Trees.Tree;

    MerkleHarness internal merkle;
    Reference internal rfc;

    function setUp() public {
        merkle = new MerkleHarness();
        rfc = new Reference();
    }

    function test_every_leaf_and_prefix_of_small_trees() public view {
        Trees.Tree memory tree = Trees.plain(bytes32("org"), 7);
        for (uint256 size = 1; size <= 18; ++size) {
            bytes32 root = tree.root(size);
            for (uint256 i = 0; i < size; ++i) {
                check(merkle.inclusion(_leaf(tree, i), i, size, tree.inclusion(i, size), root), "included");
            }
            for (uint256 old = 0; old <= size; ++old) {
                check(merkle.consistency(old, size, tree.root(old), root, tree.consistency(old, size)), "consistent");
            }
        }
    }

    function testFuzz_large_trees(uint64 size, uint64 index) public view {
        size = uint64(within(size, 2, 1 << 40));
        index = uint64(within(index, 0, size - 1));
        Trees.Tree memory tree = Trees.Tree(bytes32("org"), 7, index + 1 == size ? index : index + 1, index);
        bytes32[] memory path = tree.inclusion(index, size);
        check(merkle.inclusion(_leaf(tree, index), index, size, path, tree.root(size)), "included");
        uint256 old = tree.edge;
        check(merkle.consistency(old, size, tree.root(old), tree.root(size), tree.consistency(old, size)), "consistent");
    }

    /// @dev Whatever is asked, the answers are those of the RFC's algorithms, step by step.
    function testFuzz_answers_are_the_rfcs(uint64 a, uint64 b, bytes32[] calldata proof, uint8 bits) public view {
        uint256 size = within(a, 0, 1 << (bits % 64));
        uint256 index = within(b, 0, size + 1);
        bytes32 leaf = keccak256(abi.encode(a, b));
        bytes32 root = proof.length > 64 ? leaf : rfc.climb(leaf, index, size, proof);
        check(
            merkle.inclusion(leaf, index, size, proof, root) == rfc.inclusion(leaf, index, size, proof, root),
            "inclusion"
        );
        _consistencyAgrees(index, size, leaf, proof);
    }

    function _consistencyAgrees(uint256 old, uint256 size, bytes32 seed, bytes32[] calldata proof) private view {
        (bytes32 older, bytes32 newer) = rfc.roots(old, size, seed, proof);
        bool ours = merkle.consistency(old, size, older, newer, proof);
        check(ours == rfc.consistency(old, size, older, newer, proof), "consistency");
    }

    function test_sizes_beyond_64_bits_are_refused() public view {
        bytes32[] memory none = new bytes32[](0);
        uint256 beyond = uint256(type(uint64).max) + 1;
        check(!merkle.inclusion(0, beyond - 1, beyond, none, 0), "inclusion");
        check(!merkle.consistency(beyond, beyond, 0, 0, none), "consistency");
    }

    /// @dev A leaf number that the bound on sizes alone refuses: one sibling would prove it.
    function testFuzz_the_last_leaf_beyond_64_bits_is_refused(bytes32 leaf, bytes32 sibling) public view {
        uint256 beyond = uint256(type(uint64).max) + 2;
        check(!merkle.inclusion(leaf, beyond - 1, beyond, _list(sibling), Merkle.nodeHash(sibling, leaf)), "inclusion");
    }

    /// @dev Roots that three nodes would connect, were the sizes in order.
    function testFuzz_a_tree_is_no_prefix_of_a_smaller_one(bytes32 a, bytes32 b, bytes32 c) public view {
        bytes32[] memory proof = new bytes32[](3);
        (proof[0], proof[1], proof[2]) = (a, b, c);
        bytes32 newer = Merkle.nodeHash(c, Merkle.nodeHash(a, b));
        check(!merkle.consistency(3, 2, Merkle.nodeHash(c, a), newer, proof), "smaller");
    }

    function testFuzz_the_empty_tree_has_one_root(bytes32 root, uint64 size) public view {
        bytes32[] memory none = new bytes32[](0);
        check(merkle.consistency(0, size, Merkle.EMPTY_ROOT, root, none), "every tree extends the empty one");
        check(root == Merkle.EMPTY_ROOT || !merkle.consistency(0, size, root, root, none), "another root");
        check(!merkle.consistency(0, size, Merkle.EMPTY_ROOT, root, _list(root)), "a node too many");
    }

    function testFuzz_a_tree_extends_itself_by_nothing(bytes32 root, bytes32 other, uint64 size) public view {
        size = uint64(within(size, 1, type(uint64).max));
        bytes32[] memory none = new bytes32[](0);
        check(merkle.consistency(size, size, root, root, none), "the same");
        check(root == other || !merkle.consistency(size, size, root, other, none), "another root");
        check(!merkle.consistency(size, size, root, root, _list(other)), "a node too many");
    }

    function _list(bytes32 node) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = node;
    }

    function testFuzz_hashes_are_behind_their_domains(bytes calldata data, bytes32 left, bytes32 right) public pure {
        same(Merkle.leafHash(data), keccak256(bytes.concat(hex"00", data)), "leaf");
        same(Merkle.nodeHash(left, right), keccak256(bytes.concat(hex"01", left, right)), "node");
        same(Merkle.EMPTY_ROOT, keccak256(""), "empty");
    }

    function _leaf(Trees.Tree memory tree, uint256 index) private pure returns (bytes32) {
        return keccak256(bytes.concat(hex"00", tree.leaf(index)));
    }
}
