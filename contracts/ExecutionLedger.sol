// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "./Heads.sol";
import {IExecutionLedger} from "./IExecutionLedger.sol";
import {Merkle} from "./Merkle.sol";
import {OrgRegistry} from "./OrgRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title ExecutionLedger
/// @notice See IExecutionLedger. Immutable: no owner, no proxy, no pause. Organisations and their keys stand in the same
/// contract (OrgRegistry), because a call of another one at each anchor would cost more than two of its signatures.
contract ExecutionLedger is IExecutionLedger, OrgRegistry {
    bytes32 private constant START_TAG = keccak256("tallystick/start/v1");
    bytes32 private constant COMPLETION_TAG = keccak256("tallystick/completion/v1");
    bytes32 private constant PARTIES_TAG = keccak256("tallystick/parties/v1");
    uint8 private constant MAX_STATUS = 4;

    /// @dev Heads of one transaction: at about 80,000 gas each, more would fill a block.
    uint256 private constant MAX_HEADS = 64;

    /// @dev A leaf is thirteen words; the third names its organisation (platform/RECORD.md).
    uint256 private constant LEAF_BYTES = 416;
    uint256 private constant LEAF_ORG = 64;

    /// @dev `Log` by hand: `facts` holds epoch, size, quorum and lowest quorum, lowest first.
    struct Packed {
        uint256 facts;
        bytes32 root;
    }

    // Offline proofs name these slots (contracts/SPEC.md): their order is part of the interface. Words are packed by
    // hand where the compiler would write each field of a struct for itself.
    mapping(bytes32 org => Packed) private _logs;
    mapping(bytes32 org => mapping(bytes32 root => uint256)) private _anchors;
    mapping(bytes32 org => mapping(bytes32 execution => bytes32)) private _executions;
    mapping(bytes32 org => mapping(uint64 epoch => Taint)) private _taints;

    /// @inheritdoc IExecutionLedger
    function anchor(bytes32 org, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof, bytes calldata signatures)
        external
    {
        _anchor(org, newSize, newRoot, proof, signatures);
    }

    /// @inheritdoc IExecutionLedger
    function anchorMany(Extension[] calldata extensions) external {
        if (extensions.length == 0 || extensions.length > MAX_HEADS) {
            revert ExecutionLedgerInvalidCount(extensions.length);
        }
        for (uint256 i = 0; i < extensions.length; ++i) {
            Extension calldata one = extensions[i];
            if (i > 0 && one.org <= extensions[i - 1].org) revert ExecutionLedgerNotAscending(i);
            _anchor(one.org, one.newSize, one.newRoot, one.proof, one.signatures);
        }
    }

    /// @inheritdoc IExecutionLedger
    function setQuorum(bytes32 org, uint8 quorum) external onlyAdmin(org) {
        if (quorum == 0 || quorum > Signatures.MAX_SIGNERS) revert ExecutionLedgerInvalidQuorum(quorum);
        Packed storage stored = _logs[org];
        Log memory log = _unpacked(stored);
        log.quorum = quorum;
        // Before the first head there is nothing to contradict, so the quorum may still be raised for good.
        if (quorum < log.lowestQuorum) log.lowestQuorum = quorum;
        _store(stored, log);
        emit QuorumSet(org, quorum);
    }

    /// @inheritdoc IExecutionLedger
    function newEpoch(bytes32 org) external onlyAdmin(org) {
        Packed storage stored = _logs[org];
        Log memory log = _unpacked(stored);
        (uint64 abandonedSize, bytes32 abandonedRoot) = (log.size, log.root);
        (log.epoch, log.size, log.root) = (log.epoch + 1, 0, 0);
        _store(stored, log);
        emit EpochStarted(org, log.epoch, abandonedSize, abandonedRoot);
    }

    /// @inheritdoc IExecutionLedger
    function startExecution(bytes32 org, bytes32 execution, bytes32 workflowHash, bytes32 completer) external {
        if (execution == 0 || workflowHash == 0 || completer == 0) revert ExecutionLedgerInvalidExecution();
        if (!isLogKey(org, msg.sender)) revert ExecutionLedgerNotLogKey(org, msg.sender);
        if (_executions[org][execution] != 0) revert ExecutionLedgerAlreadyStarted(org, execution);
        _executions[org][execution] = startCommitment(
            Start(org, execution, workflowHash, completer, uint64(block.number), uint64(block.timestamp))
        );
        emit ExecutionStarted(org, execution, workflowHash, completer);
    }

    /// @inheritdoc IExecutionLedger
    function completeExecution(Start calldata start, bytes32 resultHash, uint8 status) external {
        if (start.completer != bytes32(uint256(uint160(msg.sender)))) {
            revert ExecutionLedgerNotCompleter(start.org, start.execution);
        }
        _complete(start, keccak256(abi.encode(START_TAG, start)), resultHash, status);
    }

    /// @inheritdoc IExecutionLedger
    function completeExecutionSigned(
        Start calldata start,
        bytes32 resultHash,
        uint8 status,
        uint8 quorum,
        address[] calldata parties,
        bytes calldata signatures
    ) external {
        if (start.completer != partiesId(quorum, parties)) {
            revert ExecutionLedgerNotCompleter(start.org, start.execution);
        }
        bytes32 commitment = keccak256(abi.encode(START_TAG, start));
        bytes32 digest = Heads.completionDigest(commitment, resultHash, status);
        address[] memory signers = Signatures.signers(digest, signatures);
        if (signers.length < quorum) revert ExecutionLedgerQuorumNotMet(start.org, signers.length, quorum);
        if (!_within(signers, parties)) revert ExecutionLedgerInvalidSigners(start.org);
        _complete(start, commitment, resultHash, status);
    }

    /// @inheritdoc IExecutionLedger
    function reportEquivocation(
        Heads.Head calldata head,
        bytes calldata signatures,
        Heads.Head calldata contradicting,
        bytes calldata contradictingSignatures
    ) external {
        (bytes32 org, uint64 epoch) = (head.org, head.epoch);
        bool same = org == contradicting.org && epoch == contradicting.epoch && head.newSize == contradicting.newSize;
        if (!same || head.root == contradicting.root) revert ExecutionLedgerNoEquivocation();
        if (_taints[org][epoch].blockNumber != 0) revert ExecutionLedgerAlreadyTainted(org, epoch);
        address[] memory signers = _everSigners(head, signatures);
        address[] memory others = _everSigners(contradicting, contradictingSignatures);
        _taints[org][epoch] = Taint(head.newSize, uint64(block.number), uint64(block.timestamp));
        emit EquivocationReported(org, epoch, head.newSize, head.root, contradicting.root, signers, others);
    }

    /// @inheritdoc IExecutionLedger
    function verify(bytes32 org, bytes calldata leaf, uint64 index, bytes32[] calldata proof, bytes32 root)
        external
        view
        returns (bool)
    {
        if (leaf.length != LEAF_BYTES || bytes32(leaf[LEAF_ORG:LEAF_ORG + 32]) != org) return false;
        return Merkle.verifyInclusion(Merkle.leafHash(leaf), index, uint64(_anchors[org][root]), proof, root);
    }

    /// @inheritdoc IExecutionLedger
    function getExecutionProof(bytes32 org, bytes32 execution) external view returns (bytes32) {
        return _executions[org][execution];
    }

    /// @inheritdoc IExecutionLedger
    function logOf(bytes32 org) external view returns (Log memory) {
        return _unpacked(_logs[org]);
    }

    /// @inheritdoc IExecutionLedger
    function anchorOf(bytes32 org, bytes32 root) external view returns (Anchor memory) {
        uint256 facts = _anchors[org][root];
        return Anchor(uint64(facts), uint64(facts >> 64), uint64(facts >> 128), uint64(facts >> 192));
    }

    /// @inheritdoc IExecutionLedger
    function taintOf(bytes32 org, uint64 epoch) external view returns (Taint memory) {
        return _taints[org][epoch];
    }

    /// @inheritdoc IExecutionLedger
    function headDigest(Heads.Head calldata head) external view returns (bytes32) {
        return Heads.digest(head);
    }

    /// @inheritdoc IExecutionLedger
    function completionDigest(bytes32 start, bytes32 resultHash, uint8 status) external view returns (bytes32) {
        return Heads.completionDigest(start, resultHash, status);
    }

    /// @inheritdoc IExecutionLedger
    function startCommitment(Start memory start) public pure returns (bytes32) {
        return keccak256(abi.encode(START_TAG, start));
    }

    /// @inheritdoc IExecutionLedger
    function completionCommitment(Start memory start, Completion memory completion) public pure returns (bytes32) {
        return _completionCommitment(startCommitment(start), completion);
    }

    /// @inheritdoc IExecutionLedger
    function partiesId(uint8 quorum, address[] calldata parties) public pure returns (bytes32) {
        uint256 count = parties.length;
        bool bounded = quorum > 0 && quorum <= count && count <= Signatures.MAX_SIGNERS;
        if (!bounded || parties[0] == address(0)) revert ExecutionLedgerInvalidParties();
        for (uint256 i = 1; i < count; ++i) {
            if (parties[i] <= parties[i - 1]) revert ExecutionLedgerInvalidParties();
        }
        return keccak256(abi.encode(PARTIES_TAG, quorum, parties));
    }

    /// @dev The one way in which a head moves: it grows, it extends its predecessor, and enough keys signed it.
    function _anchor(bytes32 org, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof, bytes calldata signatures)
        private
    {
        Packed storage stored = _logs[org];
        uint256 facts = stored.facts;
        uint64 size = uint64(facts >> 64);
        if (newSize <= size) revert ExecutionLedgerNotGrowing(org, size, newSize);
        bytes32 digest = Heads.digest(org, uint64(facts), size, newSize, newRoot);
        if (!Merkle.verifyConsistency(size, newSize, size == 0 ? Merkle.EMPTY_ROOT : stored.root, newRoot, proof)) {
            revert ExecutionLedgerInconsistent(org, size, newSize);
        }
        _signed(org, digest, uint8(facts >> 128), signatures);
        uint256 quorums = facts >> 128;
        // Of the first head the quorum is the lowest so far.
        if (quorums >> 8 == 0) quorums = quorums == 0 ? 0x100 : quorums | quorums << 8;
        facts = uint256(uint64(facts)) | uint256(newSize) << 64 | quorums << 128;
        (stored.facts, stored.root) = (facts, newRoot);
        // A later epoch may come by an old root again; the first time that it stood on the chain is what counts.
        mapping(bytes32 root => uint256) storage anchors = _anchors[org];
        if (anchors[newRoot] == 0) {
            anchors[newRoot] = uint256(newSize) | block.number << 64 | block.timestamp << 128 | facts << 192;
        }
        emit Anchored(org, uint64(facts), newSize, newRoot);
    }

    /// @dev That enough of the organisation's log keys, and nobody else, signed a digest.
    function _signed(bytes32 org, bytes32 digest, uint8 quorum, bytes calldata signatures) private view {
        address[] memory signers = Signatures.signers(digest, signatures);
        if (signers.length < quorum) revert ExecutionLedgerQuorumNotMet(org, signers.length, quorum);
        if (!areKeys(org, ROLE_LOG, signers)) revert ExecutionLedgerInvalidSigners(org);
    }

    function _store(Packed storage stored, Log memory log) private {
        stored.facts = uint256(log.epoch) | uint256(log.size) << 64 | uint256(log.quorum) << 128
            | uint256(log.lowestQuorum) << 136;
        stored.root = log.root;
    }

    function _unpacked(Packed storage stored) private view returns (Log memory log) {
        uint256 facts = stored.facts;
        (log.epoch, log.size, log.root) = (uint64(facts), uint64(facts >> 64), stored.root);
        (log.quorum, log.lowestQuorum) = (uint8(facts >> 128), uint8(facts >> 136));
    }

    /// @dev A completed execution holds another commitment, so that it is not completed twice.
    function _complete(Start calldata start, bytes32 commitment, bytes32 resultHash, uint8 status) private {
        (bytes32 org, bytes32 execution) = (start.org, start.execution);
        if (status == 0 || status > MAX_STATUS) revert ExecutionLedgerInvalidExecution();
        if (_executions[org][execution] != commitment) revert ExecutionLedgerNotStarted(org, execution);
        _executions[org][execution] = _completionCommitment(
            commitment, Completion(resultHash, status, uint64(block.number), uint64(block.timestamp))
        );
        emit ExecutionCompleted(org, execution, resultHash, status);
    }

    /// @dev Retiring or revoking keys, or raising the quorum, must not hide what was signed before. Who may have held a
    /// key by then is for the reader to judge: the event names the signers, whose windows the registry has.
    function _everSigners(Heads.Head calldata head, bytes calldata signatures)
        private
        view
        returns (address[] memory signers)
    {
        Log memory log = _unpacked(_logs[head.org]);
        uint8 quorum = log.lowestQuorum == 0 ? log.quorum : log.lowestQuorum;
        signers = Signatures.signers(Heads.digest(head), signatures);
        if (signers.length < quorum) revert ExecutionLedgerQuorumNotMet(head.org, signers.length, quorum);
        if (!wereKeys(head.org, ROLE_LOG, signers)) revert ExecutionLedgerInvalidSigners(head.org);
    }

    function _completionCommitment(bytes32 start, Completion memory completion) private pure returns (bytes32) {
        return keccak256(abi.encode(COMPLETION_TAG, start, completion));
    }

    /// @dev Whether each of `few` is one of `many`; both strictly ascending.
    function _within(address[] memory few, address[] calldata many) private pure returns (bool) {
        uint256 next = 0;
        for (uint256 i = 0; i < few.length; ++i) {
            while (next < many.length && many[next] < few[i]) ++next;
            if (next == many.length || many[next] != few[i]) return false;
            ++next;
        }
        return true;
    }
}
