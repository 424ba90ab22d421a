// react-jsonschema-form draws every provider's form from the exported schema alone, in a real browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import addFormats from "ajv-formats";
import Ajv2020 from "ajv/dist/2020.js";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { folder, providers } from "./exported.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-lcd-text"];

let browser;
let server;
const saved = {};
const complaints = [];

before(async () => {
  const script = await bundle();
  server = createServer((request, response) => answer(request, response, script));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags, timeout: 300_000 });
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [here("form.jsx")],
    bundle: true,
    define: { "process.env.NODE_ENV": '"production"' },
    format: "esm",
    jsx: "automatic",
    write: false,
  });
  return outputFiles[0].contents;
}

// What a platform's own web server would do: the page, the exported files, and a place to save to.
async function answer(request, response, script) {
  const [, place, name] = request.url.split("/");
  if (place === "integrations") {
    saved[name] = JSON.parse(Buffer.concat(await request.toArray()));
    return response.writeHead(204).end();
  }
  if (place === "form.js") return response.writeHead(200, { "content-type": "text/javascript" }).end(script);
  const file = place === "schemas" ? join(folder, name) : here("form.html");
  response.writeHead(200, { "content-type": place === "schemas" ? "application/json" : "text/html" });
  response.end(await readFile(file));
}

async function open(name) {
  const page = await browser.newPage({ viewport: { width: 480, height: 400 } });
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => complaints.push(`${name}: ${error}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/#${name}`);
  await page.locator("form").waitFor();
  return page;
}

async function fill(page, settings) {
  for (const [field, value] of Object.entries(settings)) await page.fill(`#root_${field}`, value);
}

// Presses the button, and gives what stands beside the fields then.
async function submit(page) {
  await page.click("button[type=submit]");
  const errors = await page.locator("ul.error-detail").evaluateAll((lists) =>
    lists.map((list) => [list.id.replace(/^root_|__error$/g, ""), list.innerText.trim()]));
  return Object.fromEntries(errors.filter(([, text]) => text !== ""));
}

const SPACED = "not this";

// A text that the field does not take, if there is one that can be typed: most fields forbid an inner space, and the
// others have a greatest length.
function wrongValue(property) {
  const validate = addFormats(new Ajv2020()).compile(property);
  return [SPACED, "x".repeat((property.maxLength ?? 0) + 1)].find((candidate) => !validate(candidate));
}

for (const { name, schema } of providers) {
  const fields = Object.entries(schema.properties);
  const [example] = schema.examples;
  const wrong = fields.map(([field, property]) => [field, wrongValue(property)]).filter(([, value]) => value !== undefined);

  test(`${name}: every field is drawn, in its order, with its title and description`, async () => {
    const page = await open(name);
    const drawn = await page.locator("input").evaluateAll((inputs) => inputs.map((input) => input.id));
    assert.deepEqual(drawn, fields.map(([field]) => `root_${field}`));
    for (const [field, { title, description }] of fields) {
      const mark = schema.required.includes(field) ? "*" : "";
      assert.equal(await page.innerText(`label[for=root_${field}]`), title + mark);
      assert.equal(await page.innerText(`#root_${field}__description`), description);
    }
    await page.close();
  });

  test(`${name}: secrets are masked, and nothing else is`, async () => {
    const page = await open(name);
    const masked = await page.locator("input[type=password]").evaluateAll((inputs) => inputs.map((input) => input.id));
    assert.deepEqual(masked, fields.filter(([, { writeOnly }]) => writeOnly).map(([field]) => `root_${field}`));
    assert.ok(masked.length > 0);
    await page.close();
  });

  test(`${name}: what a validation needs is asked for, at its field`, async () => {
    const page = await open(name);
    const errors = await submit(page);
    assert.deepEqual(Object.keys(errors), fields.map(([field]) => field).filter((field) => schema.required.includes(field)));
    assert.equal(saved[name], undefined);
    await page.close();
  });

  test(`${name}: a wrong value has its error at its field, and at no other`, async () => {
    const page = await open(name);
    await fill(page, example);
    assert.ok(wrong.length > 0);
    for (const [field, value] of wrong) {
      await fill(page, { [field]: value });
      assert.deepEqual(Object.keys(await submit(page)), [field]);
      await fill(page, { [field]: example[field] });
    }
    await page.close();
  });

  test(`${name}: what is good is handed over as it was typed, and what is left empty is left out`, async () => {
    const page = await open(name);
    const needed = Object.fromEntries(schema.required.map((field) => [field, example[field]]));
    for (const settings of [needed, example]) {
      await fill(page, settings);
      const answered = page.waitForResponse((response) => response.url().includes("/integrations/"));
      assert.deepEqual(await submit(page), {});
      await answered;
      assert.deepEqual(saved[name], settings);
    }
    await page.close();
  });

  // Pictures differ from machine to machine, so they are made when somebody asks for them, and not compared.
  if (process.env.BONAFIDE_REFRESH) {
    test(`${name}: its picture is taken`, async () => {
      const page = await open(name);
      const [field, value] = wrong.findLast(([, value]) => value === SPACED) ?? wrong.at(-1);
      await fill(page, { ...example, [field]: value });
      await submit(page);
      await page.screenshot({ fullPage: true, path: here(`../../docs/images/forms/${name}.png`) });
      await page.close();
    });
  }
}

test("no page complained of anything", () => assert.deepEqual(complaints, []));
