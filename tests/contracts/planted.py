"""Faults to plant in the contracts, one at a time: each must fail a test of forge's."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """`old` stands in `contracts/<file>.sol`; the first occurrence is replaced."""

    file: str
    old: str
    new: str


L, R, W, S, M, H = "ExecutionLedger", "OrgRegistry", "WorkflowRegistry", "Signatures", "Merkle", "Heads"

_SWAPPED = "switch iszero(and(first, 1))\n                case 0 {\n                    mstore(left, leaf)"
_SWAPPED_NEWER = "switch iszero(and(first, 1))\n                case 0 {\n                    mstore(left, newer)"

# Those that symbolic execution has to find as well (`Proof.t.sol`).
MERKLE = [
    Fault(M, "if (index >= size || size", "if (index > size || size"),
    Fault(M, "return used == proof.length && leaf == root", "return used <= proof.length && leaf == root"),
    Fault(M, "return used == proof.length && leaf == root", "return leaf == root"),
    Fault(M, "switch and(first, 1)\n                case 0 {\n                    mstore(left, leaf)", _SWAPPED),
    Fault(M, "switch and(first, 1)\n                case 0 {\n                    mstore(left, newer)", _SWAPPED_NEWER),
    Fault(M, "first := and(first, sub(first, 1))", "first := shr(1, first)"),
    Fault(M, "mstore8(free, 0x01)", "mstore8(free, 0x00)"),
    Fault(M, "if (oldSize > newSize || newSize", "if (newSize"),
    Fault(M, "proof.length == 0 && oldRoot == EMPTY_ROOT", "proof.length == 0"),
    Fault(M, "return proof.length == 0 && oldRoot == newRoot", "return oldRoot == newRoot"),
    Fault(M, "return proof.length == 0 && oldRoot == newRoot", "return proof.length == 0"),
    Fault(M, "&& older == oldRoot && newer == newRoot", "&& newer == newRoot"),
    Fault(M, "&& older == oldRoot && newer == newRoot", "&& older == oldRoot"),
    Fault(M, "return used == proof.length && older", "return older"),
    Fault(M, "            if first {\n", "            if iszero(first) {\n"),
    Fault(M, "for {} and(first, 1) {", "for {} 0 {"),
]

FAULTS = [
    *MERKLE,
    Fault(M, "size > MAX_SIZE || proof", "proof"),
    Fault(M, "newSize > MAX_SIZE || proof", "proof"),
    Fault(M, "keccak256(bytes.concat(bytes1(0x00), data))", "keccak256(data)"),
    Fault(S, "count > MAX_SIGNERS || ", ""),
    Fault(S, " || signatures.length != count * BYTES", ""),
    Fault(S, "count == 0 || ", ""),
    Fault(S, "if (signer <= previous)", "if (signer < previous)"),
    Fault(S, "if (signer <= previous)", "if (signer == address(0))"),
    Fault(S, "            previous = signer;\n", ""),
    Fault(S, "if (s > HALF_ORDER) signer", "if (s == 0) signer"),
    Fault(S, "mstore(0x00, 0)\n            pop", "pop"),
    Fault(S, "block.chainid, address(this)", "uint256(1), address(this)"),
    Fault(S, "block.chainid, address(this)", "block.chainid, address(1)"),
    Fault(S, "DOMAIN_TYPE, name, VERSION", "DOMAIN_TYPE, VERSION, VERSION"),
    Fault(H, "HEAD_TYPE, org, epoch, oldSize", "HEAD_TYPE, bytes32(0), epoch, oldSize"),
    Fault(H, "HEAD_TYPE, org, epoch, oldSize", "HEAD_TYPE, org, uint64(0), oldSize"),
    Fault(H, "oldSize, newSize, root)))", "uint64(0), newSize, root)))"),
    Fault(H, "COMPLETION_TYPE, start, resultHash, status", "COMPLETION_TYPE, start, resultHash, uint8(1)"),
    Fault(H, "COMPLETION_TYPE, start, resultHash, status", "COMPLETION_TYPE, start, bytes32(0), status"),
    Fault(R, "keccak256(abi.encode(ORG_TAG, admin, salt))", "keccak256(abi.encode(ORG_TAG, salt))"),
    Fault(R, "if (_admins[org] != address(0)) revert", "if (false) revert"),
    Fault(R, "if (_admins[org] != msg.sender) revert", "if (false) revert"),
    Fault(R, "if (_pendingAdmins[org] != msg.sender) revert", "if (false) revert"),
    Fault(R, "        delete _pendingAdmins[org];\n", ""),
    Fault(R, "if (window.addedAt != 0) revert", "if (false) revert"),
    Fault(R, "if (window.retiredAt != 0 || window.revokedAt != 0) revert", "if (window.retiredAt != 0) revert"),
    Fault(R, "if (window.retiredAt != 0 || window.revokedAt != 0) revert", "if (window.revokedAt != 0) revert"),
    Fault(R, "if (window.revokedAt != 0) revert", "if (false) revert"),
    Fault(R, "window.revokedAt = uint64(block.number);", "window.revokedAt = compromisedSince;"),
    Fault(R, "if (window.addedAt == 0) revert", "if (false) revert"),
    Fault(R, "|| bytes20(key) == 0", ""),
    Fault(R, "key.length > MAX_KEY", "false"),
    Fault(R, "if and(word, closed) { good := 0 }", ""),
    Fault(R, "if iszero(and(word, ADDED)) { good := 0 }", ""),
    Fault(R, "mstore(add(free, 0x20), role)", "mstore(add(free, 0x20), 1)"),
    Fault(R, "blockNumber >= window.retiredAt", "blockNumber > window.retiredAt"),
    Fault(R, "blockNumber < window.revokedAt", "blockNumber <= window.revokedAt"),
    Fault(R, "blockNumber < window.addedAt", "false"),
    Fault(R, "if (signers.length == 0 || signers.length > MAX_SIGNERS) return false;", ""),
    Fault(W, "if (registry.adminOf(org) != msg.sender) revert", "if (false) revert"),
    Fault(W, "if (registration.blockNumber != 0) revert", "if (false) revert"),
    Fault(W, "if (registration.blockNumber == 0) revert", "if (false) revert"),
    Fault(W, "if (registration.deprecatedAt != 0) revert", "if (false) revert"),
    Fault(W, "if (endorsement.blockNumber != 0) revert", "if (false) revert"),
    Fault(W, "if (endorser == org) revert", "if (false) revert"),
    Fault(W, "if (workflowHash == 0) revert", "if (false) revert"),
    Fault(W, "if (!registry.areKeys(endorser, ROLE_WORKFLOWS, signers)) revert", "if (false) revert"),
    Fault(W, "areKeys(endorser, ROLE_WORKFLOWS", "areKeys(org, ROLE_WORKFLOWS"),
    Fault(W, "uint8 private constant ROLE_WORKFLOWS = 2", "uint8 private constant ROLE_WORKFLOWS = 1"),
    Fault(W, "ENDORSEMENT_TYPE, org, workflowHash, endorser", "ENDORSEMENT_TYPE, org, workflowHash, org"),
    Fault(L, "if (newSize <= log.size) revert", "if (newSize < log.size) revert"),
    Fault(L, "if (!Merkle.verifyConsistency(log.size, newSize, oldRoot, newRoot, proof)) {", "if (false) {"),
    Fault(L, "Heads.digest(org, log.epoch, log.size", "Heads.digest(org, log.epoch, 0"),
    Fault(L, "if (signers.length < log.quorum) revert", "if (false) revert"),
    Fault(L, "if (!areKeys(org, ROLE_LOG, signers)) revert", "if (false) revert"),
    Fault(L, "if (!areKeys(org, ROLE_LOG, signers)) revert", "if (!wereKeys(org, ROLE_LOG, signers)) revert"),
    Fault(L, "if (anchors[newRoot] == 0) {", "if (true) {"),
    Fault(L, "block.number << 64 | block.timestamp << 128", "block.timestamp << 64 | block.number << 128"),
    Fault(L, "log.lowestQuorum = log.quorum == 0 ? 1 : log.quorum;", "log.lowestQuorum = 1;"),
    Fault(L, "if (quorum < log.lowestQuorum) log.lowestQuorum = quorum;", "log.lowestQuorum = quorum;"),
    Fault(L, "if (quorum < log.lowestQuorum) log.lowestQuorum = quorum;", ""),
    Fault(L, "quorum == 0 || quorum > Signatures.MAX_SIGNERS", "quorum == 0"),
    Fault(
        L,
        "setQuorum(bytes32 org, uint8 quorum) external onlyAdmin(org)",
        "setQuorum(bytes32 org, uint8 quorum) external",
    ),
    Fault(L, "newEpoch(bytes32 org) external onlyAdmin(org)", "newEpoch(bytes32 org) external"),
    Fault(L, "(log.epoch + 1, 0, 0)", "(log.epoch, 0, 0)"),
    Fault(L, "extensions.length > MAX_HEADS", "false"),
    Fault(L, "one.org <= extensions[i - 1].org", "one.org < extensions[i - 1].org"),
    Fault(L, "if (i > 0 && one.org <= extensions[i - 1].org) revert", "if (false) revert"),
    Fault(L, "if (!isLogKey(org, msg.sender)) revert", "if (false) revert"),
    Fault(L, "if (_executions[org][execution] != 0) revert", "if (false) revert"),
    Fault(L, "execution == 0 || workflowHash == 0 || completer == 0", "execution == 0 || workflowHash == 0"),
    Fault(L, "if (start.completer != bytes32(uint256(uint160(msg.sender)))) {", "if (false) {"),
    Fault(L, "if (start.completer != partiesId(quorum, parties)) {", "if (false) {"),
    Fault(
        L,
        "if (signers.length < quorum) revert ExecutionLedgerQuorumNotMet(start",
        "if (false) revert ExecutionLedgerQuorumNotMet(start",
    ),
    Fault(L, "if (!_within(signers, parties)) revert", "if (false) revert"),
    Fault(
        L, "if (next == many.length || many[next] != few[i]) return false;", "if (next == many.length) return false;"
    ),
    Fault(L, "quorum > 0 && quorum <= count", "quorum > 0"),
    Fault(L, "quorum > 0 && quorum <= count", "quorum <= count"),
    Fault(L, "count <= Signatures.MAX_SIGNERS", "true"),
    Fault(L, "if (parties[i] <= parties[i - 1]) revert", "if (parties[i] < parties[i - 1]) revert"),
    Fault(L, "|| parties[0] == address(0)", ""),
    Fault(L, "PARTIES_TAG, quorum, parties", "PARTIES_TAG, uint8(1), parties"),
    Fault(L, "if (status == 0 || status > MAX_STATUS) revert", "if (status > MAX_STATUS) revert"),
    Fault(L, "if (_executions[org][execution] != commitment) revert", "if (false) revert"),
    Fault(L, "if (!same || head.root == contradicting.root) revert", "if (!same) revert"),
    Fault(L, "if (!same || head.root == contradicting.root) revert", "if (head.root == contradicting.root) revert"),
    Fault(L, "&& epoch == contradicting.epoch ", ""),
    Fault(L, "&& head.newSize == contradicting.newSize", ""),
    Fault(L, "if (_taints[org][epoch].blockNumber != 0) revert", "if (false) revert"),
    Fault(L, "log.lowestQuorum == 0 ? log.quorum : log.lowestQuorum", "log.quorum"),
    Fault(L, "log.lowestQuorum == 0 ? log.quorum : log.lowestQuorum", "0"),
    Fault(L, "if (!wereKeys(head.org, ROLE_LOG, signers)) revert", "if (false) revert"),
    Fault(L, "if (!wereKeys(head.org, ROLE_LOG, signers)) revert", "if (!areKeys(head.org, ROLE_LOG, signers)) revert"),
    Fault(L, "leaf.length != LEAF_BYTES || ", ""),
    Fault(L, " || bytes32(leaf[LEAF_ORG:LEAF_ORG + 32]) != org", ""),
    Fault(L, "COMPLETION_TAG, start, completion", "START_TAG, start, completion"),
]
