// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOrgRegistry} from "../IOrgRegistry.sol";
import {World} from "./World.sol";

contract OrgRegistryTest is World {
    function testFuzz_the_id_is_of_creator_and_salt_alone(address creator, bytes32 salt, uint64 chain) public {
        vm.assume(creator != address(0));
        vm.chainId(within(chain, 1, type(uint64).max));
        vm.prank(creator);
        bytes32 org = registry.createOrg(salt);
        same(org, keccak256(abi.encode(keccak256("tallystick/org/v1"), creator, salt)), "id");
        same(registry.adminOf(org), creator, "administrator");
    }

    /// @dev Whoever copies a creation in flight gets an id of their own, and takes nothing away.
    function testFuzz_nobody_squats(address creator, address squatter, bytes32 salt) public {
        vm.assume(creator != address(0) && squatter != address(0) && creator != squatter);
        vm.prank(squatter);
        bytes32 other = registry.createOrg(salt);
        vm.prank(creator);
        bytes32 org = registry.createOrg(salt);
        check(org != other, "two ids");
        same(registry.adminOf(org), creator, "its own administrator");
    }

    function test_an_organisation_is_created_once() public {
        vm.prank(ALICE);
        bytes32 org = registry.createOrg(0);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryOrgExists.selector, org));
        registry.createOrg(0);
    }

    function test_only_the_administrator_acts() public {
        bytes32 org = enrol(ALICE, 1001);
        bytes32 id = keyId(1, 1001);
        bytes memory refusal = abi.encodeWithSelector(IOrgRegistry.OrgRegistryNotAdmin.selector, org, MALLORY);
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        registry.addKey(org, 1, 1, abi.encodePacked(MALLORY));
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        registry.retire(org, id);
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        registry.revoke(org, id, 0);
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        registry.transferAdmin(org, MALLORY);
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        ledger.newEpoch(org);
        vm.prank(MALLORY);
        vm.expectRevert(refusal);
        ledger.setQuorum(org, 2);
    }

    function test_administration_passes_in_two_steps() public {
        bytes32 org = enrol(ALICE, 1001);
        vm.prank(ALICE);
        registry.transferAdmin(org, BOB);
        same(registry.adminOf(org), ALICE, "an offer moves nothing");
        same(registry.pendingAdminOf(org), BOB, "the offer");
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryNotPendingAdmin.selector, org, MALLORY));
        registry.acceptAdmin(org);
        vm.prank(BOB);
        registry.acceptAdmin(org);
        same(registry.adminOf(org), BOB, "accepted");
        same(registry.pendingAdminOf(org), address(0), "the offer is used");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryNotAdmin.selector, org, ALICE));
        registry.transferAdmin(org, ALICE);
    }

    function test_a_withdrawn_offer_is_not_accepted() public {
        bytes32 org = enrol(ALICE, 1001);
        vm.prank(ALICE);
        registry.transferAdmin(org, BOB);
        vm.prank(ALICE);
        registry.transferAdmin(org, address(0));
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryNotPendingAdmin.selector, org, BOB));
        registry.acceptAdmin(org);
        // Nobody ever sends as the zero address; were it so, a withdrawn offer would still be none.
        check(registry.pendingAdminOf(org) == address(0), "no offer");
    }

    function testFuzz_a_key_id_is_the_hash_of_its_words(uint8 role, uint8 scheme, bytes calldata key) public view {
        same(
            registry.keyIdOf(role, scheme, key),
            keccak256(abi.encode(keccak256("tallystick/key/v1"), role, scheme, key)),
            "key id"
        );
    }

    /// @dev The registry lays the words out by hand when it looks a signer up: they must be those of `keyIdOf`.
    function testFuzz_signers_are_found_under_their_key_ids(address signer, uint8 role) public {
        vm.assume(signer != address(0) && role != 0);
        bytes32 org = enrol(ALICE, 1001);
        address[] memory one = new address[](1);
        one[0] = signer;
        check(!registry.areKeys(org, role, one) && !registry.wereKeys(org, role, one), "not added yet");
        vm.prank(ALICE);
        bytes32 id = registry.addKey(org, role, 1, abi.encodePacked(signer));
        same(id, registry.keyIdOf(role, 1, abi.encodePacked(signer)), "id");
        check(registry.areKeys(org, role, one) && registry.wereKeys(org, role, one), "open");
        check(registry.isLogKey(org, signer) == (role == 1), "role 1 alone signs heads");
        check(!registry.areKeys(org, role ^ 0x80, one), "another role");
        check(!registry.wereKeys(bytes32(uint256(org) ^ 1), role, one), "another organisation");
        vm.prank(ALICE);
        registry.retire(org, id);
        check(!registry.areKeys(org, role, one) && registry.wereKeys(org, role, one), "closed");
    }

    function test_all_of_the_signers_must_be_keys() public {
        uint256[] memory keys = ordered(1001, 3);
        bytes32 org = enrol(ALICE, keys);
        address[] memory signers = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            signers[i] = vm.addr(keys[i]);
        }
        check(registry.areKeys(org, 1, signers), "all open");
        for (uint256 i = 0; i < 3; ++i) {
            address real = signers[i];
            signers[i] = MALLORY;
            check(!registry.areKeys(org, 1, signers) && !registry.wereKeys(org, 1, signers), "one stranger");
            signers[i] = real;
        }
        check(!registry.areKeys(org, 1, new address[](0)) && !registry.wereKeys(org, 1, new address[](0)), "nobody");
        bytes32 id = keyId(1, keys[1]);
        vm.prank(ALICE);
        registry.revoke(org, id, 0);
        check(!registry.areKeys(org, 1, signers) && registry.wereKeys(org, 1, signers), "one revoked");
        address[] memory many = new address[](17);
        for (uint256 i = 0; i < 17; ++i) {
            many[i] = vm.addr(keys[0]);
        }
        check(!registry.areKeys(org, 1, many) && !registry.wereKeys(org, 1, many), "seventeen");
    }

    function test_keys_without_sense_are_refused() public {
        bytes32 org = enrol(ALICE, 1001);
        _refused(org, 0, 1, abi.encodePacked(BOB));
        _refused(org, 1, 0, abi.encodePacked(BOB));
        _refused(org, 1, 1, abi.encodePacked(address(0)));
        _refused(org, 1, 1, abi.encodePacked(BOB, uint8(0)));
        _refused(org, 1, 1, hex"01");
        _refused(org, 1, 2, "");
        _refused(org, 1, 2, new bytes(4097));
        vm.prank(ALICE);
        registry.addKey(org, 1, 2, new bytes(4096));
    }

    /// @dev Closes in either way at chosen blocks; the window never changes again, whatever is tried.
    function testFuzz_windows_are_written_once(uint64 wait, uint64 noted, bool retiredFirst) public {
        bytes32 org = enrol(ALICE, 1001);
        bytes32 id = keyId(1, 1001);
        wait = uint64(within(wait, 1, 1 << 40));
        vm.roll(100 + wait);
        if (retiredFirst) {
            vm.prank(ALICE);
            registry.retire(org, id);
            vm.prank(ALICE);
            vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryWindowClosed.selector, org, id));
            registry.retire(org, id);
        }
        vm.prank(ALICE);
        registry.revoke(org, id, noted);
        IOrgRegistry.Window memory window = windowOf(org, id);
        same(window.addedAt, 100, "added");
        same(window.retiredAt, retiredFirst ? 100 + wait : 0, "retired");
        same(window.revokedAt, 100 + wait, "revoked");
        same(window.compromisedSince, noted, "noted");
        vm.roll(1 << 50);
        bytes memory closed = abi.encodeWithSelector(IOrgRegistry.OrgRegistryWindowClosed.selector, org, id);
        vm.prank(ALICE);
        vm.expectRevert(closed);
        registry.retire(org, id);
        vm.prank(ALICE);
        vm.expectRevert(closed);
        registry.revoke(org, id, 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IOrgRegistry.OrgRegistryKeyExists.selector, org, id));
        registry.addKey(org, 1, 1, abi.encodePacked(vm.addr(1001)));
        same(keccak256(abi.encode(windowOf(org, id))), keccak256(abi.encode(window)), "unchanged");
    }

    /// @dev A note of compromise, however far back, changes nothing about blocks before the revocation.
    function testFuzz_a_key_is_good_before_its_closures_block(uint64 noted, uint64 asked) public {
        bytes32 org = enrol(ALICE, 1001);
        bytes32 id = keyId(1, 1001);
        vm.roll(200);
        vm.prank(ALICE);
        registry.revoke(org, id, noted);
        asked = uint64(within(asked, 0, 400));
        check(registry.isGoodAt(org, id, asked) == (asked >= 100 && asked < 200), "revoked at 200");
        check(registry.isGoodAt(org, id, 199) && !registry.isGoodAt(org, id, 200), "edge");
        bytes32 second = addKey(ALICE, org, 1, 1002);
        check(registry.isGoodAt(org, second, 200) && !registry.isGoodAt(org, second, 199), "added at 200");
        vm.roll(300);
        vm.prank(ALICE);
        registry.retire(org, second);
        check(registry.isGoodAt(org, second, 299) && !registry.isGoodAt(org, second, 300), "retired at 300");
        check(!registry.isGoodAt(org, bytes32(0), asked), "unknown");
    }

    function test_unknown_keys_are_not_closed() public {
        bytes32 org = enrol(ALICE, 1001);
        bytes memory unknown = abi.encodeWithSelector(IOrgRegistry.OrgRegistryUnknownKey.selector, org, bytes32(0));
        vm.prank(ALICE);
        vm.expectRevert(unknown);
        registry.retire(org, 0);
        vm.prank(ALICE);
        vm.expectRevert(unknown);
        registry.revoke(org, 0, 0);
    }

    function test_events_tell_what_happened() public {
        bytes32 org = registry.orgId(ALICE, 0);
        vm.expectEmit();
        emit IOrgRegistry.OrgCreated(org, ALICE, 0);
        vm.prank(ALICE);
        registry.createOrg(0);
        bytes memory key = abi.encodePacked(BOB);
        bytes32 id = registry.keyIdOf(1, 1, key);
        vm.expectEmit();
        emit IOrgRegistry.KeyAdded(org, id, 1, 1, key);
        vm.prank(ALICE);
        registry.addKey(org, 1, 1, key);
        vm.expectEmit();
        emit IOrgRegistry.KeyRetired(org, id);
        vm.prank(ALICE);
        registry.retire(org, id);
        vm.expectEmit();
        emit IOrgRegistry.KeyRevoked(org, id, 7);
        vm.prank(ALICE);
        registry.revoke(org, id, 7);
        vm.expectEmit();
        emit IOrgRegistry.AdminTransferStarted(org, ALICE, BOB);
        vm.prank(ALICE);
        registry.transferAdmin(org, BOB);
        vm.expectEmit();
        emit IOrgRegistry.AdminTransferred(org, ALICE, BOB);
        vm.prank(BOB);
        registry.acceptAdmin(org);
    }

    function _refused(bytes32 org, uint8 role, uint8 scheme, bytes memory key) private {
        vm.prank(ALICE);
        vm.expectRevert(IOrgRegistry.OrgRegistryInvalidKey.selector);
        registry.addKey(org, role, scheme, key);
    }
}
