//! The forms in which a secret could leave.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A name for each form, and what writes it.
type Form = (&'static str, fn(&str) -> Vec<String>);

/// Every form that is searched for. Where it depends on what stands before the secret there are several texts of it.
pub(super) const FORMS: [Form; 28] = [
    ("as it is", |secret| vec![secret.to_owned()]),
    ("escaped for `Debug`", |secret| vec![secret.escape_debug().to_string()]),
    ("escaped in ASCII", |secret| {
        vec![secret.as_bytes().escape_ascii().to_string(), secret.escape_unicode().to_string()]
    }),
    ("escaped for JSON", |secret| {
        let quoted = serde_json::Value::from(secret).to_string();
        let escaped = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted);
        vec![escaped.to_owned(), escaped.replace('/', "\\/")]
    }),
    ("in `\\u` escapes", |secret| {
        vec![
            each_unit(secret, |unit| format!("\\u{unit:04x}")),
            each_unit(secret, |unit| format!("\\u{unit:04X}")),
        ]
    }),
    ("in `\\x` escapes", |secret| {
        vec![
            each(secret, |byte| format!("\\x{byte:02x}")),
            each(secret, |byte| format!("\\x{byte:02X}")),
        ]
    }),
    ("in octal escapes", |secret| vec![each(secret, |byte| format!("\\{byte:03o}"))]),
    ("percent-encoded where it must be", |secret| {
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        vec![encoded.replace("%20", "+"), lower_escapes(&encoded), encoded]
    }),
    ("percent-encoded throughout", |secret| {
        vec![
            each(secret, |byte| format!("%{byte:02x}")),
            each(secret, |byte| format!("%{byte:02X}")),
        ]
    }),
    ("percent-encoded twice", |secret| {
        let once = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let whole = [
            each(secret, |byte| format!("%25{byte:02x}")),
            each(secret, |byte| format!("%25{byte:02X}")),
        ];
        whole.into_iter().chain([once.replace('%', "%25")]).collect()
    }),
    ("in hexadecimal", |secret| vec![hex(secret)]),
    ("in hexadecimal, upper case", |secret| vec![hex(secret).to_ascii_uppercase()]),
    ("in hexadecimal, set apart", |secret| {
        [" ", ":", "-", ", "]
            .iter()
            .map(|between| joined(secret, between, |byte| format!("{byte:02x}")))
            .collect()
    }),
    ("as a list of bytes", |secret| {
        [", ", ",", " "]
            .iter()
            .map(|between| joined(secret, between, |byte| byte.to_string()))
            .collect()
    }),
    ("in binary", |secret| vec![each(secret, |byte| format!("{byte:08b}"))]),
    ("in Base64", |secret| in_base64(secret.as_bytes())),
    ("in Base64 for URLs", |secret| {
        in_base64(secret.as_bytes())
            .iter()
            .map(|text| text.replace('+', "-").replace('/', "_"))
            .collect()
    }),
    ("in Base64, twice", |secret| {
        in_base64(secret.as_bytes()).iter().flat_map(|once| in_base64(once.as_bytes())).collect()
    }),
    ("in Base64 of UTF-16", |secret| {
        let little: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        in_base64(&little)
    }),
    ("in Base32", |secret| in_base32(secret.as_bytes())),
    ("in Base32, lower case", |secret| {
        in_base32(secret.as_bytes()).iter().map(|text| text.to_ascii_lowercase()).collect()
    }),
    ("in HTML entities", |secret| {
        vec![
            each_letter(secret, |letter| format!("&#{};", u32::from(letter))),
            each_letter(secret, |letter| format!("&#x{:x};", u32::from(letter))),
        ]
    }),
    ("escaped for HTML", |secret| {
        let escaped = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let quoted = escaped.replace('"', "&quot;");
        vec![quoted.replace('\'', "&#39;"), quoted.replace('\'', "&#x27;"), quoted, escaped]
    }),
    ("in quoted-printable", |secret| {
        let sparse = |byte: u8| match byte {
            b'=' | 0..=31 | 127.. => format!("={byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        vec![each(secret, |byte| format!("={byte:02X}")), each(secret, sparse)]
    }),
    ("backwards", |secret| vec![secret.chars().rev().collect()]),
    ("in UTF-16", |secret| {
        // As it looks where the bytes are read as UTF-8: with a NUL between the letters.
        vec![secret.chars().map(String::from).collect::<Vec<_>>().join("\0")]
    }),
    ("by ROT13", |secret| vec![secret.chars().map(rot13).collect()]),
    ("in another case", |secret| vec![secret.to_uppercase(), secret.to_lowercase()]),
];

fn each(secret: &str, form: impl Fn(u8) -> String) -> String {
    joined(secret, "", form)
}

fn joined(secret: &str, between: &str, form: impl Fn(u8) -> String) -> String {
    secret.bytes().map(form).collect::<Vec<_>>().join(between)
}

fn each_letter(secret: &str, form: impl Fn(char) -> String) -> String {
    secret.chars().map(form).collect()
}

fn each_unit(secret: &str, form: impl Fn(u16) -> String) -> String {
    secret.encode_utf16().map(form).collect()
}

fn hex(secret: &str) -> String {
    each(secret, |byte| format!("{byte:02x}"))
}

/// Percent escapes in lower case, with everything else as it is.
fn lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        // Writing to a string cannot fail.
        let _ = write!(text, "%{}{rest}", digits.to_ascii_lowercase());
    }
    text
}

fn rot13(letter: char) -> char {
    let turned = |base: u8, letter: u8| char::from(base + (letter - base + 13) % 26);
    match letter {
        'a'..='z' | 'A'..='Z' => {
            let byte = u8::try_from(letter).unwrap_or_default();
            turned(if byte.is_ascii_lowercase() { b'a' } else { b'A' }, byte)
        }
        other => other,
    }
}

/// Inside a longer text, such as `user:password`, bytes can begin at three places of a Base64 group. The digits at both
/// ends that also depend on the neighbours are left out.
fn in_base64(bytes: &[u8]) -> Vec<String> {
    (0..3).map(|before| digits_of(bytes, before, 6, |padded| BASE64.encode(padded))).collect()
}

/// As [`in_base64`], with five places.
fn in_base32(bytes: &[u8]) -> Vec<String> {
    (0..5).map(|before| digits_of(bytes, before, 5, base32)).collect()
}

/// The digits that these bytes alone decide, when so many others stand before them.
fn digits_of(bytes: &[u8], before: usize, bits: usize, encode: impl Fn(&[u8]) -> String) -> String {
    let padded = [vec![0; before].as_slice(), bytes].concat();
    let first = (8 * before).div_ceil(bits);
    let end = 8 * padded.len() / bits;
    encode(&padded).get(first..end).unwrap_or_default().to_owned()
}

fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| byte >> (7 - index % 8) & 1);
    (0..8 * bytes.len())
        .step_by(5)
        .map(|start| (start..start + 5).fold(0, |digit, index| digit << 1 | bit(index)))
        .filter_map(|digit| DIGITS.get(usize::from(digit)).copied().map(char::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        let encoded =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base32(text.as_bytes()));
        assert_eq!(encoded, ["", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"]);
    }

    #[test]
    fn digits_that_depend_on_the_neighbours_are_left_out() {
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}secret{after}");
                let base64 = BASE64.encode(&text);
                assert!(in_base64(b"secret").iter().any(|part| base64.contains(part)), "{text}");
                let base32 = base32(text.as_bytes());
                assert!(in_base32(b"secret").iter().any(|part| base32.contains(part)), "{text}");
            }
        }
        assert!(in_base64(b"secret").iter().all(|part| part.len() >= 7));
        assert!(in_base32(b"secret").iter().all(|part| part.len() >= 8));
    }

    #[test]
    fn each_form_is_the_one_that_it_says() {
        let seen: Vec<String> = FORMS
            .iter()
            .map(|(name, form)| format!("{name}: {}", form("a/Z <é=").join("  ")))
            .collect();
        insta::assert_snapshot!(seen.join("\n").replace('\0', "\\0"));
    }
}
