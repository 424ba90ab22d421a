// Made by `bonafide schema export --format typescript`. Export it again instead of editing it.

/** What an integration with Twilio is made of, as a validation needs it. */
export interface TwilioSettings {
  /**
   * Account SID: The account's SID, from the Console's Account Info: `AC` and 32 hexadecimal digits.
   * @example "AC00000000000000000000000000000001"
   */
  account_sid: string;
  /**
   * Auth token: The account's live auth token, from the Console's Account Info.
   * A secret: show it to nobody.
   */
  auth_token: string;
  /**
   * Default phone number: The number that messages are sent from, with its country code.
   * @example "+12185550100"
   */
  default_phone_number?: string;
}

/** What saving an integration with Twilio needs. */
export type TwilioSettingsToSave = TwilioSettings & Required<Pick<TwilioSettings, "account_sid" | "auth_token" | "default_phone_number">>;

/** A request to validate an integration with Twilio. */
export interface TwilioValidateRequest extends Integration {
  provider_id: "1000";
  settings: TwilioSettings;
}

/** What an integration with Custom SMTP is made of, as a validation needs it. */
export interface SmtpSettings {
  /**
   * Sending domain: The host name of the mail server that takes submissions.
   * @example "smtp.example.com"
   */
  sending_domain: string;
  /**
   * Port: The port: 465 for TLS from the first byte, 587 or another for STARTTLS.
   * @example "587"
   */
  port: string;
  /**
   * User name: The name to log in with, often the whole e-mail address.
   * @example "news@example.com"
   */
  username: string;
  /**
   * Password: The password to log in with; with some providers one made for applications.
   * A secret: show it to nobody.
   */
  password: string;
  /**
   * Default sender email: The address that mail is sent from.
   * @example "news@example.com"
   */
  default_sender_email?: string;
  /**
   * Default sender name: The name that recipients see.
   * @example "Example News"
   */
  default_sender_name?: string;
}

/** What saving an integration with Custom SMTP needs. */
export type SmtpSettingsToSave = SmtpSettings & Required<Pick<SmtpSettings, "sending_domain" | "port" | "username" | "password" | "default_sender_email" | "default_sender_name">>;

/** A request to validate an integration with Custom SMTP. */
export interface SmtpValidateRequest extends Integration {
  provider_id: "1001";
  settings: SmtpSettings;
}

/** What an integration with Mailchimp Transactional is made of, as a validation needs it. */
export interface MandrillSettings {
  /**
   * API key: A key from Mailchimp Transactional's Settings, SMTP & API Info; not a key of Mailchimp Marketing.
   * A secret: show it to nobody.
   */
  api_key: string;
  /**
   * Default sender name: The name that recipients see.
   * @example "Example News"
   */
  default_sender_name?: string;
  /**
   * Default sender email: The address that mail is sent from. The provider must have verified the address or its domain.
   * @example "news@example.com"
   */
  default_sender_email?: string;
  /**
   * Default reply-to email: The address that answers go to.
   * @example "help@example.com"
   */
  default_reply_to_email?: string;
}

/** What saving an integration with Mailchimp Transactional needs. */
export type MandrillSettingsToSave = MandrillSettings & Required<Pick<MandrillSettings, "api_key" | "default_sender_name" | "default_sender_email" | "default_reply_to_email">>;

/** A request to validate an integration with Mailchimp Transactional. */
export interface MandrillValidateRequest extends Integration {
  provider_id: "1002";
  settings: MandrillSettings;
}

/** What an integration with SendGrid is made of, as a validation needs it. */
export interface SendgridSettings {
  /**
   * API key: A key that may send mail, from Settings, API Keys.
   * A secret: show it to nobody.
   */
  api_key: string;
  /**
   * Default sender name: The name that recipients see.
   * @example "Example News"
   */
  default_sender_name?: string;
  /**
   * Default sender email: The address that mail is sent from. The provider must have verified the address or its domain.
   * @example "news@example.com"
   */
  default_sender_email?: string;
  /**
   * Default reply-to email: The address that answers go to.
   * @example "help@example.com"
   */
  default_reply_to_email?: string;
}

/** What saving an integration with SendGrid needs. */
export type SendgridSettingsToSave = SendgridSettings & Required<Pick<SendgridSettings, "api_key" | "default_sender_name" | "default_sender_email" | "default_reply_to_email">>;

/** A request to validate an integration with SendGrid. */
export interface SendgridValidateRequest extends Integration {
  provider_id: "1003";
  settings: SendgridSettings;
}

/** What an integration with Mitto is made of, as a validation needs it. */
export interface MittoSettings {
  /**
   * API key: The key of the account's API, from the Mitto customer portal.
   * A secret: show it to nobody.
   */
  api_key: string;
  /**
   * Sender name: The name or number that recipients see: 3 to 11 letters and digits, or 3 to 14 digits.
   * @example "Example"
   */
  sender_name?: string;
}

/** What saving an integration with Mitto needs. */
export type MittoSettingsToSave = MittoSettings & Required<Pick<MittoSettings, "api_key" | "sender_name">>;

/** A request to validate an integration with Mitto. */
export interface MittoValidateRequest extends Integration {
  provider_id: "1004";
  settings: MittoSettings;
}

/** What an integration with Mailgun is made of, as a validation needs it. */
export interface MailgunSettings {
  /**
   * API key: A private API key of the account, or a sending key of the domain.
   * A secret: show it to nobody.
   */
  api_key: string;
  /**
   * Domain: The sending domain, as it stands in Mailgun.
   * @example "mg.example.com"
   */
  domain: string;
  /**
   * Sender email: The address that mail is sent from, in the sending domain.
   * @example "news@mg.example.com"
   */
  sender_email?: string;
  /**
   * Sender name: The name that recipients see.
   * @example "Example News"
   */
  sender_name?: string;
}

/** What saving an integration with Mailgun needs. */
export type MailgunSettingsToSave = MailgunSettings & Required<Pick<MailgunSettings, "api_key" | "domain" | "sender_email" | "sender_name">>;

/** A request to validate an integration with Mailgun. */
export interface MailgunValidateRequest extends Integration {
  provider_id: "1005";
  settings: MailgunSettings;
}

/** What requests have in common, whosever settings they hold. */
export interface Integration {
  /** What the integration is called, in 1 to 100 characters. */
  name: string;
  /** Whether the integration is in use, `active` when left out; the check is the same. */
  status?: "active" | "inactive";
}

/** The body of a request; `provider_id` tells whose settings it holds. */
export type ValidateRequest =
  | TwilioValidateRequest
  | SmtpValidateRequest
  | MandrillValidateRequest
  | SendgridValidateRequest
  | MittoValidateRequest
  | MailgunValidateRequest;

/** The names of the providers. */
export type ProviderName =
  | "twilio"
  | "smtp"
  | "mandrill"
  | "sendgrid"
  | "mitto"
  | "mailgun";

/** The settings by the id of their provider. */
export interface SettingsById {
  "1000": TwilioSettings;
  "1001": SmtpSettings;
  "1002": MandrillSettings;
  "1003": SendgridSettings;
  "1004": MittoSettings;
  "1005": MailgunSettings;
}

/** The ids of the providers. */
export type ProviderId = keyof SettingsById;

/** What a provider carries. */
export type ProviderType =
  | "sms"
  | "email"
  | "push"
  | "chat"
  | "voice";

/** What a check came to: it passed, it was refused, or nobody knows. */
export type Verdict =
  | "valid"
  | "rejected"
  | "inconclusive";

/** Why a check did not pass. */
export type Cause =
  | "malformed_request"
  | "unknown_provider"
  | "invalid_settings"
  | "invalid_credentials"
  | "wrong_credential_kind"
  | "insufficient_permission"
  | "account_suspended"
  | "not_found"
  | "connection_failed"
  | "destination_forbidden"
  | "provider_rate_limited"
  | "provider_unavailable"
  | "provider_timeout"
  | "unexpected_response"
  | "internal";

/** What is worth knowing although a check passed. */
export type WarningCode =
  | "sender_unverified"
  | "number_not_in_account"
  | "account_limited"
  | "rights_not_checked";

/** One problem: its cause, its place and the way out. */
export interface Problem<Code = Cause> {
  code: Code;
  /** RFC 6901 JSON Pointer into the request, absent where no field is at fault. */
  pointer?: string;
  message: string;
  /** What to do about it. */
  hint?: string;
}

/** What `bonafide validate --format json` prints. */
export interface Report {
  verdict: Verdict;
  provider_id?: ProviderId;
  provider?: ProviderName;
  /** What the provider has to tell. */
  data?: unknown;
  warnings?: Problem<WarningCode>[];
  errors?: Problem[];
  /** Whether emulators were asked instead of the provider. */
  sandbox?: boolean;
  trace_id: string;
  elapsed_ms: number;
}

/** One provider of the catalogue. */
export interface CatalogueItem {
  id: ProviderId;
  type: ProviderType;
  name: ProviderName;
  title: string;
  settings: {
    title: string;
    name: string;
    type: string;
    /** Whether an integration cannot be saved without it. */
    required: boolean;
    secret: boolean;
    deprecated: boolean;
  }[];
}

/** The body of `GET /v1/hood/providers`. */
export interface Catalogue {
  total: number;
  items: CatalogueItem[];
}

/** The body of every answer that is no success; `code` is the HTTP status. */
export type ErrorBody =
  | { code: 400; title: "Bad request."; trace_id: string; message: string; errors: Problem[] }
  | { code: 401; title: "Unauthorized."; trace_id: string; message: string }
  | { code: 404; title: "Not found."; trace_id: string; message: string }
  | { code: 405; title: "Method not allowed."; trace_id: string; message: string }
  | { code: 413; title: "Payload too large."; trace_id: string; message: string }
  | { code: 415; title: "Unsupported media type."; trace_id: string; message: string }
  | { code: 429; title: "Too many requests."; trace_id: string; message: string }
  | { code: 500; title: "Internal server error."; trace_id: string; errors: Problem[] };
