// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "./Heads.sol";

/// @title The organisations' append-only logs, and single executions recorded directly
/// @notice Each organisation has one RFC 9162 log. A new root is accepted only with a proof, checked here, that the log
/// it stands for extends the one anchored before, so that nobody can rewrite or drop what they anchored.
/// @dev Signatures are 65 bytes each, their signers strictly ascending, 1 to 16 (Signatures.sol).
interface IExecutionLedger {
    /// @notice What stands for every root that was ever anchored. One storage word, `size` lowest.
    /// @param time Of the block, in seconds since 1970.
    struct Anchor {
        uint64 size;
        uint64 blockNumber;
        uint64 time;
        uint64 epoch;
    }

    /// @notice The newest head of a log.
    /// @param quorum How many of the organisation's log keys must sign a head; zero counts as one.
    /// @param lowestQuorum The least that it has been since the first head was anchored; zero before.
    /// @param root Zero for the empty log.
    struct Log {
        uint64 epoch;
        uint64 size;
        uint8 quorum;
        uint8 lowestQuorum;
        bytes32 root;
    }

    /// @notice One organisation's part of `anchorMany`, as the parameters of `anchor`.
    struct Extension {
        bytes32 org;
        uint64 newSize;
        bytes32 newRoot;
        bytes32[] proof;
        bytes signatures;
    }

    /// @notice Where two contradicting heads are on record: at which size, since when; all zero when none are.
    struct Taint {
        uint64 size;
        uint64 blockNumber;
        uint64 time;
    }

    /// @notice The facts of a started execution, which its one storage word commits to.
    /// @param completer Who may complete it: an address in the low 20 bytes, or a `partiesId`.
    struct Start {
        bytes32 org;
        bytes32 execution;
        bytes32 workflowHash;
        bytes32 completer;
        uint64 blockNumber;
        uint64 time;
    }

    /// @notice The facts of a completed one. `status`: 1 completed, 2 failed, 3 cancelled, 4 terminated.
    struct Completion {
        bytes32 resultHash;
        uint8 status;
        uint64 blockNumber;
        uint64 time;
    }

    event Anchored(bytes32 indexed org, uint64 indexed epoch, uint64 size, bytes32 indexed root);
    event QuorumSet(bytes32 indexed org, uint8 quorum);
    event EpochStarted(bytes32 indexed org, uint64 indexed epoch, uint64 abandonedSize, bytes32 abandonedRoot);
    event ExecutionStarted(
        bytes32 indexed org, bytes32 indexed execution, bytes32 indexed workflowHash, bytes32 completer
    );
    event ExecutionCompleted(bytes32 indexed org, bytes32 indexed execution, bytes32 resultHash, uint8 status);
    event EquivocationReported(
        bytes32 indexed org,
        uint64 indexed epoch,
        uint64 size,
        bytes32 root,
        bytes32 contradictingRoot,
        address[] signers,
        address[] contradictingSigners
    );

    error ExecutionLedgerNotGrowing(bytes32 org, uint64 size, uint64 newSize);
    error ExecutionLedgerInconsistent(bytes32 org, uint64 size, uint64 newSize);
    error ExecutionLedgerInvalidSigners(bytes32 org);
    error ExecutionLedgerQuorumNotMet(bytes32 org, uint256 signers, uint8 quorum);
    error ExecutionLedgerInvalidQuorum(uint8 quorum);
    error ExecutionLedgerInvalidCount(uint256 count);
    error ExecutionLedgerNotAscending(uint256 position);
    error ExecutionLedgerNotLogKey(bytes32 org, address sender);
    error ExecutionLedgerInvalidExecution();
    error ExecutionLedgerInvalidParties();
    error ExecutionLedgerAlreadyStarted(bytes32 org, bytes32 execution);
    error ExecutionLedgerNotStarted(bytes32 org, bytes32 execution);
    error ExecutionLedgerNotCompleter(bytes32 org, bytes32 execution);
    error ExecutionLedgerNoEquivocation();
    error ExecutionLedgerAlreadyTainted(bytes32 org, uint64 epoch);

    /// @notice Anchors a new root. Anybody may send it; the signatures are what counts.
    /// @param proof The consistency proof from the newest head to this one (RFC 9162 §2.1.4), at most 64 nodes.
    /// @param signatures By at least `quorum` log keys, over the EIP-712 `Head` of the log's present epoch and size.
    function anchor(bytes32 org, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof, bytes calldata signatures)
        external;

    /// @notice Anchors heads of several organisations, all or none: 1 to 64, strictly ascending by id.
    function anchorMany(Extension[] calldata extensions) external;

    /// @notice Sets how many log keys must sign each head from now on, 1 to 16; by the administrator.
    function setQuorum(bytes32 org, uint8 quorum) external;

    /// @notice Begins the log anew, for all to see, when its leaves are lost. Roots of old epochs remain provable.
    function newEpoch(bytes32 org) external;

    /// @notice Records the start of a single execution; the sender is a log key of the organisation.
    /// @param completer An address in the low 20 bytes, or what `partiesId` answers; not zero.
    function startExecution(bytes32 org, bytes32 execution, bytes32 workflowHash, bytes32 completer) external;

    /// @notice Records the end of a started execution, once; the sender is the address that `start` names.
    function completeExecution(Start calldata start, bytes32 resultHash, uint8 status) external;

    /// @notice The same, sent by anybody and signed by at least `quorum` of the parties, over the EIP-712 struct
    /// `ExecutionCompletion(bytes32 start,bytes32 resultHash,uint8 status)`.
    function completeExecutionSigned(
        Start calldata start,
        bytes32 resultHash,
        uint8 status,
        uint8 quorum,
        address[] calldata parties,
        bytes calldata signatures
    ) external;

    /// @notice Puts two contradicting heads of one log on record, for good: one epoch, one size, two roots, each signed
    /// by as many keys as could have anchored it at some time.
    function reportEquivocation(
        Heads.Head calldata head,
        bytes calldata signatures,
        Heads.Head calldata contradicting,
        bytes calldata contradictingSignatures
    ) external;

    /// @notice Whether the log holds `leaf` (416 bytes that name `org`) at `index` under an anchored root.
    function verify(bytes32 org, bytes calldata leaf, uint64 index, bytes32[] calldata proof, bytes32 root)
        external
        view
        returns (bool);

    /// @notice The commitment of a directly recorded execution: of its start while it runs, then of its completion;
    /// zero when there is none. `startCommitment` and `completionCommitment` compute it from the facts.
    function getExecutionProof(bytes32 org, bytes32 execution) external view returns (bytes32);

    /// @notice What a started execution's word holds.
    function startCommitment(Start calldata start) external pure returns (bytes32);

    /// @notice What a completed execution's word holds.
    function completionCommitment(Start calldata start, Completion calldata completion) external pure returns (bytes32);

    /// @notice The completer that stands for `quorum` of `parties`: 1 to 16 addresses, strictly ascending.
    function partiesId(uint8 quorum, address[] calldata parties) external pure returns (bytes32);

    /// @notice The newest head; a root of zero means the empty log.
    function logOf(bytes32 org) external view returns (Log memory);

    /// @notice What stands for an anchored root; all zero when it is not anchored.
    function anchorOf(bytes32 org, bytes32 root) external view returns (Anchor memory);

    /// @notice Whether, where and since when contradicting heads of an epoch are on record.
    function taintOf(bytes32 org, uint64 epoch) external view returns (Taint memory);

    /// @notice The EIP-712 digest of a head on this chain and this ledger.
    function headDigest(Heads.Head calldata head) external view returns (bytes32);

    /// @notice The EIP-712 digest of a completion on this chain and this ledger.
    function completionDigest(bytes32 start, bytes32 resultHash, uint8 status) external view returns (bytes32);
}
