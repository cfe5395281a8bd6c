// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "./Heads.sol";
import {IExecutionLedger} from "./IExecutionLedger.sol";
import {IOrgRegistry} from "./IOrgRegistry.sol";
import {Merkle} from "./Merkle.sol";

/// @title ExecutionLedger
/// @notice See IExecutionLedger. Immutable: no owner, no proxy, no pause.
contract ExecutionLedger is IExecutionLedger {
    bytes32 private constant START_TAG = keccak256("tallystick/start/v1");
    bytes32 private constant COMPLETION_TAG = keccak256("tallystick/completion/v1");
    uint8 private constant MAX_STATUS = 4;

    /// @dev A leaf is thirteen words; the third names its organisation (platform/RECORD.md).
    uint256 private constant LEAF_BYTES = 416;
    uint256 private constant LEAF_ORG = 64;

    /// @notice Where keys and administrators are looked up.
    IOrgRegistry public immutable registry;

    // Offline proofs name these slots (contracts/SPEC.md): their order is part of the interface.
    mapping(bytes32 org => Log) private _logs;
    mapping(bytes32 org => mapping(bytes32 root => Anchor)) private _anchors;
    mapping(bytes32 org => mapping(bytes32 execution => bytes32)) private _executions;
    mapping(bytes32 org => mapping(uint64 epoch => Taint)) private _taints;

    constructor(IOrgRegistry orgRegistry) {
        registry = orgRegistry;
    }

    /// @inheritdoc IExecutionLedger
    function anchor(bytes32 org, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof, bytes calldata signature)
        external
    {
        Log storage log = _logs[org];
        (uint64 epoch, uint64 size) = (log.epoch, log.size);
        if (newSize <= size) revert ExecutionLedgerNotGrowing(org, size, newSize);
        bytes32 root = size == 0 ? Merkle.EMPTY_ROOT : log.root;
        if (!Merkle.verifyConsistency(size, newSize, root, newRoot, proof)) {
            revert ExecutionLedgerInconsistent(org, size, newSize);
        }
        address signer = Heads.signer(Heads.Head(org, epoch, size, newSize, newRoot), signature);
        if (signer == address(0) || !registry.isLogKey(org, signer)) revert ExecutionLedgerInvalidSigner(org, signer);
        log.size = newSize;
        log.root = newRoot;
        Anchor storage record = _anchors[org][newRoot];
        // A later epoch may come by an old root again; the first time that it stood on the chain is what counts.
        if (record.blockNumber == 0) {
            _anchors[org][newRoot] = Anchor(newSize, uint64(block.number), uint64(block.timestamp), epoch);
        }
        emit Anchored(org, epoch, newSize, newRoot);
    }

    /// @inheritdoc IExecutionLedger
    function newEpoch(bytes32 org) external {
        if (registry.adminOf(org) != msg.sender) revert ExecutionLedgerNotAdmin(org, msg.sender);
        Log memory abandoned = _logs[org];
        _logs[org] = Log(abandoned.epoch + 1, 0, 0);
        emit EpochStarted(org, abandoned.epoch + 1, abandoned.size, abandoned.root);
    }

    /// @inheritdoc IExecutionLedger
    function startExecution(bytes32 org, bytes32 execution, bytes32 workflowHash, address completer) external {
        if (execution == 0 || workflowHash == 0 || completer == address(0)) revert ExecutionLedgerInvalidExecution();
        if (!registry.isLogKey(org, msg.sender)) revert ExecutionLedgerInvalidSigner(org, msg.sender);
        if (_executions[org][execution] != 0) revert ExecutionLedgerAlreadyStarted(org, execution);
        _executions[org][execution] = startCommitment(
            Start(org, execution, workflowHash, completer, uint64(block.number), uint64(block.timestamp))
        );
        emit ExecutionStarted(org, execution, workflowHash, completer);
    }

    /// @inheritdoc IExecutionLedger
    function completeExecution(Start calldata start, bytes32 resultHash, uint8 status) external {
        (bytes32 org, bytes32 execution) = (start.org, start.execution);
        if (status == 0 || status > MAX_STATUS) revert ExecutionLedgerInvalidExecution();
        // A completed execution holds another commitment, so that it is not completed twice.
        if (_executions[org][execution] != startCommitment(start)) revert ExecutionLedgerNotStarted(org, execution);
        if (start.completer != msg.sender) revert ExecutionLedgerNotCompleter(org, execution, msg.sender);
        _executions[org][execution] = completionCommitment(
            start, Completion(resultHash, status, uint64(block.number), uint64(block.timestamp))
        );
        emit ExecutionCompleted(org, execution, resultHash, status);
    }

    /// @inheritdoc IExecutionLedger
    function reportEquivocation(
        Heads.Head calldata head,
        bytes calldata signature,
        Heads.Head calldata contradicting,
        bytes calldata contradictingSignature
    ) external {
        bool same = head.org == contradicting.org && head.epoch == contradicting.epoch
            && head.newSize == contradicting.newSize;
        if (!same || head.root == contradicting.root) revert ExecutionLedgerNoEquivocation();
        if (_taints[head.org][head.epoch].blockNumber != 0) {
            revert ExecutionLedgerAlreadyTainted(head.org, head.epoch);
        }
        address signer = _everSigner(head, signature);
        address other = _everSigner(contradicting, contradictingSignature);
        _taints[head.org][head.epoch] = Taint(head.newSize, uint64(block.number), uint64(block.timestamp));
        emit EquivocationReported(
            head.org, head.epoch, head.newSize, head.root, contradicting.root, signer, other
        );
    }

    /// @inheritdoc IExecutionLedger
    function verify(bytes32 org, bytes calldata leaf, uint64 index, bytes32[] calldata proof, bytes32 root)
        external
        view
        returns (bool)
    {
        if (leaf.length != LEAF_BYTES || bytes32(leaf[LEAF_ORG:LEAF_ORG + 32]) != org) return false;
        return Merkle.verifyInclusion(Merkle.leafHash(leaf), index, _anchors[org][root].size, proof, root);
    }

    /// @inheritdoc IExecutionLedger
    function getExecutionProof(bytes32 org, bytes32 execution) external view returns (bytes32) {
        return _executions[org][execution];
    }

    /// @inheritdoc IExecutionLedger
    function logOf(bytes32 org) external view returns (Log memory) {
        return _logs[org];
    }

    /// @inheritdoc IExecutionLedger
    function anchorOf(bytes32 org, bytes32 root) external view returns (Anchor memory) {
        return _anchors[org][root];
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
    function startCommitment(Start memory start) public pure returns (bytes32) {
        return keccak256(abi.encode(START_TAG, start));
    }

    /// @inheritdoc IExecutionLedger
    function completionCommitment(Start memory start, Completion memory completion) public pure returns (bytes32) {
        return keccak256(abi.encode(COMPLETION_TAG, startCommitment(start), completion));
    }

    /// @dev Retiring or revoking a key afterwards must not hide what was signed with it. Who may have held the key by
    /// then is for the reader to judge: the event names the signer, whose window the registry has.
    function _everSigner(Heads.Head calldata head, bytes calldata signature) private view returns (address signer) {
        signer = Heads.signer(head, signature);
        if (signer == address(0) || !registry.wasLogKey(head.org, signer)) {
            revert ExecutionLedgerInvalidSigner(head.org, signer);
        }
    }
}
