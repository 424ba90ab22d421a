// Redocly's linter has nothing to say against the document of the API, by its recommended rules.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { folder } from "./exported.mjs";

const redocly = fileURLToPath(new URL("node_modules/@redocly/cli/bin/cli.js", import.meta.url));
// It neither reports its use nor looks for a newer version of itself.
const quiet = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_NOTIFICATIONS: "true", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

test("openapi.json has neither errors nor warnings", () => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [redocly, "lint", "--extends", "recommended", "--format", "json", "openapi.json"],
    { cwd: folder, encoding: "utf8", env: { ...process.env, ...quiet } },
  );
  assert.match(stdout, /^\{/, stderr);
  const { totals, problems } = JSON.parse(stdout);
  const said = problems.map(({ severity, ruleId, message, location }) =>
    `${severity} ${ruleId} at ${location[0]?.pointer}: ${message}`);
  assert.ok(problems.length === 0, said.join("\n"));
  assert.deepEqual(totals, { errors: 0, warnings: 0, ignored: 0 });
});
