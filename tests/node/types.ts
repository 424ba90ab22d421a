// What may be written with the exported types, what the compiler keeps one from, and that they say what the document of the
// API says.
import type { components } from "./api";
import type { Catalogue, ErrorBody, MittoSettingsToSave, Problem, SettingsById, ValidateRequest } from "./bonafide";

export const mitto: ValidateRequest = { name: "Example", provider_id: "1004", settings: { api_key: "x" } };

export const twilio: SettingsById["1000"] = { account_sid: "x", auth_token: "x" };

// @ts-expect-error There is no such provider.
export const unknownProvider: ValidateRequest = { name: "Example", provider_id: "none", settings: {} };

// @ts-expect-error Another provider has these settings.
export const otherSettings: ValidateRequest = { ...mitto, provider_id: "1000" };

// @ts-expect-error The API key is missing.
export const missingField: ValidateRequest = { name: "Example", provider_id: "1004", settings: {} };

// @ts-expect-error The settings are closed.
export const unknownField: ValidateRequest = { name: "Example", provider_id: "1004", settings: { api_key: "x", key: "x" } };

// @ts-expect-error Saving needs the sender's name.
export const tooLittleToSave: MittoSettingsToSave = { api_key: "x" };

export function host(request: ValidateRequest): string | undefined {
  return request.provider_id === "1001" ? request.settings.sending_domain : undefined;
}

export function problems(error: ErrorBody): Problem[] {
  return error.code === 400 || error.code === 500 ? error.errors : [];
}

type Schemas = components["schemas"];

// What the one allows, the other allows.
export const requestOfDocument = (request: ValidateRequest): Schemas["ValidationRequest"] => request;
export const requestOfTypes = (request: Schemas["ValidationRequest"]): ValidateRequest => request;
export const problemOfDocument = (problem: Problem): Schemas["Problem"] => problem;
export const problemOfTypes = (problem: Schemas["Problem"]): Problem => problem;

// Here the types say more than the document.
export const errorOfDocument = (error: ErrorBody): Schemas["Error"] => error;
export const catalogueOfDocument = (catalogue: Catalogue): Schemas["Catalogue"] => catalogue;
