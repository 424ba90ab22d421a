// Validates the requests in the given files, then one with a wrong token and one that is not JSON.
// Usage: node validate.mjs BASE_URL TOKEN FILE...
import { readFile } from "node:fs/promises";

const [base, token, ...files] = process.argv.slice(2);

async function validate(body) {
  const response = await fetch(`${base}/v1/hood/integrations/validate`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body,
  });
  const text = await response.text();
  const answer = text === "" ? undefined : JSON.parse(text);
  if (response.status === 200) return `200 ${answer.length} numbers`;
  if (response.status === 204) return "204";
  const [error] = answer.errors;
  return [response.status, error.code, error.pointer].filter(Boolean).join(" ");
}

const integrations = [];
for (const file of files) integrations.push(JSON.parse(await readFile(file, "utf8")));
for (const integration of integrations) console.log(await validate(JSON.stringify(integration)));

const [twilio] = integrations;
const wrong = { ...twilio, settings: { ...twilio.settings, auth_token: "wrong" } };
console.log(await validate(JSON.stringify(wrong)));
console.log(await validate('{"name": "Example", "provider_id": "1000",}'));
