// A strict TypeScript compiler takes what openapi-typescript makes of the document of the API, and the exported types.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import { folder } from "./exported.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

let work;
before(async () => {
  work = await mkdtemp(join(tmpdir(), "bonafide-types-"));
});
after(() => rm(work, { recursive: true }));

function compile(...files) {
  const { status, stdout } = spawnSync(
    process.execPath,
    [here("node_modules/typescript/bin/tsc"), "--strict", "--noEmit", "--target", "es2022", "--module", "preserve", ...files],
    { cwd: work, encoding: "utf8" },
  );
  assert.equal(status, 0, stdout);
}

test("the document of the API makes types that a client compiles with", async () => {
  const tree = await openapiTS(pathToFileURL(join(folder, "openapi.json")));
  await writeFile(join(work, "api.ts"), astToString(tree));
  await copyFile(here("client.ts"), join(work, "client.ts"));
  compile("client.ts");
});
