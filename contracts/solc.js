#!/usr/bin/env node
// The compiler of the npm package `solc`, behaving as far as py-solc-x, forge and slither need like the native program:
// `solc --version`, and `solc --standard-json` from standard input to standard output.
"use strict";
const fs = require("fs");
const solc = require("solc");

// Where files may be read from: without effect, because the input holds every source.
const PATHS = new Set(["--allow-paths", "--base-path", "--include-path"]);

const options = process.argv.slice(2).filter((word, place, words) => !PATHS.has(word) && !PATHS.has(words[place - 1]));
const [option] = options;
if (options.length === 1 && option === "--version") {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (options.length === 1 && option === "--standard-json") {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write(`solc.js: ${options.join(" ")} is not supported\n`);
  process.exitCode = 1;
}
