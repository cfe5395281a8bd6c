// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "../Heads.sol";
import {IExecutionLedger} from "../IExecutionLedger.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @title Handler
/// @notice Does anything to three organisations, rightly and wrongly, in any order. It keeps what must be true beside the
/// contracts, and reverts, which fails the run, when a call succeeds that should not, or fails that should succeed.
contract Handler is World {
    using Trees for Trees.Tree;

    uint256 internal constant ORGS = 3;
    uint256 internal constant KEYS = 4;

    struct Known {
        bytes32 org;
        uint64 epoch;
        uint64 size;
        bytes32 root;
    }

    /// What was anchored, with the record that it got.
    Known[] public anchored;
    IExecutionLedger.Anchor[] internal records;

    bytes32[ORGS] public orgs;
    uint64[ORGS] public epochs;
    uint64[ORGS] public sizes;
    /// Hash of each window as it stood when it was last written rightly; by organisation and key.
    bytes32[KEYS][ORGS] public windows;
    uint8[KEYS][ORGS] public states; // 0 not added, 1 open, 2 retired, 3 revoked
    /// Hash of the taint of (organisation, epoch) once there is one.
    mapping(bytes32 org => mapping(uint64 epoch => bytes32)) public taints;
    uint64[ORGS] public lastTainted;
    bytes internal lastAnchor;

    uint256 public accepted;

    constructor() {
        super.setUp();
        for (uint256 i = 0; i < ORGS; ++i) {
            orgs[i] = enrol(_admin(i), new uint256[](0));
            _open(i, i); // one key of its own; the others may be added, also in two organisations at once
        }
    }

    /// @dev Public in World: once is enough.
    function setUp() public pure override {}

    function pass(uint8 blocks) external {
        vm.roll(vm.getBlockNumber() + blocks + 1);
    }

    function open(uint256 org, uint256 key) external {
        (org, key) = (org % ORGS, key % KEYS);
        if (states[org][key] == 0) {
            _open(org, key);
        } else {
            bytes memory call = abi.encodeCall(registry.addKey, (orgs[org], 1, 1, abi.encodePacked(vm.addr(1 + key))));
            _fails(_admin(org), call, "a key was added twice");
        }
    }

    function close(uint256 org, uint256 key, bool revoked, uint64 noted) external {
        (org, key) = (org % ORGS, key % KEYS);
        bytes32 id = keyId(1, 1 + key);
        bytes memory call = revoked
            ? abi.encodeCall(registry.revoke, (orgs[org], id, noted))
            : abi.encodeCall(registry.retire, (orgs[org], id));
        uint8 state = states[org][key];
        _fails(_admin((org + 1) % ORGS), call, "another closed a key");
        if (state == 0 || state == 3 || (state == 2 && !revoked)) {
            _fails(_admin(org), call, "a closed window was written");
            return;
        }
        vm.prank(_admin(org));
        (bool done,) = address(ledger).call(call);
        check(done, "a key is not closed");
        states[org][key] = revoked ? 3 : 2;
        windows[org][key] = _windowHash(org, key);
    }

    /// @dev With any key, growing or not: succeeds exactly when it should.
    function extend(uint256 org, uint256 key, uint64 more) external {
        (org, key, more) = (org % ORGS, key % KEYS, more % 6);
        uint64 size = sizes[org] + more;
        Trees.Tree memory tree = _tree(org);
        bytes memory call = _call(tree, size, 1 + key, sizes[org]);
        if (more == 0 || states[org][key] != 1) {
            _fails(address(this), call, "a head moved that should not");
            return;
        }
        (bool done,) = address(ledger).call(call);
        check(done, "a good head is refused");
        _fails(address(this), call, "a head was replayed");
        (lastAnchor, sizes[org]) = (call, size);
        anchored.push(Known(orgs[org], epochs[org], size, tree.root(size)));
        records.push(ledger.anchorOf(orgs[org], tree.root(size)));
        ++accepted;
    }

    /// @dev Another history than the one anchored, with a good signature.
    function rewrite(uint256 org, uint256 key, uint64 more) external {
        (org, key) = (org % ORGS, key % KEYS);
        if (sizes[org] == 0) return;
        uint64 size = sizes[org] + 1 + more % 6;
        Trees.Tree memory other = Trees.plain(orgs[org], uint256(keccak256(abi.encode("other", more))));
        _fails(address(this), _call(other, size, 1 + key, sizes[org]), "a history was rewritten");
    }

    function replay() external {
        if (lastAnchor.length > 0) _fails(address(this), lastAnchor, "an old head was replayed");
    }

    function renew(uint256 org) external {
        org = org % ORGS;
        bytes memory call = abi.encodeCall(ledger.newEpoch, (orgs[org]));
        _fails(_admin((org + 1) % ORGS), call, "another began an epoch");
        if (epochs[org] == 3) return; // more of them show nothing new
        vm.prank(_admin(org));
        ledger.newEpoch(orgs[org]);
        (epochs[org], sizes[org]) = (epochs[org] + 1, 0);
    }

    function contradict(uint256 org, uint256 key, uint64 size) external {
        (org, key) = (org % ORGS, key % KEYS);
        Heads.Head memory one = Heads.Head(orgs[org], epochs[org], 0, size, keccak256("one"));
        Heads.Head memory two = Heads.Head(orgs[org], epochs[org], 0, size, keccak256("two"));
        bytes memory first = sign(1 + key, ledger.headDigest(one));
        bytes memory second = sign(1 + key, ledger.headDigest(two));
        bytes memory call = abi.encodeCall(ledger.reportEquivocation, (one, first, two, second));
        if (states[org][key] == 0 || taints[orgs[org]][epochs[org]] != 0) {
            _fails(address(this), call, "a taint was written that should not");
            return;
        }
        (bool done,) = address(ledger).call(call);
        check(done, "a contradiction is refused");
        taints[orgs[org]][epochs[org]] = keccak256(abi.encode(ledger.taintOf(orgs[org], epochs[org])));
    }

    /// @notice That everything is as it was last written rightly; reverts otherwise.
    function verifyAll() external view {
        for (uint256 i = 0; i < ORGS; ++i) {
            IExecutionLedger.Log memory log = ledger.logOf(orgs[i]);
            same(log.epoch, epochs[i], "epoch");
            same(log.size, sizes[i], "size");
            same(log.root, sizes[i] == 0 ? bytes32(0) : _tree(i).root(sizes[i]), "root");
            for (uint256 key = 0; key < KEYS; ++key) {
                if (states[i][key] != 0) same(_windowHash(i, key), windows[i][key], "window");
                check(registry.isLogKey(orgs[i], vm.addr(1 + key)) == (states[i][key] == 1), "key");
            }
            for (uint64 epoch = 0; epoch <= epochs[i]; ++epoch) {
                bytes32 taint = taints[orgs[i]][epoch];
                IExecutionLedger.Taint memory found = ledger.taintOf(orgs[i], epoch);
                check((found.blockNumber != 0) == (taint != 0), "taint");
                if (taint != 0) same(keccak256(abi.encode(found)), taint, "taint");
            }
        }
        for (uint256 i = 0; i < anchored.length; ++i) {
            IExecutionLedger.Anchor memory found = ledger.anchorOf(anchored[i].org, anchored[i].root);
            same(keccak256(abi.encode(found)), keccak256(abi.encode(records[i])), "record");
            same(found.size, anchored[i].size, "record's size");
            if (i > 0) _extends(i);
        }
    }

    /// @dev Within an epoch each head is larger than the one before.
    function _extends(uint256 i) private view {
        for (uint256 j = i; j > 0; --j) {
            Known memory before = anchored[j - 1];
            if (before.org != anchored[i].org) continue;
            if (before.epoch == anchored[i].epoch) check(before.size < anchored[i].size, "growth");
            return;
        }
    }

    function _open(uint256 org, uint256 key) private {
        addKey(_admin(org), orgs[org], 1, 1 + key);
        states[org][key] = 1;
        windows[org][key] = _windowHash(org, key);
    }

    function _call(Trees.Tree memory tree, uint64 size, uint256 key, uint64 old) private view returns (bytes memory) {
        Heads.Head memory next = Heads.Head(tree.org, ledger.logOf(tree.org).epoch, old, size, tree.root(size));
        bytes memory signature = sign(key, ledger.headDigest(next));
        bytes32[] memory proof = tree.consistency(old, size);
        return abi.encodeCall(ledger.anchor, (tree.org, size, next.root, proof, signature));
    }

    function _fails(address sender, bytes memory call, string memory what) private {
        vm.prank(sender);
        (bool done,) = address(ledger).call(call);
        check(!done, what);
    }

    /// @dev Each epoch has leaves of its own, so that no root stands twice.
    function _tree(uint256 org) private view returns (Trees.Tree memory) {
        return Trees.plain(orgs[org], uint256(keccak256(abi.encode(org, epochs[org]))));
    }

    function _windowHash(uint256 org, uint256 key) private view returns (bytes32) {
        return keccak256(abi.encode(windowOf(orgs[org], keyId(1, 1 + key))));
    }

    function _admin(uint256 org) private pure returns (address) {
        return address(uint160(0xAD000 + org));
    }
}
