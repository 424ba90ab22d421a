//! What a provider must have said for a verdict, read without any of the code that is judged: necessary conditions, from
//! the words of an answer alone.

use std::iter::Peekable;
use std::str::Chars;

use super::Answer;

/// The texts and numbers of a JSON document, in the order in which they harness. Of what is no JSON it makes something.
#[derive(Default)]
struct Words {
    texts: Vec<String>,
    numbers: Vec<String>,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self::default();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => words.texts.push(quoted(&mut letters)),
                '-' | '0'..='9' => {
                    let mut number = String::from(letter);
                    let goes_on =
                        |letter: &char| letter.is_ascii_digit() || ".eE+-".contains(*letter);
                    while let Some(next) = letters.next_if(goes_on) {
                        number.push(next);
                    }
                    words.numbers.push(number);
                }
                _ => {}
            }
        }
        words
    }

    fn says(&self, texts: &[&str]) -> bool {
        texts.iter().all(|text| self.texts.iter().any(|known| known == text))
    }

    fn says_in_part(&self, text: &str) -> bool {
        self.texts.iter().any(|known| known.to_ascii_lowercase().contains(text))
    }

    fn counts(&self, numbers: &[&str]) -> bool {
        self.numbers.iter().any(|known| numbers.contains(&known.as_str()))
    }
}

/// The rest of a string, without its escapes.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                Some('u') => {
                    let digits: String = letters.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
                }
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    text
}

impl Answer {
    fn words(&self) -> Words {
        Words::of(&String::from_utf8_lossy(&self.body))
    }

    /// Plainly not the provider's but some server's in between.
    fn is_from_intermediary(&self) -> bool {
        self.headers.contains("problem+json") || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// Whether nothing may follow from it: an outage, a limit, or somebody else's answer.
    pub(super) fn decides_nothing(&self, provider: &str) -> bool {
        let is_outage = match self.status {
            408 | 425 | 429 | 501..=599 => true,
            // Mandrill says with it what others say with a 401.
            500 => provider != "mandrill",
            _ => false,
        };
        is_outage || matches!(self.status, 300..=399) || self.is_from_intermediary()
    }

    /// Whether the provider itself may have refused something with it.
    pub(super) fn refuses(&self, provider: &str) -> bool {
        let words = self.words();
        match (provider, self.status) {
            _ if self.decides_nothing(provider) => false,
            ("twilio", 400..=499) => {
                let codes =
                    ["20003", "20008", "20403", "20005", "10001", "90010", "70051", "20404"];
                words.says(&["code"]) && words.counts(&codes)
            }
            ("mandrill", _) => {
                words.says(&["name", "status", "error"])
                    && (words.says(&["Invalid_Key"]) || words.says(&["PaymentRequired"]))
            }
            ("sendgrid", 200) => words.says(&["scopes"]),
            ("sendgrid", 401 | 403 | 451) => words.says(&["errors", "message"]),
            // Mitto documents no body for its refusals.
            ("mitto", 401 | 403) => true,
            ("mitto", 200..=299 | 400) => {
                words.says(&["responseCode"]) && words.counts(&["5", "6"])
            }
            ("mailgun", 200) => {
                words.says(&["domain", "state"])
                    || words.says(&["domain", "disabled"])
                    || words.says(&["domain", "is_disabled"])
            }
            ("mailgun", 401) => {
                let plain = String::from_utf8_lossy(&self.body).trim() == "Forbidden";
                plain || words.says(&["Invalid private key"]) || words.says(&["Forbidden"])
            }
            ("mailgun", 400) => words.says_in_part("activate your mailgun account"),
            ("mailgun", 402 | 403) => !words.texts.is_empty(),
            ("mailgun", 404) => words.says_in_part("domain not found"),
            // Nothing is known of others.
            (name, _) => !["twilio", "sendgrid", "mitto", "mailgun"].contains(&name),
        }
    }

    /// Whether a pass may rest on it.
    pub(super) fn accepts(&self, provider: &str) -> bool {
        let words = self.words();
        match (provider, self.status) {
            _ if self.decides_nothing(provider) => false,
            ("twilio", 200) => words.says(&["incoming_phone_numbers"]),
            ("mandrill", 200) => words.says(&["PING"]),
            ("sendgrid", 200) => words.says(&["scopes", "mail.send"]),
            ("mitto", 200..=299 | 400) => {
                let is_dry_run =
                    self.status != 400 && words.says(&["test"]) && words.counts(&["0"]);
                words.says(&["responseCode"]) && (is_dry_run || words.counts(&["5", "6", "7", "8"]))
            }
            ("mailgun", 200) => {
                words.says(&["domain", "state"])
                    && (words.says(&["active"]) || words.says(&["unverified"]))
            }
            ("mailgun", 400) => !words.texts.is_empty(),
            // Nothing is known of others.
            (name, _) => !["twilio", "mandrill", "sendgrid", "mitto", "mailgun"].contains(&name),
        }
    }
}
