// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOrgRegistry} from "./IOrgRegistry.sol";
import {IWorkflowRegistry} from "./IWorkflowRegistry.sol";

/// @title WorkflowRegistry
/// @notice See IWorkflowRegistry. Immutable: no owner, no proxy, no pause.
contract WorkflowRegistry is IWorkflowRegistry {
    /// @notice Where administrators are looked up.
    IOrgRegistry public immutable registry;

    mapping(bytes32 org => mapping(bytes32 workflowHash => Registration)) private _registrations;

    constructor(IOrgRegistry orgRegistry) {
        registry = orgRegistry;
    }

    /// @inheritdoc IWorkflowRegistry
    function registerTrustedWorkflow(bytes32 org, bytes32 workflowHash) external {
        if (workflowHash == 0) revert WorkflowRegistryInvalidHash();
        if (registry.adminOf(org) != msg.sender) revert WorkflowRegistryNotAdmin(org, msg.sender);
        Registration storage registration = _registrations[org][workflowHash];
        if (registration.blockNumber != 0) revert WorkflowRegistryAlreadyRegistered(org, workflowHash);
        registration.blockNumber = uint64(block.number);
        registration.time = uint64(block.timestamp);
        emit TrustedWorkflowRegistered(org, workflowHash);
    }

    /// @inheritdoc IWorkflowRegistry
    function registrationOf(bytes32 org, bytes32 workflowHash) external view returns (Registration memory) {
        return _registrations[org][workflowHash];
    }
}
