// What a client may write with the types that openapi-typescript makes, and what the compiler keeps it from.
import type { components, paths } from "./api";

type Validate = paths["/v1/hood/integrations/validate"]["post"];
type Request = Validate["requestBody"]["content"]["application/json"];

export const twilio: Request = {
  name: "Example",
  provider_id: "1000",
  settings: { account_sid: "AC00000000000000000000000000000001", auth_token: "this-is-no-real-token" },
};

// @ts-expect-error There is no such provider.
export const unknownProvider: Request = { name: "Example", provider_id: "none", settings: {} };

// @ts-expect-error Another provider has these settings.
export const otherSettings: Request = { ...twilio, provider_id: "1004" };

// @ts-expect-error The API key is missing.
export const missingField: Request = { name: "Example", provider_id: "1004", settings: { sender_name: "Example" } };

// @ts-expect-error The settings are closed.
export const unknownField: Request = { name: "Example", provider_id: "1004", settings: { api_key: "x", key: "x" } };

export function describe(request: Request): string {
  return request.provider_id === "1001" ? request.settings.sending_domain : request.name;
}

export function numbers(answer: Validate["responses"][200]["content"]["application/json"]): unknown[] {
  return answer.map((item) => item.incoming_phone_number);
}

export function fields(error: components["schemas"]["Error"]): string[] {
  return (error.errors ?? []).map(({ code, pointer, message }) => `${code} ${pointer ?? ""} ${message}`);
}
