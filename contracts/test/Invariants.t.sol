// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Handler} from "./Handler.sol";
import {Test} from "./Test.sol";

/// @title What holds after any sequence of calls (contracts/SPEC.md, invariants 1 to 3)
contract InvariantsTest is Test {
    Handler internal handler;

    function setUp() public {
        handler = new Handler();
    }

    /// @dev forge asks for what it shall call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_all_stands_as_it_was_rightly_written() public view {
        handler.verifyAll();
    }

    /// @dev The handler does reach good anchors: a run in which nothing succeeds would show nothing.
    function test_the_handler_anchors_and_is_refused() public {
        handler.extend(0, 0, 3);
        handler.extend(0, 0, 2);
        handler.extend(0, 1, 2);
        handler.rewrite(0, 0, 1);
        handler.renew(0);
        handler.replay();
        handler.extend(0, 0, 4);
        handler.contradict(0, 0, 4);
        handler.contradict(0, 0, 4);
        handler.close(0, 0, false, 0);
        handler.extend(0, 0, 4);
        handler.close(0, 0, true, 9);
        handler.close(0, 0, true, 9);
        handler.open(0, 0);
        handler.verifyAll();
        same(handler.accepted(), 3, "anchored");
    }
}
