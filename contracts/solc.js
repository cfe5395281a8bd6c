#!/usr/bin/env node
// The compiler of the npm package `solc`, behaving as far as py-solc-x needs like the native program:
// `solc --version`, and `solc --standard-json` from standard input to standard output.
"use strict";
const fs = require("fs");
const solc = require("solc");

const option = process.argv[2];
if (option === "--version") {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (option === "--standard-json") {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write(`solc.js: ${option} is not supported\n`);
  process.exitCode = 1;
}
