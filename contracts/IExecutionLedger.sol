// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Heads} from "./Heads.sol";

/// @title The organisations' append-only logs, and single executions recorded directly
/// @notice Each organisation has one RFC 9162 log. A new root is accepted only with a proof, checked here, that the log
/// it stands for extends the one anchored before, so that nobody can rewrite or drop what they anchored.
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
    struct Log {
        uint64 epoch;
        uint64 size;
        bytes32 root;
    }

    /// @notice Where two contradicting heads are on record: at which size, since when; all zero when none are.
    struct Taint {
        uint64 size;
        uint64 blockNumber;
        uint64 time;
    }

    /// @notice The facts of a started execution, which its one storage word commits to.
    /// @param completer Whose account may complete it.
    struct Start {
        bytes32 org;
        bytes32 execution;
        bytes32 workflowHash;
        address completer;
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
    event EpochStarted(bytes32 indexed org, uint64 indexed epoch, uint64 abandonedSize, bytes32 abandonedRoot);
    event ExecutionStarted(
        bytes32 indexed org, bytes32 indexed execution, bytes32 indexed workflowHash, address completer
    );
    event ExecutionCompleted(bytes32 indexed org, bytes32 indexed execution, bytes32 resultHash, uint8 status);
    event EquivocationReported(
        bytes32 indexed org, uint64 indexed epoch, uint64 size, bytes32 root, bytes32 contradictingRoot,
        address signer, address contradictingSigner
    );

    error ExecutionLedgerNotGrowing(bytes32 org, uint64 size, uint64 newSize);
    error ExecutionLedgerInconsistent(bytes32 org, uint64 size, uint64 newSize);
    error ExecutionLedgerInvalidSigner(bytes32 org, address signer);
    error ExecutionLedgerNotAdmin(bytes32 org, address sender);
    error ExecutionLedgerInvalidExecution();
    error ExecutionLedgerAlreadyStarted(bytes32 org, bytes32 execution);
    error ExecutionLedgerNotStarted(bytes32 org, bytes32 execution);
    error ExecutionLedgerNotCompleter(bytes32 org, bytes32 execution, address sender);
    error ExecutionLedgerNoEquivocation();
    error ExecutionLedgerAlreadyTainted(bytes32 org, uint64 epoch);

    /// @notice Anchors a new root. Anybody may send it; the signature is what counts.
    /// @param proof The consistency proof from the newest head to this one (RFC 9162 §2.1.4), at most 64 nodes.
    /// @param signature By a log key of the organisation, over the EIP-712 `Head` of the log's present epoch and size.
    function anchor(bytes32 org, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof, bytes calldata signature)
        external;

    /// @notice Begins the log anew, for all to see, when its leaves are lost. Roots of old epochs remain provable.
    function newEpoch(bytes32 org) external;

    /// @notice Records the start of a single execution; the sender is a log key of the organisation.
    function startExecution(bytes32 org, bytes32 execution, bytes32 workflowHash, address completer) external;

    /// @notice Records the end of a started execution, once; the sender is the completer that `start` names.
    function completeExecution(Start calldata start, bytes32 resultHash, uint8 status) external;

    /// @notice Puts two contradicting heads of one log on record, for good.
    function reportEquivocation(
        Heads.Head calldata head,
        bytes calldata signature,
        Heads.Head calldata contradicting,
        bytes calldata contradictingSignature
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
    function completionCommitment(Start calldata start, Completion calldata completion)
        external
        pure
        returns (bytes32);

    /// @notice The newest head; a root of zero means the empty log.
    function logOf(bytes32 org) external view returns (Log memory);

    /// @notice What stands for an anchored root; all zero when it is not anchored.
    function anchorOf(bytes32 org, bytes32 root) external view returns (Anchor memory);

    /// @notice Whether, where and since when contradicting heads of an epoch are on record.
    function taintOf(bytes32 org, uint64 epoch) external view returns (Taint memory);

    /// @notice The EIP-712 digest of a head on this chain and this ledger.
    function headDigest(Heads.Head calldata head) external view returns (bytes32);
}
