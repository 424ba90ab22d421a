// Every schema compiles in ajv's strict mode, with nothing declared beyond draft 2020-12 and the standard formats.
import assert from "node:assert/strict";
import { test } from "node:test";
import addFormats from "ajv-formats";
import Ajv2020 from "ajv/dist/2020.js";
import { providers } from "./exported.mjs";

function compile(schema) {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  addFormats(ajv);
  return ajv.compile(schema);
}

function without(settings, field) {
  const { [field]: _, ...rest } = settings;
  return rest;
}

test("there are providers", () => assert.ok(providers.length > 0));

for (const { name, schema } of providers) {
  test(`${name}: compiles in strict mode`, () => compile(schema));

  test(`${name}: takes its examples, and nothing more or less`, () => {
    const validate = compile(schema);
    assert.ok(schema.examples.length > 0);
    for (const example of schema.examples) {
      assert.ok(validate(example), JSON.stringify(validate.errors));
      assert.ok(!validate({ ...example, unheard_of: "x" }), "a field that there is not");
      for (const field of schema.required) assert.ok(!validate(without(example, field)), field);
    }
  });

  test(`${name}: says what saving needs`, () => {
    const { save } = schema.$defs;
    const validate = compile({ ...schema, required: save.required });
    compile(save);
    for (const field of schema.required) assert.ok(save.required.includes(field), field);
    for (const example of schema.examples) {
      assert.ok(validate(example), JSON.stringify(validate.errors));
      for (const field of save.required) assert.ok(!validate(without(example, field)), field);
    }
  });

  test(`${name}: refers to nothing`, () => assert.doesNotMatch(JSON.stringify(schema), /"\$(dynamic)?ref"/i));
}
