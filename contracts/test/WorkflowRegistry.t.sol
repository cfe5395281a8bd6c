// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IWorkflowRegistry} from "../IWorkflowRegistry.sol";
import {Signatures} from "../Signatures.sol";
import {WorkflowRegistry} from "../WorkflowRegistry.sol";
import {World} from "./World.sol";

contract WorkflowRegistryTest is World {
    bytes32 internal constant HASH = keccak256("workflow");
    uint256 internal constant WORKFLOW_KEY = 2001;

    bytes32 internal one;
    bytes32 internal two;

    function setUp() public override {
        super.setUp();
        (one, two) = (enrol(ALICE, 1001), enrol(BOB, 1002));
        addKey(BOB, two, 2, WORKFLOW_KEY);
    }

    function testFuzz_registered_once_for_each_organisation(bytes32 hash) public {
        vm.assume(hash != 0);
        // Mallory copies the transaction first: it registers nothing for anybody else.
        bytes32 theirs = enrol(MALLORY, 1003);
        vm.prank(MALLORY);
        workflows.registerTrustedWorkflow(theirs, hash);
        same(workflows.registrationOf(one, hash).blockNumber, 0, "not taken");
        vm.expectEmit();
        emit IWorkflowRegistry.TrustedWorkflowRegistered(one, hash);
        _register(hash);
        same(workflows.registrationOf(one, hash).blockNumber, 100, "block");
        same(workflows.registrationOf(one, hash).time, 1_800_000_000, "time");
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryAlreadyRegistered.selector, one, hash));
        _register(hash);
    }

    function test_refused_from_others_and_without_a_hash() public {
        bytes memory refusal = abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryNotAdmin.selector, one, BOB);
        vm.prank(BOB);
        vm.expectRevert(refusal);
        workflows.registerTrustedWorkflow(one, HASH);
        vm.expectRevert(IWorkflowRegistry.WorkflowRegistryInvalidHash.selector);
        _register(0);
        _register(HASH);
        vm.prank(BOB);
        vm.expectRevert(refusal);
        workflows.deprecate(one, HASH);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryNotAdmin.selector, two, ALICE));
        workflows.endorse(one, HASH, two);
    }

    function test_deprecated_once_and_still_on_record() public {
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryNotRegistered.selector, one, HASH));
        workflows.deprecate(one, HASH);
        _register(HASH);
        vm.roll(200);
        vm.warp(1_800_001_000);
        vm.expectEmit();
        emit IWorkflowRegistry.WorkflowDeprecated(one, HASH);
        vm.prank(ALICE);
        workflows.deprecate(one, HASH);
        IWorkflowRegistry.Registration memory found = workflows.registrationOf(one, HASH);
        same(found.blockNumber, 100, "registered");
        same(found.time, 1_800_000_000, "registered then");
        same(found.deprecatedAt, 200, "deprecated");
        same(found.deprecatedTime, 1_800_001_000, "deprecated then");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryDeprecated.selector, one, HASH));
        workflows.deprecate(one, HASH);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryDeprecated.selector, one, HASH));
        workflows.endorse(one, HASH, two);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryAlreadyRegistered.selector, one, HASH));
        _register(HASH);
    }

    function test_endorsed_once_by_another_organisation() public {
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryNotRegistered.selector, one, HASH));
        workflows.endorse(one, HASH, two);
        _register(HASH);
        vm.expectEmit();
        emit IWorkflowRegistry.WorkflowEndorsed(one, HASH, two);
        vm.prank(BOB);
        workflows.endorse(one, HASH, two);
        same(workflows.endorsementOf(one, HASH, two).blockNumber, 100, "block");
        same(workflows.endorsementOf(one, HASH, two).time, 1_800_000_000, "time");
        vm.prank(BOB);
        vm.expectRevert(
            abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryAlreadyEndorsed.selector, one, HASH, two)
        );
        workflows.endorse(one, HASH, two);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryInvalidEndorser.selector, one));
        workflows.endorse(one, HASH, one);
    }

    function testFuzz_anybody_relays_a_signed_endorsement(address relayer, bytes32 hash) public {
        vm.assume(hash != 0);
        _register(hash);
        bytes memory signature = sign(WORKFLOW_KEY, workflows.endorsementDigest(one, hash, two));
        vm.prank(relayer);
        workflows.endorseSigned(one, hash, two, signature);
        same(workflows.endorsementOf(one, hash, two).blockNumber, 100, "endorsed");
        vm.expectRevert(
            abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryAlreadyEndorsed.selector, one, hash, two)
        );
        workflows.endorseSigned(one, hash, two, signature);
    }

    function test_the_digest_is_eip_712s() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Tallystick WorkflowRegistry"),
                keccak256("1"),
                block.chainid,
                address(workflows)
            )
        );
        bytes32 content = keccak256(
            abi.encode(keccak256("Endorsement(bytes32 org,bytes32 workflowHash,bytes32 endorser)"), one, HASH, two)
        );
        same(workflows.endorsementDigest(one, HASH, two), keccak256(bytes.concat(hex"1901", domain, content)), "digest");
    }

    function test_keys_of_other_roles_and_organisations_endorse_nothing() public {
        _register(HASH);
        bytes32 digest = workflows.endorsementDigest(one, HASH, two);
        addKey(ALICE, one, 2, 2002);
        bytes memory refusal = abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryInvalidSigners.selector, two);
        // Bob's key for heads, Alice's for workflows, and nobody's.
        uint256[3] memory strangers = [uint256(1002), 2002, 3003];
        for (uint256 i = 0; i < 3; ++i) {
            bytes memory signature = sign(strangers[i], digest);
            vm.expectRevert(refusal);
            workflows.endorseSigned(one, HASH, two, signature);
        }
        bytes32 id = keyId(2, WORKFLOW_KEY);
        vm.prank(BOB);
        registry.revoke(two, id, 0);
        bytes memory revoked = sign(WORKFLOW_KEY, digest);
        vm.expectRevert(refusal);
        workflows.endorseSigned(one, HASH, two, revoked);
    }

    function test_no_replay_over_entries_chains_and_contracts() public {
        _register(HASH);
        _register(keccak256("another"));
        bytes memory signature = sign(WORKFLOW_KEY, workflows.endorsementDigest(one, HASH, two));
        bytes memory refusal = abi.encodeWithSelector(IWorkflowRegistry.WorkflowRegistryInvalidSigners.selector, two);
        vm.expectRevert(refusal);
        workflows.endorseSigned(one, keccak256("another"), two, signature);
        vm.chainId(5);
        vm.expectRevert(refusal);
        workflows.endorseSigned(one, HASH, two, signature);
        vm.chainId(31337);
        WorkflowRegistry another = new WorkflowRegistry(registry);
        vm.prank(ALICE);
        another.registerTrustedWorkflow(one, HASH);
        vm.expectRevert(refusal);
        another.endorseSigned(one, HASH, two, signature);
        workflows.endorseSigned(one, HASH, two, signature);
    }

    function test_bytes_that_are_no_signatures_endorse_nothing() public {
        _register(HASH);
        vm.expectRevert(abi.encodeWithSelector(Signatures.SignaturesWrongLength.selector, 0));
        workflows.endorseSigned(one, HASH, two, "");
        vm.expectRevert(abi.encodeWithSelector(Signatures.SignaturesMalformed.selector, 0));
        workflows.endorseSigned(one, HASH, two, new bytes(65));
    }

    function _register(bytes32 hash) private {
        vm.prank(ALICE);
        workflows.registerTrustedWorkflow(one, hash);
    }
}
