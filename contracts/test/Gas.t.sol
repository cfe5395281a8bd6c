// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IExecutionLedger} from "../IExecutionLedger.sol";
import {Heads} from "../Heads.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @title What transactions cost
/// @notice With `--isolate` each call is a transaction of its own, so that the figures hold its base cost and its call
/// data too. `test/Gas.json` has what they were; a run with FORGE_SNAPSHOT_CHECK fails when one differs.
/// @dev A batch of n executions is 2n leaves. The log holds a million leaves before.
contract GasTest is World {
    using Trees for Trees.Tree;

    uint64 internal constant MILLION = 1_000_000;
    uint256 internal constant KEY = 1001;

    function test_anchor_256() public {
        _anchor(256, 1, "anchor of 256 executions at 10^6 leaves");
    }

    function test_anchor_4096() public {
        _anchor(4096, 1, "anchor of 4096 executions at 10^6 leaves");
    }

    function test_anchor_4096_by_five() public {
        _anchor(4096, 5, "anchor of 4096 executions at 10^6 leaves, five signers");
    }

    function test_anchor_many() public {
        IExecutionLedger.Extension[] memory parts = new IExecutionLedger.Extension[](2);
        (bytes32 one, bytes32 two) = (enrol(ALICE, KEY), enrol(BOB, KEY));
        (one, two) = one < two ? (one, two) : (two, one);
        for (uint256 i = 0; i < 2; ++i) {
            Trees.Tree memory tree = Trees.Tree(i == 0 ? one : two, i, MILLION, Trees.NONE);
            anchor(tree, MILLION, KEY);
            Heads.Head memory next = head(tree, MILLION + 512);
            bytes memory signature = sign(KEY, ledger.headDigest(next));
            parts[i] = IExecutionLedger.Extension(
                tree.org, next.newSize, next.root, tree.consistency(MILLION, next.newSize), signature
            );
        }
        ledger.anchorMany(parts);
        vm.snapshotGasLastCall("Gas", "two organisations' anchors of 256 executions in one transaction");
    }

    function test_direct() public {
        bytes32 org = enrol(ALICE, KEY);
        address sender = vm.addr(KEY);
        (bytes32 execution, bytes32 workflow, bytes32 result) = (keccak256("e"), keccak256("w"), keccak256("r"));
        vm.prank(sender);
        ledger.startExecution(org, execution, workflow, word(sender));
        vm.snapshotGasLastCall("Gas", "startExecution");
        IExecutionLedger.Start memory start = IExecutionLedger.Start(
            org, execution, workflow, word(sender), uint64(block.number), uint64(block.timestamp)
        );
        vm.prank(sender);
        ledger.completeExecution(start, result, 1);
        vm.snapshotGasLastCall("Gas", "completeExecution");
    }

    function test_verify() public {
        bytes32 org = enrol(ALICE, KEY);
        Trees.Tree memory tree = Trees.Tree(org, 1, MILLION, 654_321);
        anchor(tree, MILLION, KEY);
        bytes memory leaf = tree.leaf(tree.target);
        bytes32[] memory proof = tree.inclusion(tree.target, MILLION);
        check(ledger.verify(org, leaf, uint64(tree.target), proof, tree.root(MILLION)), "included");
        vm.snapshotGasLastCall("Gas", "verify at 10^6 leaves");
    }

    function _anchor(uint64 executions, uint256 signers, string memory name) private {
        uint256[] memory keys = ordered(KEY, signers);
        bytes32 org = enrol(ALICE, keys);
        Trees.Tree memory tree = Trees.Tree(org, 1, MILLION, Trees.NONE);
        anchor(tree, MILLION, keys);
        anchor(tree, MILLION + 2 * executions, keys);
        vm.snapshotGasLastCall("Gas", name);
    }
}
