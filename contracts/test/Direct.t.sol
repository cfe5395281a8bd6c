// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ExecutionLedger} from "../ExecutionLedger.sol";
import {IExecutionLedger} from "../IExecutionLedger.sol";
import {World} from "./World.sol";

/// @title Single executions: started by a key of the organisation, completed once by whom the start names
contract DirectTest is World {
    uint256 internal constant KEY = 1001;
    bytes32 internal constant EXECUTION = keccak256("execution");
    bytes32 internal constant WORKFLOW = keccak256("workflow");
    bytes32 internal constant RESULT = keccak256("result");

    bytes32 internal org;

    function setUp() public override {
        super.setUp();
        org = enrol(ALICE, KEY);
    }

    function testFuzz_started_and_completed_by_an_address(address completer, uint8 status, bytes32 result) public {
        vm.assume(completer != address(0));
        status = uint8(within(status, 1, 4));
        vm.expectEmit();
        emit IExecutionLedger.ExecutionStarted(org, EXECUTION, WORKFLOW, word(completer));
        IExecutionLedger.Start memory start = _start(word(completer));
        bytes32 commitment = keccak256(abi.encode(keccak256("tallystick/start/v1"), start));
        same(ledger.getExecutionProof(org, EXECUTION), commitment, "start");
        same(ledger.startCommitment(start), commitment, "start, computed");
        vm.roll(200);
        vm.warp(1_800_000_900);
        vm.expectEmit();
        emit IExecutionLedger.ExecutionCompleted(org, EXECUTION, result, status);
        vm.prank(completer);
        ledger.completeExecution(start, result, status);
        _completed(start, result, status);
        // Once: neither again, nor started again.
        bytes memory done = abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotStarted.selector, org, EXECUTION);
        vm.prank(completer);
        vm.expectRevert(done);
        ledger.completeExecution(start, result, status);
        vm.prank(vm.addr(KEY));
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerAlreadyStarted.selector, org, EXECUTION));
        ledger.startExecution(org, EXECUTION, WORKFLOW, word(completer));
    }

    function test_only_open_log_keys_start() public {
        bytes32 completer = word(BOB);
        _notLogKey(ALICE, completer); // the administrator is no key
        addKey(ALICE, org, 2, 1002);
        _notLogKey(vm.addr(1002), completer);
        bytes32 id = keyId(1, KEY);
        vm.prank(ALICE);
        registry.retire(org, id);
        _notLogKey(vm.addr(KEY), completer);
    }

    function test_a_start_names_everything() public {
        bytes32[3][3] memory missing =
            [[bytes32(0), WORKFLOW, word(BOB)], [EXECUTION, bytes32(0), word(BOB)], [EXECUTION, WORKFLOW, bytes32(0)]];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(vm.addr(KEY));
            vm.expectRevert(IExecutionLedger.ExecutionLedgerInvalidExecution.selector);
            ledger.startExecution(org, missing[i][0], missing[i][1], missing[i][2]);
        }
    }

    function testFuzz_others_complete_nothing(address other) public {
        vm.assume(other != BOB);
        IExecutionLedger.Start memory start = _start(word(BOB));
        bytes memory refusal = _notCompleter();
        vm.prank(other);
        vm.expectRevert(refusal);
        ledger.completeExecution(start, RESULT, 1);
    }

    function testFuzz_facts_that_were_not_the_starts_complete_nothing(uint8 field, uint64 delta) public {
        delta = uint64(within(delta, 1, 1000));
        IExecutionLedger.Start memory start = _start(word(BOB));
        if (field % 5 == 0) start.org = bytes32(uint256(start.org) ^ delta);
        if (field % 5 == 1) start.execution = bytes32(uint256(start.execution) ^ delta);
        if (field % 5 == 2) start.workflowHash = bytes32(uint256(start.workflowHash) ^ delta);
        if (field % 5 == 3) start.blockNumber += delta;
        if (field % 5 == 4) start.time += delta;
        vm.prank(BOB);
        vm.expectRevert(
            abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotStarted.selector, start.org, start.execution)
        );
        ledger.completeExecution(start, RESULT, 1);
    }

    /// @dev Naming oneself in the facts makes nobody the completer.
    function test_a_completer_is_not_replaced() public {
        IExecutionLedger.Start memory start = _start(word(BOB));
        start.completer = word(MALLORY);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotStarted.selector, org, EXECUTION));
        ledger.completeExecution(start, RESULT, 1);
    }

    function testFuzz_statuses_are_one_to_four(uint8 status) public {
        vm.assume(status == 0 || status > 4);
        IExecutionLedger.Start memory start = _start(word(BOB));
        vm.prank(BOB);
        vm.expectRevert(IExecutionLedger.ExecutionLedgerInvalidExecution.selector);
        ledger.completeExecution(start, RESULT, status);
    }

    function testFuzz_completed_by_a_quorum_of_parties(uint8 size, uint8 quorum, uint16 chosen, address relayer)
        public
    {
        uint256 parties = within(size, 1, 16);
        quorum = uint8(within(quorum, 1, parties));
        uint256[] memory keys = ordered(1, parties);
        IExecutionLedger.Start memory start = _start(ledger.partiesId(quorum, _addresses(keys)));
        uint256[] memory signing = _chosen(keys, chosen);
        vm.assume(signing.length > 0);
        bytes memory signatures = sign(signing, _digest(start, 2));
        if (signing.length < quorum) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IExecutionLedger.ExecutionLedgerQuorumNotMet.selector, org, signing.length, quorum
                )
            );
        }
        vm.prank(relayer);
        ledger.completeExecutionSigned(start, RESULT, 2, quorum, _addresses(keys), signatures);
        if (signing.length >= quorum) _completed(start, RESULT, 2);
    }

    function test_the_digest_is_eip_712s() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Tallystick ExecutionLedger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256("ExecutionCompletion(bytes32 start,bytes32 resultHash,uint8 status)"), EXECUTION, RESULT, 3
            )
        );
        same(
            ledger.completionDigest(EXECUTION, RESULT, 3), keccak256(bytes.concat(hex"1901", domain, content)), "digest"
        );
    }

    function test_strangers_are_no_parties() public {
        uint256[] memory keys = ordered(1, 3);
        address[] memory parties = _addresses(keys);
        IExecutionLedger.Start memory start = _start(ledger.partiesId(2, parties));
        bytes32 digest = _digest(start, 1);
        bytes memory refusal = abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerInvalidSigners.selector, org);
        // Two of the three with somebody else, wherever that one falls in the order.
        for (uint256 stranger = 50; stranger < 60; ++stranger) {
            bytes memory signatures = sign(_ordered(keys[0], keys[2], stranger), digest);
            vm.expectRevert(refusal);
            ledger.completeExecutionSigned(start, RESULT, 1, 2, parties, signatures);
        }
    }

    function test_other_parties_or_quorums_than_the_starts_complete_nothing() public {
        uint256[] memory keys = ordered(1, 3);
        IExecutionLedger.Start memory start = _start(ledger.partiesId(2, _addresses(keys)));
        bytes memory one = sign(list(keys[0]), _digest(start, 1));
        bytes memory refusal = _notCompleter();
        vm.expectRevert(refusal);
        ledger.completeExecutionSigned(start, RESULT, 1, 1, _addresses(keys), one);
        vm.expectRevert(refusal);
        ledger.completeExecutionSigned(start, RESULT, 1, 1, _addresses(list(keys[0])), one);
        // An address as completer is nobody's `partiesId`.
        vm.prank(vm.addr(KEY));
        ledger.startExecution(org, RESULT, WORKFLOW, word(vm.addr(1)));
        start.execution = RESULT;
        start.completer = word(vm.addr(1));
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotCompleter.selector, org, RESULT));
        ledger.completeExecutionSigned(start, RESULT, 1, 1, _addresses(list(1)), one);
    }

    function test_parties_are_bounded_ascending_and_nobody_twice() public {
        uint256[] memory keys = ordered(1, 17);
        address[] memory parties = _addresses(keys);
        _invalidParties(1, parties); // 17
        _invalidParties(1, new address[](0));
        _invalidParties(0, _addresses(list(1)));
        _invalidParties(2, _addresses(list(1)));
        address[] memory pair = new address[](2);
        _invalidParties(1, pair); // two zeros
        pair[1] = parties[1];
        _invalidParties(1, pair); // a zero first
        pair[0] = parties[1];
        _invalidParties(1, pair); // one twice
        pair[0] = parties[2];
        _invalidParties(1, pair); // descending
        pair[0] = parties[0];
        same(
            ledger.partiesId(2, pair),
            keccak256(abi.encode(keccak256("tallystick/parties/v1"), uint8(2), pair)),
            "parties id"
        );
    }

    function test_no_replay_over_executions_results_chains_and_contracts() public {
        uint256[] memory keys = ordered(1, 2);
        address[] memory parties = _addresses(keys);
        IExecutionLedger.Start memory start = _start(ledger.partiesId(2, parties));
        bytes memory signatures = sign(keys, _digest(start, 1));
        // Recovering over another digest gives somebody, in no order that was chosen: some refusal, whichever.
        vm.expectRevert();
        ledger.completeExecutionSigned(start, keccak256("another"), 1, 2, parties, signatures);
        vm.expectRevert();
        ledger.completeExecutionSigned(start, RESULT, 2, 2, parties, signatures);
        vm.chainId(5);
        vm.expectRevert();
        ledger.completeExecutionSigned(start, RESULT, 1, 2, parties, signatures);
        vm.chainId(31337);
        ExecutionLedger first = ledger;
        setUp();
        check(address(first) != address(ledger), "another ledger");
        same(keccak256(abi.encode(_start(start.completer))), keccak256(abi.encode(start)), "the same start");
        vm.expectRevert();
        ledger.completeExecutionSigned(start, RESULT, 1, 2, parties, signatures);
        first.completeExecutionSigned(start, RESULT, 1, 2, parties, signatures);
    }

    function _start(bytes32 completer) private returns (IExecutionLedger.Start memory) {
        vm.prank(vm.addr(KEY));
        ledger.startExecution(org, EXECUTION, WORKFLOW, completer);
        return IExecutionLedger.Start(
            org, EXECUTION, WORKFLOW, completer, uint64(vm.getBlockNumber()), uint64(block.timestamp)
        );
    }

    function _completed(IExecutionLedger.Start memory start, bytes32 result, uint8 status) private view {
        IExecutionLedger.Completion memory completion =
            IExecutionLedger.Completion(result, status, uint64(vm.getBlockNumber()), uint64(block.timestamp));
        bytes32 commitment =
            keccak256(abi.encode(keccak256("tallystick/completion/v1"), ledger.startCommitment(start), completion));
        same(ledger.getExecutionProof(org, EXECUTION), commitment, "completion");
        same(ledger.completionCommitment(start, completion), commitment, "completion, computed");
    }

    function _digest(IExecutionLedger.Start memory start, uint8 status) private view returns (bytes32) {
        return ledger.completionDigest(ledger.startCommitment(start), RESULT, status);
    }

    function _notLogKey(address sender, bytes32 completer) private {
        vm.prank(sender);
        vm.expectRevert(abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotLogKey.selector, org, sender));
        ledger.startExecution(org, EXECUTION, WORKFLOW, completer);
    }

    function _invalidParties(uint8 quorum, address[] memory parties) private {
        vm.expectRevert(IExecutionLedger.ExecutionLedgerInvalidParties.selector);
        ledger.partiesId(quorum, parties);
    }

    function _notCompleter() private view returns (bytes memory) {
        return abi.encodeWithSelector(IExecutionLedger.ExecutionLedgerNotCompleter.selector, org, EXECUTION);
    }

    function _addresses(uint256[] memory keys) private pure returns (address[] memory found) {
        found = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            found[i] = vm.addr(keys[i]);
        }
    }

    function _chosen(uint256[] memory keys, uint16 bits) private pure returns (uint256[] memory few) {
        uint256 count = 0;
        for (uint256 i = 0; i < keys.length; ++i) {
            count += bits >> i & 1;
        }
        few = new uint256[](count);
        for (uint256 i = keys.length; i > 0; --i) {
            if (bits >> (i - 1) & 1 == 1) few[--count] = keys[i - 1];
        }
    }

    function _ordered(uint256 a, uint256 b, uint256 c) private pure returns (uint256[] memory keys) {
        keys = new uint256[](3);
        (keys[0], keys[1], keys[2]) = (a, b, c);
        for (uint256 i = 1; i < 3; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(keys[j - 1]) > vm.addr(keys[j]); --j) {
                (keys[j - 1], keys[j]) = (keys[j], keys[j - 1]);
            }
        }
    }
}
