// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExecutionLedger} from "../ExecutionLedger.sol";
import {Heads} from "../Heads.sol";
import {IExecutionLedger} from "../IExecutionLedger.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @title Heads move by growth, consistency and enough keys, and by nothing else
contract AnchorTest is World {
    using Trees for Trees.Tree;

    uint256 internal constant KEY = 1001;
    bytes32 internal org;
    Trees.Tree internal tree;

    function setUp() public override {
        super.setUp();
        org = enrol(ALICE, KEY);
        tree = Trees.plain(org, 1);
        anchor(tree, 3, KEY);
    }

    function testFuzz_heads_extend_their_predecessor(uint64 first, uint64 second) public {
        Trees.Tree memory other = Trees.plain(enrol(BOB, KEY), 2);
        first = uint64(within(first, 1, 40));
        second = first + uint64(within(second, 1, 40));
        anchor(other, first, KEY);
        vm.roll(200);
        vm.warp(1_800_000_500);
        vm.expectEmit();
        emit IExecutionLedger.Anchored(other.org, 0, second, other.root(second));
        this.anchorNext(other, second);
        IExecutionLedger.Log memory log = ledger.logOf(other.org);
        same(log.size, second, "size");
        same(log.root, other.root(second), "root");
        _recorded(other, first, 100, 1_800_000_000, 0);
        _recorded(other, second, 200, 1_800_000_500, 0);
        same(ledger.logOf(org).size, 3, "other logs stand");
    }

    function anchorNext(Trees.Tree memory other, uint64 size) external {
        anchor(other, size, KEY);
    }

    function test_the_digest_is_eip_712s() public view {
        Heads.Head memory next = head(tree, 5);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Tallystick ExecutionLedger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        bytes32 kind = keccak256("Head(bytes32 org,uint64 epoch,uint64 oldSize,uint64 newSize,bytes32 root)");
        bytes32 content = keccak256(abi.encode(kind, org, 0, 3, 5, next.root));
        same(ledger.headDigest(next), keccak256(bytes.concat(hex"1901", domain, content)), "digest");
    }

    function testFuzz_a_log_neither_shrinks_nor_stands(uint64 size) public {
        size = uint64(within(size, 0, 3));
        Heads.Head memory next = head(tree, size);
        _refused(
            next,
            new bytes32[](0),
            KEY,
            abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotGrowing.selector, org, 3, size)
        );
    }

    function testFuzz_a_rewritten_history_is_refused(uint256 seed, uint64 size) public {
        vm.assume(seed != 1);
        size = uint64(within(size, 4, 40));
        Trees.Tree memory other = Trees.plain(org, seed);
        _refused(head(other, size), other.consistency(3, size), KEY, _inconsistent(size));
    }

    /// @dev Each single change of a proof: a node flipped, one less, one more.
    function testFuzz_every_node_of_a_proof_counts(uint64 size, uint256 place, uint8 bit) public {
        size = uint64(within(size, 4, 40));
        Heads.Head memory next = head(tree, size);
        bytes32[] memory proof = tree.consistency(3, size);
        place = within(place, 0, proof.length - 1);
        bytes32 real = proof[place];
        proof[place] = bytes32(uint256(real) ^ 1 << bit);
        _refused(next, proof, KEY, _inconsistent(size));
        proof[place] = real;
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
            if (i < shorter.length) shorter[i] = proof[i];
        }
        longer[proof.length] = real;
        _refused(next, longer, KEY, _inconsistent(size));
        _refused(next, shorter, KEY, _inconsistent(size));
        _anchor(next, proof, sign(KEY, ledger.headDigest(next)));
    }

    function test_a_proof_has_at_most_64_nodes() public {
        _refused(head(tree, 5), new bytes32[](65), KEY, _inconsistent(5));
    }

    function testFuzz_strangers_move_nothing(uint256 key) public {
        key = within(key, 5000, 1 << 200);
        _refused(head(tree, 5), tree.consistency(3, 5), key, _invalid());
    }

    function test_another_organisations_key_moves_nothing() public {
        enrol(BOB, 1002);
        _refused(head(tree, 5), tree.consistency(3, 5), 1002, _invalid());
    }

    function test_keys_of_other_roles_move_nothing() public {
        addKey(ALICE, org, 2, 1002);
        _refused(head(tree, 5), tree.consistency(3, 5), 1002, _invalid());
    }

    function testFuzz_closed_keys_move_nothing(bool revoked) public {
        bytes32 id = keyId(1, KEY);
        vm.prank(ALICE);
        revoked ? registry.revoke(org, id, 1) : registry.retire(org, id);
        _refused(head(tree, 5), tree.consistency(3, 5), KEY, _invalid());
        _recorded(tree, 3, 100, 1_800_000_000, 0);
    }

    /// @dev A signature is over the log's own epoch and size, whatever its signer thought them to be.
    function testFuzz_signatures_over_other_heads_count_for_nothing(uint8 field, uint64 delta) public {
        delta = uint64(within(delta, 1, 1000));
        Heads.Head memory next = head(tree, 5);
        Heads.Head memory signed = head(tree, 5);
        if (field % 5 == 0) signed.org = bytes32(uint256(org) ^ delta);
        if (field % 5 == 1) signed.epoch += delta;
        if (field % 5 == 2) signed.oldSize += delta;
        if (field % 5 == 3) signed.newSize += delta;
        if (field % 5 == 4) signed.root = bytes32(uint256(signed.root) ^ delta);
        bytes memory signature = sign(KEY, ledger.headDigest(signed));
        vm.expectRevert(_invalid());
        _anchor(next, tree.consistency(3, 5), signature);
    }

    function test_no_replay_over_chains_contracts_and_organisations() public {
        Heads.Head memory next = head(tree, 5);
        bytes memory signature = sign(KEY, ledger.headDigest(next));
        bytes32[] memory proof = tree.consistency(3, 5);
        vm.chainId(5);
        vm.expectRevert(_invalid());
        _anchor(next, proof, signature);
        vm.chainId(31337);
        // The same organisation with the same key and the same log, in another ledger.
        ExecutionLedger second = new ExecutionLedger();
        vm.prank(ALICE);
        second.createOrg(0);
        vm.prank(ALICE);
        second.addKey(org, 1, 1, abi.encodePacked(vm.addr(KEY)));
        bytes memory first = sign(KEY, second.headDigest(Heads.Head(org, 0, 0, 3, tree.root(3))));
        second.anchor(org, 3, tree.root(3), new bytes32[](0), first);
        vm.expectRevert(_invalid());
        second.anchor(org, 5, next.root, proof, signature);
        // Another organisation that uses the same key.
        bytes32 other = enrol(BOB, KEY);
        Trees.Tree memory same_ = Trees.Tree(other, 1, 0, Trees.NONE);
        anchor(same_, 3, KEY);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, other));
        ledger.anchor(other, 5, same_.root(5), same_.consistency(3, 5), signature);
        _anchor(next, proof, signature);
    }

    function test_no_replay_in_a_later_epoch() public {
        Heads.Head memory first = Heads.Head(org, 0, 0, 3, tree.root(3));
        bytes memory signature = sign(KEY, ledger.headDigest(first));
        vm.expectEmit();
        emit IExecutionLedger.EpochStarted(org, 1, 3, tree.root(3));
        vm.prank(ALICE);
        ledger.newEpoch(org);
        vm.expectRevert(_invalid());
        _anchor(first, new bytes32[](0), signature);
        same(ledger.logOf(org).epoch, 1, "epoch");
        same(ledger.logOf(org).size, 0, "empty");
        same(ledger.logOf(org).root, 0, "no root");
    }

    /// @dev A root that comes by again keeps the record of when it first stood.
    function test_records_are_written_once() public {
        vm.prank(ALICE);
        ledger.newEpoch(org);
        vm.roll(300);
        anchor(tree, 3, KEY);
        _recorded(tree, 3, 100, 1_800_000_000, 0);
        anchor(tree, 4, KEY);
        _recorded(tree, 4, 300, 1_800_000_000, 1);
    }

    function test_quorums_of_keys() public {
        uint256[] memory keys = ordered(3001, 16);
        bytes32 many = enrol(BOB, keys);
        Trees.Tree memory log = Trees.plain(many, 9);
        _quorum(BOB, many, 16);
        Heads.Head memory next = head(log, 2);
        bytes32 digest = ledger.headDigest(next);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerQuorumNotMet.selector, many, 15, 16));
        ledger.anchor(many, 2, next.root, new bytes32[](0), sign(_first(keys, 15), digest));
        ledger.anchor(many, 2, next.root, new bytes32[](0), sign(keys, digest));
        _quorum(BOB, many, 2);
        same(ledger.logOf(many).lowestQuorum, 2, "lowered");
        _quorum(BOB, many, 3);
        same(ledger.logOf(many).quorum, 3, "raised");
        same(ledger.logOf(many).lowestQuorum, 2, "the lowest is kept");
        anchor(log, 4, _first(keys, 3));
        vm.prank(BOB);
        ledger.newEpoch(many);
        same(ledger.logOf(many).quorum, 3, "over epochs");
        same(ledger.logOf(many).lowestQuorum, 2, "over epochs");
    }

    function test_quorums_that_cannot_be_met_are_refused() public {
        uint8[2] memory bad = [0, 17];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(ALICE);
            vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidQuorum.selector, bad[i]));
            ledger.setQuorum(org, bad[i]);
        }
    }

    function test_one_stranger_among_the_signers_spoils_all() public {
        addKey(ALICE, org, 1, 1002);
        uint256[] memory keys = ordered(1001, 3); // 1003 is nobody's
        Heads.Head memory next = head(tree, 5);
        bytes memory signatures = sign(keys, ledger.headDigest(next));
        vm.expectRevert(_invalid());
        _anchor(next, tree.consistency(3, 5), signatures);
    }

    function test_several_organisations_in_one_transaction() public {
        IExecutionLedger.Extension[] memory parts = _several(64);
        ledger.anchorMany(parts);
        for (uint256 i = 0; i < 64; ++i) {
            same(ledger.logOf(parts[i].org).size, parts[i].newSize, "anchored");
        }
    }

    function test_several_are_bounded_ascending_and_all_or_none() public {
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidCount.selector, 0));
        ledger.anchorMany(new IExecutionLedger.Extension[](0));
        IExecutionLedger.Extension[] memory parts = _several(65);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidCount.selector, 65));
        ledger.anchorMany(parts);
        IExecutionLedger.Extension[] memory three = new IExecutionLedger.Extension[](3);
        (three[0], three[1], three[2]) = (parts[0], parts[2], parts[1]);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotAscending.selector, 2));
        ledger.anchorMany(three);
        three[2] = parts[2];
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotAscending.selector, 2));
        ledger.anchorMany(three);
        (three[1], three[2]) = (parts[1], parts[2]);
        three[2].signatures = parts[0].signatures;
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, three[2].org));
        ledger.anchorMany(three);
        same(ledger.logOf(parts[0].org).size, 0, "none");
    }

    function testFuzz_verify_finds_what_is_anchored(uint64 size, uint64 index, uint8 change) public {
        size = uint64(within(size, 4, 60));
        index = uint64(within(index, 0, size - 1));
        bytes memory leaf = tree.leaf(index);
        bytes32[] memory proof = tree.inclusion(index, size);
        bytes32 root = tree.root(size);
        check(!ledger.verify(org, leaf, index, proof, root), "before");
        anchor(tree, size, KEY);
        check(ledger.verify(org, leaf, index, proof, root), "after");
        check(!ledger.verify(bytes32(uint256(org) ^ 1), leaf, index, proof, root), "organisation");
        check(!ledger.verify(org, leaf, index + 1, proof, root), "index");
        check(!ledger.verify(org, leaf, index + size, proof, root), "beyond");
        check(!ledger.verify(org, leaf, index, proof, tree.root(3)), "another root");
        check(!ledger.verify(org, bytes.concat(leaf, hex"00"), index, proof, root), "longer");
        leaf[within(change, 0, 255)] ^= 0x01;
        check(!ledger.verify(org, leaf, index, proof, root), "leaf");
    }

    /// @dev Whoever puts another organisation's leaf into its own log has proved nothing of that leaf.
    function test_a_leaf_stands_in_the_log_of_its_organisation_only() public {
        bytes32 other = enrol(BOB, KEY);
        bytes32 root = tree.root(4);
        bytes memory signatures = sign(list(KEY), ledger.headDigest(Heads.Head(other, 0, 0, 4, root)));
        ledger.anchor(other, 4, root, new bytes32[](0), signatures);
        check(!ledger.verify(other, tree.leaf(1), 1, tree.inclusion(1, 4), root), "another's leaf");
    }

    function _several(uint256 count) private returns (IExecutionLedger.Extension[] memory parts) {
        parts = new IExecutionLedger.Extension[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 7000 + i;
            Trees.Tree memory log = Trees.plain(enrol(address(uint160(0xC000 + i)), key), i);
            uint64 size = uint64(1 + i % 5);
            Heads.Head memory next = head(log, size);
            IExecutionLedger.Extension memory part = IExecutionLedger.Extension(
                log.org, size, next.root, new bytes32[](0), sign(key, ledger.headDigest(next))
            );
            uint256 place = i;
            for (; place > 0 && parts[place - 1].org > part.org; --place) {
                parts[place] = parts[place - 1];
            }
            parts[place] = part;
        }
    }

    function _refused(Heads.Head memory next, bytes32[] memory proof, uint256 key, bytes memory reason) private {
        bytes memory signature = sign(key, ledger.headDigest(next));
        vm.expectRevert(reason);
        _anchor(next, proof, signature);
    }

    function _anchor(Heads.Head memory next, bytes32[] memory proof, bytes memory signatures) private {
        ledger.anchor(next.org, next.newSize, next.root, proof, signatures);
    }

    function _quorum(address admin, bytes32 of_, uint8 quorum) private {
        vm.expectEmit();
        emit IExecutionLedger.QuorumSet(of_, quorum);
        vm.prank(admin);
        ledger.setQuorum(of_, quorum);
    }

    function _recorded(Trees.Tree memory of_, uint64 size, uint64 blockNumber, uint64 time, uint64 epoch) private view {
        IExecutionLedger.Anchor memory found = ledger.anchorOf(of_.org, of_.root(size));
        same(found.size, size, "size");
        same(found.blockNumber, blockNumber, "block");
        same(found.time, time, "time");
        same(found.epoch, epoch, "epoch");
    }

    function _first(uint256[] memory keys, uint256 count) private pure returns (uint256[] memory few) {
        few = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            few[i] = keys[i];
        }
    }

    function _inconsistent(uint64 size) private view returns (bytes memory) {
        return abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInconsistent.selector, org, 3, size);
    }

    function _invalid() private view returns (bytes memory) {
        return abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, org);
    }
}
