// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Organisations and the windows in which their keys count
/// @notice An organisation's id depends on its first administrator and a salt only, so it is the same on every chain
/// and nobody else can take it. A key's window is written once: it opens when the key is added, and closes by
/// retirement or revocation, whichever comes first. Nothing here is ever deleted or reopened.
interface IOrgRegistry {
    /// @notice One key's window, in block numbers; zero means "has not happened".
    /// @param addedAt Block from which on the key counts.
    /// @param retiredAt First block in which it no longer counts, because it was replaced in good order.
    /// @param revokedAt First block in which it no longer counts, because it may be in other hands.
    /// @param compromisedSince What the organisation says of the past at revocation: a note, which rewrites nothing.
    struct Window {
        uint64 addedAt;
        uint64 retiredAt;
        uint64 revokedAt;
        uint64 compromisedSince;
    }

    event OrgCreated(bytes32 indexed org, address indexed admin, bytes32 salt);
    event AdminTransferStarted(bytes32 indexed org, address indexed admin, address indexed pendingAdmin);
    event AdminTransferred(bytes32 indexed org, address indexed previousAdmin, address indexed admin);
    event KeyAdded(bytes32 indexed org, bytes32 indexed keyId, uint8 role, uint8 scheme, bytes key);
    event KeyRetired(bytes32 indexed org, bytes32 indexed keyId);
    event KeyRevoked(bytes32 indexed org, bytes32 indexed keyId, uint64 compromisedSince);

    error OrgRegistryOrgExists(bytes32 org);
    error OrgRegistryNotAdmin(bytes32 org, address sender);
    error OrgRegistryNotPendingAdmin(bytes32 org, address sender);
    error OrgRegistryInvalidKey();
    error OrgRegistryKeyExists(bytes32 org, bytes32 keyId);
    error OrgRegistryUnknownKey(bytes32 org, bytes32 keyId);
    error OrgRegistryWindowClosed(bytes32 org, bytes32 keyId);

    /// @notice Creates the organisation of the sender and `salt`; the sender becomes its administrator.
    /// @return org Its id, as `orgId(msg.sender, salt)`.
    function createOrg(bytes32 salt) external returns (bytes32 org);

    /// @notice Offers the administration to `pendingAdmin`, who has to accept; zero withdraws an offer.
    function transferAdmin(bytes32 org, address pendingAdmin) external;

    /// @notice Accepts an offered administration.
    function acceptAdmin(bytes32 org) external;

    /// @notice Opens the window of a key, which no key has had in this organisation before.
    /// @param role What it may do: 1 signs heads of the organisation's log, 2 endorsements of workflows.
    /// @param scheme How it signs: 1 is secp256k1 with Keccak-256, `key` being the 20 bytes of the address.
    /// @return keyId As `keyIdOf(role, scheme, key)`.
    function addKey(bytes32 org, uint8 role, uint8 scheme, bytes calldata key) external returns (bytes32 keyId);

    /// @notice Closes the window of a key that was replaced.
    function retire(bytes32 org, bytes32 keyId) external;

    /// @notice Closes the window of a key that may be in other hands; a retired key may still be revoked.
    /// @param compromisedSince The block since when, as far as the organisation knows; zero when it does not.
    function revoke(bytes32 org, bytes32 keyId, uint64 compromisedSince) external;

    /// @notice The id of the organisation that `admin` creates, or created, with `salt`.
    function orgId(address admin, bytes32 salt) external pure returns (bytes32);

    /// @notice The id of a key.
    function keyIdOf(uint8 role, uint8 scheme, bytes memory key) external pure returns (bytes32);

    /// @notice The administrator; zero for an organisation that does not exist.
    function adminOf(bytes32 org) external view returns (address);

    /// @notice Who has been offered the administration; zero for nobody.
    function pendingAdminOf(bytes32 org) external view returns (address);

    /// @notice A key's window; all zero for one that was never added.
    function windowOf(bytes32 org, bytes32 keyId) external view returns (Window memory);

    /// @notice Whether a head that was anchored in `blockNumber` counts by this key's window: from the block in which the
    /// key was added on, before the block in which it was retired or revoked.
    function isGoodAt(bytes32 org, bytes32 keyId, uint64 blockNumber) external view returns (bool);

    /// @notice Whether all of `signers`, at least one, may sign in that role in this block.
    function areKeys(bytes32 org, uint8 role, address[] calldata signers) external view returns (bool);

    /// @notice Whether all of `signers`, at least one, ever were keys of that role.
    function wereKeys(bytes32 org, uint8 role, address[] calldata signers) external view returns (bool);

    /// @notice Whether `signer` may sign heads of the organisation's log in this block.
    function isLogKey(bytes32 org, address signer) external view returns (bool);

    /// @notice Whether `signer` ever was a key for heads of the organisation's log.
    function wasLogKey(bytes32 org, address signer) external view returns (bool);
}
