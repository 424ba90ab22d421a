// What a fresh `bonafide schema export` wrote, in each of its formats, to the folder that BONAFIDE_SCHEMAS names.
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

export const folder = resolve(process.env.BONAFIDE_SCHEMAS ?? "schemas");

const read = async (name) => JSON.parse(await readFile(join(folder, name), "utf8"));

const index = await read("index.json");

export const providers = [];
for (const { name, schema } of index.items) providers.push({ name, schema: await read(schema) });
