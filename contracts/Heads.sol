// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Heads
/// @notice EIP-712 signatures over heads of organisations' logs, bound to one chain and one ledger.
library Heads {
    /// @notice That the tree of `newSize` leaves with `root` extends the tree of `oldSize`, in one epoch of one log.
    struct Head {
        bytes32 org;
        uint64 epoch;
        uint64 oldSize;
        uint64 newSize;
        bytes32 root;
    }

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant HEAD_TYPE =
        keccak256("Head(bytes32 org,uint64 epoch,uint64 oldSize,uint64 newSize,bytes32 root)");
    bytes32 private constant NAME = keccak256("Tallystick ExecutionLedger");
    bytes32 private constant VERSION = keccak256("1");

    /// @dev Half the order of secp256k1: a signature with a greater s is a second form of another one.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The digest that is signed. The domain is computed anew, so that a chain's fork cannot replay it.
    function digest(Head memory head) internal view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, address(this)));
        bytes32 content =
            keccak256(abi.encode(HEAD_TYPE, head.org, head.epoch, head.oldSize, head.newSize, head.root));
        return keccak256(bytes.concat(hex"1901", domain, content));
    }

    /// @notice Who signed; zero for anything but the one canonical 65-byte form (r, s ≤ n/2, v of 27 or 28).
    function signer(Head memory head, bytes calldata signature) internal view returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) return address(0);
        return ecrecover(digest(head), v, r, s);
    }
}
