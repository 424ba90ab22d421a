//! The conformance kit, run on this provider.

// Mitto documents no body for its refusals, so the status counts unless the body is plainly somebody else's: HTML or
// problem+json.
bonafide_testkit::conformance!(bonafide_mitto::Mitto, differs: {
    "401_empty" => "invalid_credentials at /settings/api_key",
    "401_plain_text" => "invalid_credentials at /settings/api_key",
    "401_other_json" => "invalid_credentials at /settings/api_key",
    "403_empty" => "insufficient_permission at /settings/api_key",
    "403_plain_text" => "insufficient_permission at /settings/api_key",
    "403_other_json" => "insufficient_permission at /settings/api_key",
});
