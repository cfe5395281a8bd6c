// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExecutionLedger} from "../ExecutionLedger.sol";
import {Heads} from "../Heads.sol";
import {IExecutionLedger} from "../IExecutionLedger.sol";
import {IOrgRegistry} from "../IOrgRegistry.sol";
import {OrgRegistry} from "../OrgRegistry.sol";
import {WorkflowRegistry} from "../WorkflowRegistry.sol";
import {Test} from "./Test.sol";
import {Trees} from "./Trees.sol";

/// @title World
/// @notice The three contracts, and organisations with keys. Key k signs for the address `vm.addr(k)`.
abstract contract World is Test {
    using Trees for Trees.Tree;

    OrgRegistry internal registry;
    WorkflowRegistry internal workflows;
    ExecutionLedger internal ledger;

    /// @dev Administrators; `org(admin)` is the organisation that each creates.
    address internal constant ALICE = address(0xA11CE);
    address internal constant BOB = address(0xB0B);
    address internal constant MALLORY = address(0x3A11);

    function setUp() public virtual {
        vm.roll(100);
        vm.warp(1_800_000_000);
        ledger = new ExecutionLedger();
        registry = ledger;
        workflows = new WorkflowRegistry(registry);
    }

    /// @dev The organisation of `admin`, with secp256k1 keys for heads.
    function enrol(address admin, uint256[] memory keys) internal returns (bytes32 org) {
        vm.prank(admin);
        org = registry.createOrg(0);
        for (uint256 i = 0; i < keys.length; ++i) {
            addKey(admin, org, 1, keys[i]);
        }
    }

    function enrol(address admin, uint256 key) internal returns (bytes32 org) {
        return enrol(admin, list(key));
    }

    function addKey(address admin, bytes32 org, uint8 role, uint256 key) internal returns (bytes32) {
        vm.prank(admin);
        return registry.addKey(org, role, 1, abi.encodePacked(vm.addr(key)));
    }

    function keyId(uint8 role, uint256 key) internal view returns (bytes32) {
        return registry.keyIdOf(role, 1, abi.encodePacked(vm.addr(key)));
    }

    function list(uint256 key) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](1);
        keys[0] = key;
    }

    /// @dev `count` keys from `first` on, ordered by address.
    function ordered(uint256 first, uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 place = i;
            for (; place > 0 && vm.addr(keys[place - 1]) > vm.addr(first + i); --place) {
                keys[place] = keys[place - 1];
            }
            keys[place] = first + i;
        }
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return bytes.concat(r, s, bytes1(v));
    }

    /// @dev In the order of `keys`, which a caller chooses rightly or wrongly.
    function sign(uint256[] memory keys, bytes32 digest) internal pure returns (bytes memory all) {
        for (uint256 i = 0; i < keys.length; ++i) {
            all = bytes.concat(all, sign(keys[i], digest));
        }
    }

    /// @dev The head by which the log of `tree.org` grows to `size`.
    function head(Trees.Tree memory tree, uint64 size) internal view returns (Heads.Head memory) {
        IExecutionLedger.Log memory log = ledger.logOf(tree.org);
        return Heads.Head(tree.org, log.epoch, log.size, size, tree.root(size));
    }

    function anchor(Trees.Tree memory tree, uint64 size, uint256[] memory keys) internal {
        Heads.Head memory next = head(tree, size);
        bytes32[] memory proof = tree.consistency(next.oldSize, size);
        bytes memory signatures = sign(keys, ledger.headDigest(next));
        ledger.anchor(tree.org, size, next.root, proof, signatures);
    }

    function anchor(Trees.Tree memory tree, uint64 size, uint256 key) internal {
        anchor(tree, size, list(key));
    }

    function word(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function windowOf(bytes32 org, bytes32 id) internal view returns (IOrgRegistry.Window memory) {
        return registry.windowOf(org, id);
    }
}
