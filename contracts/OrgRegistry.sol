// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOrgRegistry} from "./IOrgRegistry.sol";

/// @title OrgRegistry
/// @notice See IOrgRegistry. Immutable: no owner, no proxy, no pause. ExecutionLedger inherits it, so that looking up a
/// signer's key is no call of another contract (contracts/SPEC.md has what that saves).
contract OrgRegistry is IOrgRegistry {
    bytes32 private constant ORG_TAG = keccak256("tallystick/org/v1");
    bytes32 private constant KEY_TAG = keccak256("tallystick/key/v1");
    uint8 internal constant ROLE_LOG = 1;
    uint8 private constant SCHEME_SECP256K1 = 1;

    /// @dev Bytes; enough for the public keys of the post-quantum schemes that may come.
    uint256 private constant MAX_KEY = 4096;

    /// @dev Signers asked for at once; a bound for the loops.
    uint256 private constant MAX_SIGNERS = 16;

    /// @dev Where `addedAt`, and `retiredAt` and `revokedAt`, stand in a window's word.
    uint256 private constant ADDED = 0xffffffffffffffff;
    uint256 private constant RETIRED_OR_REVOKED = 0xffffffffffffffffffffffffffffffff0000000000000000;

    mapping(bytes32 org => address) private _admins;
    mapping(bytes32 org => address) private _pendingAdmins;
    mapping(bytes32 org => mapping(bytes32 keyId => Window)) private _windows;

    modifier onlyAdmin(bytes32 org) {
        if (_admins[org] != msg.sender) revert OrgRegistryNotAdmin(org, msg.sender);
        _;
    }

    /// @inheritdoc IOrgRegistry
    function createOrg(bytes32 salt) external returns (bytes32 org) {
        org = orgId(msg.sender, salt);
        if (_admins[org] != address(0)) revert OrgRegistryOrgExists(org);
        _admins[org] = msg.sender;
        emit OrgCreated(org, msg.sender, salt);
    }

    /// @inheritdoc IOrgRegistry
    function transferAdmin(bytes32 org, address pendingAdmin) external onlyAdmin(org) {
        _pendingAdmins[org] = pendingAdmin;
        emit AdminTransferStarted(org, msg.sender, pendingAdmin);
    }

    /// @inheritdoc IOrgRegistry
    function acceptAdmin(bytes32 org) external {
        if (_pendingAdmins[org] != msg.sender) revert OrgRegistryNotPendingAdmin(org, msg.sender);
        address previousAdmin = _admins[org];
        delete _pendingAdmins[org];
        _admins[org] = msg.sender;
        emit AdminTransferred(org, previousAdmin, msg.sender);
    }

    /// @inheritdoc IOrgRegistry
    function addKey(bytes32 org, uint8 role, uint8 scheme, bytes calldata key)
        external
        onlyAdmin(org)
        returns (bytes32 keyId)
    {
        if (role == 0 || scheme == 0 || key.length == 0 || key.length > MAX_KEY) {
            revert OrgRegistryInvalidKey();
        }
        if (scheme == SCHEME_SECP256K1 && (key.length != 20 || bytes20(key) == 0)) revert OrgRegistryInvalidKey();
        keyId = keyIdOf(role, scheme, key);
        Window storage window = _windows[org][keyId];
        if (window.addedAt != 0) revert OrgRegistryKeyExists(org, keyId);
        window.addedAt = uint64(block.number);
        emit KeyAdded(org, keyId, role, scheme, key);
    }

    /// @inheritdoc IOrgRegistry
    function retire(bytes32 org, bytes32 keyId) external onlyAdmin(org) {
        Window storage window = _known(org, keyId);
        if (window.retiredAt != 0 || window.revokedAt != 0) revert OrgRegistryWindowClosed(org, keyId);
        window.retiredAt = uint64(block.number);
        emit KeyRetired(org, keyId);
    }

    /// @inheritdoc IOrgRegistry
    function revoke(bytes32 org, bytes32 keyId, uint64 compromisedSince) external onlyAdmin(org) {
        Window storage window = _known(org, keyId);
        if (window.revokedAt != 0) revert OrgRegistryWindowClosed(org, keyId);
        window.revokedAt = uint64(block.number);
        window.compromisedSince = compromisedSince;
        emit KeyRevoked(org, keyId, compromisedSince);
    }

    /// @inheritdoc IOrgRegistry
    function adminOf(bytes32 org) external view returns (address) {
        return _admins[org];
    }

    /// @inheritdoc IOrgRegistry
    function pendingAdminOf(bytes32 org) external view returns (address) {
        return _pendingAdmins[org];
    }

    /// @inheritdoc IOrgRegistry
    function windowOf(bytes32 org, bytes32 keyId) external view returns (Window memory) {
        return _windows[org][keyId];
    }

    /// @inheritdoc IOrgRegistry
    function isGoodAt(bytes32 org, bytes32 keyId, uint64 blockNumber) external view returns (bool) {
        Window memory window = _windows[org][keyId];
        if (window.addedAt == 0 || blockNumber < window.addedAt) return false;
        if (window.retiredAt != 0 && blockNumber >= window.retiredAt) return false;
        return window.revokedAt == 0 || blockNumber < window.revokedAt;
    }

    /// @inheritdoc IOrgRegistry
    function areKeys(bytes32 org, uint8 role, address[] memory signers) public view returns (bool) {
        return _all(org, role, signers, RETIRED_OR_REVOKED);
    }

    /// @inheritdoc IOrgRegistry
    function wereKeys(bytes32 org, uint8 role, address[] memory signers) public view returns (bool) {
        return _all(org, role, signers, 0);
    }

    /// @inheritdoc IOrgRegistry
    function isLogKey(bytes32 org, address signer) public view returns (bool) {
        return _all(org, ROLE_LOG, _only(signer), RETIRED_OR_REVOKED);
    }

    /// @inheritdoc IOrgRegistry
    function wasLogKey(bytes32 org, address signer) external view returns (bool) {
        return _all(org, ROLE_LOG, _only(signer), 0);
    }

    /// @inheritdoc IOrgRegistry
    function orgId(address admin, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(ORG_TAG, admin, salt));
    }

    /// @inheritdoc IOrgRegistry
    function keyIdOf(uint8 role, uint8 scheme, bytes memory key) public pure returns (bytes32) {
        return keccak256(abi.encode(KEY_TAG, role, scheme, key));
    }

    /// @dev Whether each of 1 to 16 `signers` has a window, with nothing in the bits of `closed`. A key id here is that
    /// of `keyIdOf` for the 20 bytes of the address: the six words to which `abi.encode` lays it out, of which only the
    /// last changes, and a window is one word. By hand, because every signature of every anchor comes by.
    function _all(bytes32 org, uint8 role, address[] memory signers, uint256 closed) private view returns (bool good) {
        if (signers.length == 0 || signers.length > MAX_SIGNERS) return false;
        (bytes32 tag, mapping(bytes32 keyId => Window) storage windows) = (KEY_TAG, _windows[org]);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, tag)
            mstore(add(free, 0x20), role)
            mstore(add(free, 0x40), SCHEME_SECP256K1)
            mstore(add(free, 0x60), 0x80)
            mstore(add(free, 0x80), 20)
            mstore(0x20, windows.slot)
            let bad := 0
            let end := add(add(signers, 0x20), shl(5, mload(signers)))
            for { let next := add(signers, 0x20) } lt(next, end) { next := add(next, 0x20) } {
                mstore(add(free, 0xa0), shl(96, mload(next)))
                mstore(0x00, keccak256(free, 0xc0))
                let word := sload(keccak256(0x00, 0x40))
                bad := or(bad, or(iszero(and(word, ADDED)), and(word, closed)))
            }
            good := iszero(bad)
        }
    }

    function _only(address signer) private pure returns (address[] memory signers) {
        signers = new address[](1);
        signers[0] = signer;
    }

    function _known(bytes32 org, bytes32 keyId) private view returns (Window storage window) {
        window = _windows[org][keyId];
        if (window.addedAt == 0) revert OrgRegistryUnknownKey(org, keyId);
    }
}
