// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Workflow definitions that organisations stand by
/// @notice Entries are keyed by (organisation, hash): seeing a registration in flight helps nobody to take it. The hash
/// may be salted, so that it says nothing about the definition to those who do not hold it. Endorsing another's entry
/// is opt-in, because it tells everybody who works with whom.
interface IWorkflowRegistry {
    /// @notice When an organisation registered a workflow, and when it said that it is not to be used any more; zero
    /// for what has not happened. Times in seconds since 1970.
    struct Registration {
        uint64 blockNumber;
        uint64 time;
        uint64 deprecatedAt;
        uint64 deprecatedTime;
    }

    /// @notice When an organisation endorsed another's entry; all zero when it has not.
    struct Endorsement {
        uint64 blockNumber;
        uint64 time;
    }

    event TrustedWorkflowRegistered(bytes32 indexed org, bytes32 indexed workflowHash);
    event WorkflowDeprecated(bytes32 indexed org, bytes32 indexed workflowHash);
    event WorkflowEndorsed(bytes32 indexed org, bytes32 indexed workflowHash, bytes32 indexed endorser);

    error WorkflowRegistryNotAdmin(bytes32 org, address sender);
    error WorkflowRegistryInvalidHash();
    error WorkflowRegistryAlreadyRegistered(bytes32 org, bytes32 workflowHash);
    error WorkflowRegistryNotRegistered(bytes32 org, bytes32 workflowHash);
    error WorkflowRegistryDeprecated(bytes32 org, bytes32 workflowHash);
    error WorkflowRegistryInvalidEndorser(bytes32 endorser);
    error WorkflowRegistryAlreadyEndorsed(bytes32 org, bytes32 workflowHash, bytes32 endorser);
    error WorkflowRegistryInvalidSigners(bytes32 endorser);

    /// @notice Registers a workflow for an organisation; only its administrator may, and once.
    function registerTrustedWorkflow(bytes32 org, bytes32 workflowHash) external;

    /// @notice Says that a registered workflow is not to be used for anything new; once, by the administrator. What was
    /// registered stays on record.
    function deprecate(bytes32 org, bytes32 workflowHash) external;

    /// @notice Endorses the entry of `org`; the sender administers `endorser`, another organisation. Once.
    function endorse(bytes32 org, bytes32 workflowHash, bytes32 endorser) external;

    /// @notice The same, by the endorser's workflow keys (role 2 in the OrgRegistry) over the EIP-712 struct
    /// `Endorsement(bytes32 org,bytes32 workflowHash,bytes32 endorser)`. Anybody may send it.
    /// @param signatures 65 bytes each, their signers strictly ascending, 1 to 16.
    function endorseSigned(bytes32 org, bytes32 workflowHash, bytes32 endorser, bytes calldata signatures) external;

    /// @notice When `org` registered and deprecated `workflowHash`.
    function registrationOf(bytes32 org, bytes32 workflowHash) external view returns (Registration memory);

    /// @notice When `endorser` endorsed the entry of `org`.
    function endorsementOf(bytes32 org, bytes32 workflowHash, bytes32 endorser)
        external
        view
        returns (Endorsement memory);

    /// @notice The EIP-712 digest of an endorsement on this chain and this registry.
    function endorsementDigest(bytes32 org, bytes32 workflowHash, bytes32 endorser) external view returns (bytes32);
}
