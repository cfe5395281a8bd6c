// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Signatures
/// @notice Reads secp256k1 signatures over EIP-712 digests, in the one form that each has.
/// @dev Several signatures stand behind each other, 65 bytes each (r ‖ s ‖ v), in the ascending order of their signers'
/// addresses: the order makes a repeated signer visible in one pass, and leaves a set of signatures one encoding.
library Signatures {
    /// @dev Signers of one statement: a bound for the loops, above any quorum that organisations work with.
    uint256 internal constant MAX_SIGNERS = 16;

    uint256 private constant BYTES = 65;

    /// @dev The precompiled contract (yellow paper, appendix E).
    uint256 private constant ECRECOVER = 1;

    /// @dev Half the order of secp256k1: a signature with a greater s is a second form of another one (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice No signature, more than 16, or bytes that are no whole number of signatures.
    error SignaturesWrongLength(uint256 length);

    /// @notice A signature in another form than the canonical one, or one that recovers to nobody.
    error SignaturesMalformed(uint256 position);

    /// @notice A signer who is not above the one before: unordered, or there twice.
    error SignaturesNotAscending(uint256 position);

    /// @notice The EIP-712 digest of `content` (a struct's hash) for this contract on this chain.
    /// @dev The domain is computed anew each time, so that after a chain's fork nothing is good for both.
    function digest(bytes32 name, bytes32 content) internal view returns (bytes32 hash) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, name, VERSION, block.chainid, address(this)));
        // `keccak256(0x1901 ‖ domain ‖ content)`, in place.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hex"1901")
            mstore(add(free, 0x02), domain)
            mstore(add(free, 0x22), content)
            hash := keccak256(free, 0x42)
        }
    }

    /// @notice Who signed `hash`: 1 to 16 addresses, none zero, strictly ascending. Reverts for anything else.
    function signers(bytes32 hash, bytes calldata signatures) internal view returns (address[] memory found) {
        uint256 count = signatures.length / BYTES;
        if (count == 0 || count > MAX_SIGNERS || signatures.length != count * BYTES) {
            revert SignaturesWrongLength(signatures.length);
        }
        found = new address[](count);
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address signer = _recover(hash, signatures, i);
            // Zero stands below every address, so it is told apart only where it fails.
            if (signer <= previous) {
                if (signer == address(0)) revert SignaturesMalformed(i);
                revert SignaturesNotAscending(i);
            }
            // In place: `i` is below the array's length, and every signature of every anchor comes by.
            assembly ("memory-safe") {
                mstore(add(found, shl(5, add(i, 1))), signer)
            }
            previous = signer;
        }
    }

    /// @dev Zero for anything but r, s ≤ n/2 and v of 27 or 28 by somebody. The caller has checked the length. By hand,
    /// because slices check each bound again and every anchor comes by.
    function _recover(bytes32 hash, bytes calldata signatures, uint256 position) private view returns (address signer) {
        uint256 s;
        assembly ("memory-safe") {
            let offset := add(signatures.offset, mul(position, BYTES))
            let free := mload(0x40)
            mstore(free, hash)
            mstore(add(free, 0x20), byte(0, calldataload(add(offset, 0x40))))
            calldatacopy(add(free, 0x40), offset, 0x40)
            s := calldataload(add(offset, 0x20))
            // The precompile answers nothing at all for a signature that recovers to nobody, and for any other v.
            mstore(0x00, 0)
            pop(staticcall(gas(), ECRECOVER, free, 0x80, 0x00, 0x20))
            signer := mload(0x00)
        }
        if (s > HALF_ORDER) signer = address(0);
    }
}
