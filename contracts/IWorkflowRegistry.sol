// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Workflow definitions that organisations stand by
/// @notice Entries are keyed by (organisation, hash): seeing a registration in flight helps nobody to take it. The hash
/// may be salted, so that it says nothing about the definition to those who do not hold it.
interface IWorkflowRegistry {
    /// @notice When an organisation registered a workflow; all zero when it has not. Time in seconds since 1970.
    struct Registration {
        uint64 blockNumber;
        uint64 time;
    }

    event TrustedWorkflowRegistered(bytes32 indexed org, bytes32 indexed workflowHash);

    error WorkflowRegistryNotAdmin(bytes32 org, address sender);
    error WorkflowRegistryInvalidHash();
    error WorkflowRegistryAlreadyRegistered(bytes32 org, bytes32 workflowHash);

    /// @notice Registers a workflow for an organisation; only its administrator may, and once.
    function registerTrustedWorkflow(bytes32 org, bytes32 workflowHash) external;

    /// @notice When `org` registered `workflowHash`.
    function registrationOf(bytes32 org, bytes32 workflowHash) external view returns (Registration memory);
}
