//! A key of the sister product is known by its form.

use bonafide_core::host::SubmittedSettings;
use bonafide_core::{Cause, ProviderValidator};
use bonafide_mandrill::Mandrill;

#[test]
fn a_marketing_key_is_32_hexadecimal_digits_and_a_data_centre() {
    let schema = Mandrill.settings_schema().unwrap();
    let cause = |key: &str| {
        let settings = [("api_key".to_owned(), key.into())].into_iter().collect();
        let checked = Mandrill.check_settings(&schema, SubmittedSettings::new(settings));
        checked.err().map(|failure| failure.cause())
    };
    let digits = "0123456789abcdefABCDEF0123456789";
    for key in [format!("{digits}-us1"), format!("{digits}-us21"), format!("{digits}-us100")] {
        assert_eq!(cause(&key), Some(Cause::WrongCredentialKind), "{key}");
    }
    for key in [
        "md-0123456789",
        "0123456789abcdefABCDEF",
        &format!("{digits}-us"),
        &format!("{digits}-us1000"),
        &format!("{digits}-us2x"),
        &format!("{digits}-eu1"),
        &format!("{digits}0-us1"),
        &format!("{}g-us1", &digits[1..]),
        &format!("{}-us1", &digits[1..]),
    ] {
        assert_eq!(cause(key), None, "{key}");
    }
}
