// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "../Heads.sol";
import {Merkle} from "../Merkle.sol";
import {Signatures} from "../Signatures.sol";
import {MerkleHarness} from "./MerkleHarness.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @title Flaws that others had, each tried here
contract KnownFlawsTest is World {
    using Trees for Trees.Tree;

    uint256 internal constant KEY = 1001;
    bytes32 internal org;
    Trees.Tree internal tree;
    MerkleHarness internal merkle;

    function setUp() public override {
        super.setUp();
        org = enrol(ALICE, KEY);
        tree = Trees.plain(org, 1);
        merkle = new MerkleHarness();
        anchor(tree, 4, KEY);
    }

    /// @dev CVE-2023-34459: multiproofs of leaves that are not in the tree, by zero-valued nodes and proofs of nothing.
    /// There are no multiproofs here; empty and zero proofs prove nothing but what they should.
    function test_cve_2023_34459_empty_proofs_and_zero_nodes() public view {
        bytes32 root = tree.root(4);
        check(!merkle.inclusion(root, 0, 4, new bytes32[](0), root), "the root as a leaf of four");
        check(!merkle.inclusion(0, 0, 4, new bytes32[](2), root), "zeros");
        check(!merkle.inclusion(root, 0, 0, new bytes32[](0), root), "a tree of nothing");
        check(!merkle.inclusion(0, 0, 0, new bytes32[](0), 0), "nothing in nothing");
        check(!ledger.verify(org, "", 0, new bytes32[](0), root), "no leaf");
        check(!ledger.verify(org, tree.leaf(0), 0, new bytes32[](0), 0), "no root");
    }

    /// @dev CVE-2012-2459: a tree that doubles its last node has one root for two lists of leaves.
    function test_cve_2012_2459_doubled_leaves_have_another_root() public pure {
        bytes32[] memory leaves = new bytes32[](4);
        for (uint256 i = 0; i < 3; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
        leaves[3] = leaves[2];
        bytes32 pair = Trees.node(leaves[0], leaves[1]);
        bytes32 three = Trees.node(pair, leaves[2]);
        bytes32 doubled = Trees.node(pair, Trees.node(leaves[2], leaves[3]));
        check(three != doubled, "two roots");
    }

    function test_cve_2012_2459_a_doubled_leaf_is_not_included() public view {
        bytes32 leaf = Merkle.leafHash(tree.leaf(2));
        bytes32[] memory proof = tree.inclusion(2, 3);
        check(merkle.inclusion(leaf, 2, 3, proof, tree.root(3)), "the third of three");
        check(!merkle.inclusion(leaf, 3, 4, proof, tree.root(3)), "not the fourth of four");
        bytes32[] memory longer = new bytes32[](2);
        (longer[0], longer[1]) = (leaf, proof[0]);
        check(!merkle.inclusion(leaf, 3, 4, longer, tree.root(3)), "nor with itself beside it");
    }

    /// @dev One past the end, with the path that a tree of one leaf more would have.
    function testFuzz_no_leaf_stands_beyond_the_size(bytes32 leaf, bytes32 sibling) public view {
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = sibling;
        check(!merkle.inclusion(leaf, 1, 1, proof, Trees.node(sibling, leaf)), "beyond one");
        check(merkle.inclusion(leaf, 1, 2, proof, Trees.node(sibling, leaf)), "the second of two");
        check(!merkle.inclusion(leaf, 2, 2, new bytes32[](0), leaf), "beyond two");
    }

    /// @dev Two nodes' hashes are 64 bytes: offered as a leaf, they would shorten the proof by one.
    function test_64_byte_leaves_are_no_nodes() public view {
        bytes32 left = Merkle.leafHash(tree.leaf(0));
        bytes32 right = Merkle.leafHash(tree.leaf(1));
        bytes memory children = bytes.concat(left, right);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = tree.inclusion(0, 4)[1];
        bytes32 root = tree.root(4);
        check(!merkle.inclusion(Merkle.leafHash(children), 0, 2, proof, root), "hashed as a leaf it is no node");
        check(!ledger.verify(org, children, 0, proof, root), "and the ledger takes 416 bytes only");
        // The node's own hash does stand at index 0 of a tree of two; only the domain keeps it from being a leaf's.
        check(merkle.inclusion(Trees.node(left, right), 0, 2, proof, root), "as a node it stands there");
    }

    function testFuzz_no_leaf_hashes_like_a_node(bytes32 left, bytes32 right) public pure {
        check(Merkle.leafHash(bytes.concat(left, right)) != Merkle.nodeHash(left, right), "domains");
    }

    function testFuzz_unconsumed_nodes_are_refused(uint64 size, uint64 index, bytes32 extra) public view {
        size = uint64(within(size, 1, 40));
        index = uint64(within(index, 0, size - 1));
        bytes32 leaf = Merkle.leafHash(tree.leaf(index));
        bytes32[] memory proof = tree.inclusion(index, size);
        check(merkle.inclusion(leaf, index, size, proof, tree.root(size)), "included");
        check(!merkle.inclusion(leaf, index, size, _longer(proof, extra), tree.root(size)), "unconsumed");
        uint64 old = uint64(within(index, 0, size));
        bytes32[] memory path = tree.consistency(old, size);
        check(merkle.consistency(old, size, tree.root(old), tree.root(size), path), "consistent");
        check(!merkle.consistency(old, size, tree.root(old), tree.root(size), _longer(path, extra)), "unconsumed");
    }

    /// @dev (r, n − s) with the other v recovers to the same signer: a second form of the same signature.
    function testFuzz_a_signature_has_one_form(uint64 size) public {
        size = uint64(within(size, 5, 40));
        Heads.Head memory next = head(tree, size);
        bytes memory good = sign(KEY, ledger.headDigest(next));
        (bytes32 r, uint256 s, uint8 v) = _parts(good);
        bytes memory mirrored = bytes.concat(r, bytes32(ORDER - s), bytes1(55 - v));
        same(ecrecover(ledger.headDigest(next), 55 - v, r, bytes32(ORDER - s)), vm.addr(KEY), "it does recover");
        _malformed(next, mirrored, 0);
        _malformed(next, bytes.concat(r, bytes32(s), bytes1(v - 27)), 0); // v of 0 and 1
        _malformed(next, bytes.concat(r, bytes32(s), bytes1(v + 35)), 0); // EIP-155's, on chain 0
        _anchor(next, good);
    }

    /// @dev Half the order is the greatest s that counts.
    function test_s_at_the_edge() public {
        Heads.Head memory next = head(tree, 5);
        _malformed(next, bytes.concat(bytes32(uint256(1)), bytes32(ORDER / 2 + 1), bytes1(uint8(27))), 0);
    }

    /// @dev A precompile that recovers nobody answers nothing; nobody is no signer, whatever was in memory before.
    function testFuzz_nobody_is_no_signer(bytes32 r, uint8 v) public {
        Heads.Head memory next = head(tree, 5);
        _malformed(next, bytes.concat(bytes32(0), r, bytes1(v)), 0); // no point has x of 0
        _malformed(next, bytes.concat(r, bytes32(0), bytes1(v)), 0); // s of 0
        bytes memory good = sign(KEY, ledger.headDigest(next));
        _malformed(next, bytes.concat(good, new bytes(65)), 1);
    }

    /// @dev A key that is the zero address would make every malformed signature good.
    function test_the_zero_address_is_never_a_key() public {
        vm.prank(ALICE);
        vm.expectRevert();
        registry.addKey(org, 1, 1, abi.encodePacked(address(0)));
        check(!registry.isLogKey(org, address(0)), "no key");
    }

    function test_repeated_and_unordered_signers_are_refused() public {
        addKey(ALICE, org, 1, 1002);
        uint256[] memory keys = ordered(1001, 2);
        vm.prank(ALICE);
        ledger.setQuorum(org, 2);
        Heads.Head memory next = head(tree, 5);
        bytes32 digest = ledger.headDigest(next);
        bytes memory first = sign(keys[0], digest);
        bytes memory second = sign(keys[1], digest);
        bytes memory refusal = abi.encodeWithSelector(Signatures.SignaturesNotAscending.selector, 1);
        vm.expectRevert(refusal);
        _anchor(next, bytes.concat(first, first));
        vm.expectRevert(refusal);
        _anchor(next, bytes.concat(second, first));
        _anchor(next, bytes.concat(first, second));
    }

    function testFuzz_only_whole_signatures_up_to_16(uint16 length) public {
        vm.assume(length % 65 != 0 || length == 0 || length > 16 * 65);
        Heads.Head memory next = head(tree, 5);
        bytes memory wrong = new bytes(length);
        vm.expectRevert(abi.encodeWithSelector(Signatures.SignaturesWrongLength.selector, length));
        _anchor(next, wrong);
    }

    /// @dev abi.encodePacked of two dynamic fields may be cut elsewhere; keys are encoded with their lengths.
    function test_fields_are_not_moved_across_their_borders() public view {
        check(
            registry.keyIdOf(1, 2, hex"0102") != registry.keyIdOf(1, 2, hex"010200")
                && registry.keyIdOf(0x11, 0x22, hex"33") != registry.keyIdOf(0x11, 0x02, hex"2233"),
            "key ids"
        );
    }

    function _anchor(Heads.Head memory next, bytes memory signatures) private {
        ledger.anchor(org, next.newSize, next.root, tree.consistency(4, next.newSize), signatures);
    }

    function _malformed(Heads.Head memory next, bytes memory signatures, uint256 position) private {
        bytes32[] memory proof = tree.consistency(4, next.newSize);
        vm.expectRevert(abi.encodeWithSelector(Signatures.SignaturesMalformed.selector, position));
        ledger.anchor(org, next.newSize, next.root, proof, signatures);
    }

    function _parts(bytes memory signature) private pure returns (bytes32 r, uint256 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }

    function _longer(bytes32[] memory proof, bytes32 extra) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        longer[proof.length] = extra;
    }
}
