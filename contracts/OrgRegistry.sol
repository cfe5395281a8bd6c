// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOrgRegistry} from "./IOrgRegistry.sol";

/// @title OrgRegistry
/// @notice See IOrgRegistry. Immutable: no owner, no proxy, no pause.
contract OrgRegistry is IOrgRegistry {
    bytes32 private constant ORG_TAG = keccak256("tallystick/org/v1");
    bytes32 private constant KEY_TAG = keccak256("tallystick/key/v1");
    uint8 private constant ROLE_LOG = 1;
    uint8 private constant SCHEME_SECP256K1 = 1;

    /// @dev Bytes; enough for the public keys of the post-quantum schemes that may come.
    uint256 private constant MAX_KEY = 4096;

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
        if (role == 0 || scheme == 0 || key.length == 0 || key.length > MAX_KEY) revert OrgRegistryInvalidKey();
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
    function isLogKey(bytes32 org, address signer) external view returns (bool) {
        Window storage window = _windows[org][_logKeyId(signer)];
        return window.addedAt != 0 && window.retiredAt == 0 && window.revokedAt == 0;
    }

    /// @inheritdoc IOrgRegistry
    function wasLogKey(bytes32 org, address signer) external view returns (bool) {
        return _windows[org][_logKeyId(signer)].addedAt != 0;
    }

    /// @inheritdoc IOrgRegistry
    function orgId(address admin, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(ORG_TAG, admin, salt));
    }

    /// @inheritdoc IOrgRegistry
    function keyIdOf(uint8 role, uint8 scheme, bytes memory key) public pure returns (bytes32) {
        return keccak256(abi.encode(KEY_TAG, role, scheme, key));
    }

    function _logKeyId(address signer) private pure returns (bytes32) {
        return keyIdOf(ROLE_LOG, SCHEME_SECP256K1, abi.encodePacked(signer));
    }

    function _known(bytes32 org, bytes32 keyId) private view returns (Window storage window) {
        window = _windows[org][keyId];
        if (window.addedAt == 0) revert OrgRegistryUnknownKey(org, keyId);
    }
}
