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
  const tree = await openapiTS(pathToFileURL(join(folder, "openapi.json")));
  await writeFile(join(work, "api.ts"), astToString(tree));
  await copyFile(join(folder, "bonafide.ts"), join(work, "bonafide.ts"));
  for (const file of ["client.ts", "types.ts"]) await copyFile(here(file), join(work, file));
});

after(() => rm(work, { recursive: true }));

function compile(file) {
  const compiler = here("node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, "--strict", "--noEmit", "--target", "es2022", "--module", "preserve", file],
    { cwd: work, encoding: "utf8" },
  );
  assert.equal(status, 0, stdout);
}

test("a client compiles with what openapi-typescript makes of the document of the API", () => compile("client.ts"));

test("the exported types compile, and say what the document of the API says", () => compile("types.ts"));
