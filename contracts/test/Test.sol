// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The cheat codes of forge that these tests use
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function roll(uint256 blockNumber) external;
    function warp(uint256 time) external;
    function chainId(uint256 id) external;
    function assume(bool condition) external pure;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectEmit() external;
    function getBlockNumber() external view returns (uint256);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
}

/// @title Test
/// @notice Assertions, and no more: a test fails when it reverts.
abstract contract Test {
    /// @dev Where forge answers: the low 20 bytes of keccak256("hevm cheat code").
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    error NotTrue(string what);
    error NotEqual(bytes32 found, bytes32 expected, string what);

    function check(bool holds, string memory what) internal pure {
        if (!holds) revert NotTrue(what);
    }

    function same(bytes32 found, bytes32 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(found, expected, what);
    }

    function same(uint256 found, uint256 expected, string memory what) internal pure {
        same(bytes32(found), bytes32(expected), what);
    }

    function same(address found, address expected, string memory what) internal pure {
        same(uint256(uint160(found)), uint256(uint160(expected)), what);
    }

    /// @dev A number within [low, high], from one that a fuzzer chose.
    function within(uint256 number, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + number % (high - low + 1);
    }
}
