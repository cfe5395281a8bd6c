// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExecutionLedger} from "../ExecutionLedger.sol";
import {Heads} from "../Heads.sol";
import {IExecutionLedger} from "../IExecutionLedger.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @title Two signed heads of one (organisation, epoch, size) stay on record, and nobody is framed
contract EquivocationTest is World {
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

    function testFuzz_a_taint_is_permanent(bytes32 root, uint64 size, uint64 oldSize, address reporter) public {
        Heads.Head memory one = Heads.Head(org, 0, 0, size, tree.root(3));
        Heads.Head memory two = Heads.Head(org, 0, oldSize, size, root);
        vm.assume(root != one.root);
        bytes memory first = sign(KEY, ledger.headDigest(one));
        bytes memory second = sign(KEY, ledger.headDigest(two));
        address[] memory signers = new address[](1);
        signers[0] = vm.addr(KEY);
        vm.expectEmit();
        emit IExecutionLedger.EquivocationReported(org, 0, size, one.root, root, signers, signers);
        vm.prank(reporter);
        ledger.reportEquivocation(one, first, two, second);
        vm.roll(500);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerAlreadyTainted.selector, org, 0));
        ledger.reportEquivocation(two, second, one, first);
        // Nothing that the organisation does clears it.
        bytes32 id = keyId(1, KEY);
        anchor(tree, 5, KEY);
        vm.prank(ALICE);
        registry.revoke(org, id, 1);
        vm.prank(ALICE);
        ledger.newEpoch(org);
        IExecutionLedger.Taint memory taint = ledger.taintOf(org, 0);
        same(taint.size, size, "size");
        same(taint.blockNumber, 100, "block");
        same(taint.time, 1_800_000_000, "time");
        same(ledger.taintOf(org, 1).blockNumber, 0, "another epoch");
    }

    function testFuzz_heads_that_do_not_contradict_are_none(uint8 field, uint64 delta) public {
        delta = uint64(within(delta, 1, 1000));
        Heads.Head memory one = Heads.Head(org, 0, 0, 3, tree.root(3));
        Heads.Head memory two = Heads.Head(org, 0, 0, 3, bytes32(uint256(1)));
        if (field % 4 == 0) two.org = bytes32(uint256(org) ^ delta);
        if (field % 4 == 1) two.epoch += delta;
        if (field % 4 == 2) two.newSize += delta;
        if (field % 4 == 3) (two.root, two.oldSize) = (one.root, delta);
        bytes memory first = sign(KEY, ledger.headDigest(one));
        bytes memory second = sign(KEY, ledger.headDigest(two));
        vm.expectRevert(IExecutionLedger.ExecutionLedgerNoEquivocation.selector);
        ledger.reportEquivocation(one, first, two, second);
    }

    function testFuzz_strangers_frame_nobody(uint256 key, bool second) public {
        key = within(key, 5000, 1 << 200);
        _refused(second ? KEY : key, second ? key : KEY);
    }

    function test_keys_of_other_roles_and_organisations_frame_nobody() public {
        addKey(ALICE, org, 2, 1002);
        enrol(BOB, 1003);
        _refused(KEY, 1002);
        _refused(1003, KEY);
    }

    function testFuzz_closing_the_key_hides_nothing(bool revoked) public {
        bytes32 id = keyId(1, KEY);
        vm.prank(ALICE);
        revoked ? registry.revoke(org, id, 1) : registry.retire(org, id);
        _report(KEY, KEY);
        same(ledger.taintOf(org, 0).size, 3, "tainted");
    }

    /// @dev One key was enough once, so one key's contradiction counts for good.
    function test_raising_the_quorum_hides_nothing() public {
        vm.prank(ALICE);
        ledger.setQuorum(org, 16);
        _report(KEY, KEY);
        same(ledger.taintOf(org, 0).size, 3, "tainted");
    }

    /// @dev One of two keys never could anchor, so one key in wrong hands cannot taint the log either.
    function test_fewer_than_could_ever_anchor_frame_nobody() public {
        uint256[] memory keys = ordered(2001, 2);
        bytes32 two = enrol(BOB, keys);
        vm.prank(BOB);
        ledger.setQuorum(two, 2);
        Trees.Tree memory log = Trees.plain(two, 2);
        Heads.Head memory one = Heads.Head(two, 0, 0, 4, log.root(4));
        Heads.Head memory other = Heads.Head(two, 0, 0, 4, bytes32(uint256(1)));
        bytes memory refusal = abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerQuorumNotMet.selector, two, 1, 2);
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory both = sign(keys, ledger.headDigest(one));
            bytes memory single = sign(keys[0], ledger.headDigest(other));
            vm.expectRevert(refusal);
            ledger.reportEquivocation(one, both, other, single);
            if (i == 0) anchor(log, 3, keys); // neither before the first head nor after it
        }
        bytes memory full = sign(keys, ledger.headDigest(other));
        ledger.reportEquivocation(one, sign(keys, ledger.headDigest(one)), other, full);
        same(ledger.taintOf(two, 0).size, 4, "tainted");
    }

    function test_no_replay_from_other_chains_and_ledgers() public {
        Heads.Head memory one = Heads.Head(org, 0, 0, 3, tree.root(3));
        Heads.Head memory two = Heads.Head(org, 0, 0, 3, bytes32(uint256(1)));
        bytes memory first = sign(KEY, ledger.headDigest(one));
        // An organisation may well have another log on another chain, or in another ledger.
        vm.chainId(5);
        bytes memory second = sign(KEY, ledger.headDigest(two));
        vm.chainId(31337);
        bytes memory third = sign(KEY, new ExecutionLedger().headDigest(two));
        bytes memory refusal = abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, org);
        vm.expectRevert(refusal);
        ledger.reportEquivocation(one, first, two, second);
        vm.expectRevert(refusal);
        ledger.reportEquivocation(one, first, two, third);
    }

    function test_a_taint_stops_nothing() public {
        _report(KEY, KEY);
        anchor(tree, 5, KEY);
        same(ledger.logOf(org).size, 5, "anchored");
    }

    function _report(uint256 key, uint256 other) private {
        Heads.Head memory one = Heads.Head(org, 0, 0, 3, tree.root(3));
        Heads.Head memory two = Heads.Head(org, 0, 0, 3, bytes32(uint256(1)));
        bytes memory first = sign(key, ledger.headDigest(one));
        bytes memory second = sign(other, ledger.headDigest(two));
        ledger.reportEquivocation(one, first, two, second);
    }

    function _refused(uint256 key, uint256 other) private {
        Heads.Head memory one = Heads.Head(org, 0, 0, 3, tree.root(3));
        Heads.Head memory two = Heads.Head(org, 0, 0, 3, bytes32(uint256(1)));
        bytes memory first = sign(key, ledger.headDigest(one));
        bytes memory second = sign(other, ledger.headDigest(two));
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, org));
        ledger.reportEquivocation(one, first, two, second);
        same(ledger.taintOf(org, 0).blockNumber, 0, "clean");
    }
}
