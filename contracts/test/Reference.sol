// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Reference
/// @notice RFC 9162 §2.1.3.2 and §2.1.4.2 as they stand there, step by step and for nothing else: what `Merkle` does in
/// fewer steps is compared with this, by fuzzing and by symbolic execution.
contract Reference {
    /// @notice §2.1.3.2.
    function inclusion(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata proof, bytes32 root)
        external
        pure
        returns (bool)
    {
        if (index >= size || proof.length > 64) return false; // 1; and our bound
        (bytes32 r, uint256 sn, bool early) = _climb(leaf, index, size - 1, proof);
        return !early && sn == 0 && r == root; // 5
    }

    /// @notice The root to which a proof of an existing leaf leads, right or wrong; zero when steps are missing.
    function climb(bytes32 leaf, uint256 index, uint256 size, bytes32[] calldata proof)
        external
        pure
        returns (bytes32 r)
    {
        if (index < size) (r,,) = _climb(leaf, index, size - 1, proof);
    }

    /// @notice §2.1.4.2, with the answers for a tree of nothing and for one size that the RFC leaves to the reader.
    function consistency(uint256 first, uint256 second, bytes32 firstRoot, bytes32 secondRoot, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        if (first > second || proof.length > 64) return false;
        if (first == 0) return proof.length == 0 && firstRoot == keccak256("");
        if (first == second) return proof.length == 0 && firstRoot == secondRoot;
        (bytes32 fr, bytes32 sr, uint256 sn, bool early) = _roots(first, second, firstRoot, proof);
        return !early && sn == 0 && fr == firstRoot && sr == secondRoot; // 7
    }

    /// @notice The two roots to which a consistency proof leads, right or wrong.
    function roots(uint256 first, uint256 second, bytes32 firstRoot, bytes32[] calldata proof)
        external
        pure
        returns (bytes32 fr, bytes32 sr)
    {
        if (first == 0) return (keccak256(""), firstRoot);
        if (first >= second) return (firstRoot, firstRoot);
        (fr, sr,,) = _roots(first, second, firstRoot, proof);
    }

    function _climb(bytes32 leaf, uint256 fn, uint256 sn, bytes32[] calldata proof)
        private
        pure
        returns (bytes32 r, uint256, bool)
    {
        r = leaf; // 3, with fn and sn of 2
        for (uint256 i = 0; i < proof.length; ++i) {
            bytes32 p = proof[i];
            if (sn == 0) return (r, sn, true); // 4.1
            if (fn & 1 == 1 || fn == sn) {
                r = _node(p, r); // 4.2.1
                while (fn & 1 == 0 && fn != 0) (fn, sn) = (fn >> 1, sn >> 1); // 4.2.2
            } else {
                r = _node(r, p); // 4.3
            }
            (fn, sn) = (fn >> 1, sn >> 1); // 4.4
        }
        return (r, sn, false);
    }

    function _roots(uint256 first, uint256 second, bytes32 firstRoot, bytes32[] calldata proof)
        private
        pure
        returns (bytes32 fr, bytes32 sr, uint256, bool)
    {
        bool power = first & (first - 1) == 0;
        if (!power && proof.length == 0) return (0, 0, 0, true); // 1
        fr = power ? firstRoot : proof[0]; // 2
        sr = fr; // 5
        (uint256 fn, uint256 sn) = (first - 1, second - 1); // 3
        while (fn & 1 == 1) (fn, sn) = (fn >> 1, sn >> 1); // 4
        for (uint256 i = power ? 0 : 1; i < proof.length; ++i) {
            bytes32 c = proof[i];
            if (sn == 0) return (fr, sr, sn, true); // 6.1
            if (fn & 1 == 1 || fn == sn) {
                (fr, sr) = (_node(c, fr), _node(c, sr)); // 6.2.1, 6.2.2
                while (fn & 1 == 0 && fn != 0) (fn, sn) = (fn >> 1, sn >> 1); // 6.2.3
            } else {
                sr = _node(sr, c); // 6.3
            }
            (fn, sn) = (fn >> 1, sn >> 1); // 6.4
        }
        return (fr, sr, sn, false);
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(bytes.concat(hex"01", left, right));
    }
}
