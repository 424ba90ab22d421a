//! The conformance kit, run on this provider.

bonafide_testkit::conformance!(bonafide_postmark::Postmark);
