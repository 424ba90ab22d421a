//! The conformance kit, run on this provider.

bonafide_testkit::conformance!(bonafide_mailgun::Mailgun, differs: {
    // Mailgun says in JSON, with a `message`, what it does not find. Any other 404 that is not plainly somebody else's
    // means that we asked for a path that it does not have.
    "404_empty" => "internal",
    "404_plain_text" => "internal",
});
