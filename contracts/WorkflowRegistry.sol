// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IOrgRegistry} from "./IOrgRegistry.sol";
import {IWorkflowRegistry} from "./IWorkflowRegistry.sol";
import {Signatures} from "./Signatures.sol";

/// @title WorkflowRegistry
/// @notice See IWorkflowRegistry. Immutable: no owner, no proxy, no pause.
contract WorkflowRegistry is IWorkflowRegistry {
    bytes32 private constant NAME = keccak256("Tallystick WorkflowRegistry");
    bytes32 private constant ENDORSEMENT_TYPE =
        keccak256("Endorsement(bytes32 org,bytes32 workflowHash,bytes32 endorser)");

    /// @dev The role of keys that sign endorsements (contracts/SPEC.md).
    uint8 private constant ROLE_WORKFLOWS = 2;

    /// @notice Where administrators and keys are looked up: the ExecutionLedger, which is an OrgRegistry.
    IOrgRegistry public immutable registry;

    mapping(bytes32 org => mapping(bytes32 workflowHash => Registration)) private _registrations;
    mapping(bytes32 org => mapping(bytes32 workflowHash => mapping(bytes32 endorser => Endorsement))) private
        _endorsements;

    modifier onlyAdmin(bytes32 org) {
        if (registry.adminOf(org) != msg.sender) revert WorkflowRegistryNotAdmin(org, msg.sender);
        _;
    }

    constructor(IOrgRegistry orgRegistry) {
        registry = orgRegistry;
    }

    /// @inheritdoc IWorkflowRegistry
    function registerTrustedWorkflow(bytes32 org, bytes32 workflowHash) external onlyAdmin(org) {
        if (workflowHash == 0) revert WorkflowRegistryInvalidHash();
        Registration storage registration = _registrations[org][workflowHash];
        if (registration.blockNumber != 0) revert WorkflowRegistryAlreadyRegistered(org, workflowHash);
        registration.blockNumber = uint64(block.number);
        registration.time = uint64(block.timestamp);
        emit TrustedWorkflowRegistered(org, workflowHash);
    }

    /// @inheritdoc IWorkflowRegistry
    function deprecate(bytes32 org, bytes32 workflowHash) external onlyAdmin(org) {
        Registration storage registration = _standing(org, workflowHash);
        registration.deprecatedAt = uint64(block.number);
        registration.deprecatedTime = uint64(block.timestamp);
        emit WorkflowDeprecated(org, workflowHash);
    }

    /// @inheritdoc IWorkflowRegistry
    function endorse(bytes32 org, bytes32 workflowHash, bytes32 endorser) external onlyAdmin(endorser) {
        _endorse(org, workflowHash, endorser);
    }

    /// @inheritdoc IWorkflowRegistry
    function endorseSigned(bytes32 org, bytes32 workflowHash, bytes32 endorser, bytes calldata signatures) external {
        address[] memory signers = Signatures.signers(endorsementDigest(org, workflowHash, endorser), signatures);
        if (!registry.areKeys(endorser, ROLE_WORKFLOWS, signers)) revert WorkflowRegistryInvalidSigners(endorser);
        _endorse(org, workflowHash, endorser);
    }

    /// @inheritdoc IWorkflowRegistry
    function registrationOf(bytes32 org, bytes32 workflowHash) external view returns (Registration memory) {
        return _registrations[org][workflowHash];
    }

    /// @inheritdoc IWorkflowRegistry
    function endorsementOf(bytes32 org, bytes32 workflowHash, bytes32 endorser)
        external
        view
        returns (Endorsement memory)
    {
        return _endorsements[org][workflowHash][endorser];
    }

    /// @inheritdoc IWorkflowRegistry
    function endorsementDigest(bytes32 org, bytes32 workflowHash, bytes32 endorser) public view returns (bytes32) {
        return Signatures.digest(NAME, keccak256(abi.encode(ENDORSEMENT_TYPE, org, workflowHash, endorser)));
    }

    function _endorse(bytes32 org, bytes32 workflowHash, bytes32 endorser) private {
        if (endorser == org) revert WorkflowRegistryInvalidEndorser(endorser);
        _standing(org, workflowHash);
        Endorsement storage endorsement = _endorsements[org][workflowHash][endorser];
        if (endorsement.blockNumber != 0) revert WorkflowRegistryAlreadyEndorsed(org, workflowHash, endorser);
        endorsement.blockNumber = uint64(block.number);
        endorsement.time = uint64(block.timestamp);
        emit WorkflowEndorsed(org, workflowHash, endorser);
    }

    /// @dev The entry that was registered and is not deprecated.
    function _standing(bytes32 org, bytes32 workflowHash) private view returns (Registration storage registration) {
        registration = _registrations[org][workflowHash];
        if (registration.blockNumber == 0) revert WorkflowRegistryNotRegistered(org, workflowHash);
        if (registration.deprecatedAt != 0) revert WorkflowRegistryDeprecated(org, workflowHash);
    }
}
