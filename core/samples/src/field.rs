//! Values of one field.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::pattern::{Extent, MAX_LENGTH, Pattern};

/// Characters that are often mistaken for others, or for nothing.
const ODD: [char; 12] = [
    'é',
    'ß',
    'Ж',
    '中',
    '😀',
    '\u{301}',
    '\u{a0}',
    '\u{200b}',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    '\u{10ffff}',
];
/// How long a text gets where the schema sets no limit, in characters.
const LONG_ENOUGH: usize = 300;

/// One field, as its schema describes it.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    least: i32,
    most: i32,
    types: Vec<String>,
    /// All that the field takes, where the schema lists it.
    values: Vec<Value>,
    examples: Vec<Value>,
    pattern: Option<Pattern>,
    /// Whether texts can be made from the pattern, if there is one.
    pub(crate) understood: bool,
    telling: Vec<char>,
}

impl Field {
    pub(crate) fn new(name: &str, schema: &Value, required: bool) -> Self {
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        let length = |keyword: &str| {
            let length = schema.get(keyword).and_then(Value::as_u64);
            length.and_then(|length| usize::try_from(length).ok())
        };
        let limit = |keyword: &str| {
            let limit = schema.get(keyword).and_then(Value::as_i64);
            limit.and_then(|limit| i32::try_from(limit).ok())
        };
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let parsed = pattern.and_then(Pattern::parse);
        Self {
            name: name.to_owned(),
            required,
            shortest: length("minLength").unwrap_or_default().min(MAX_LENGTH),
            longest: length("maxLength").unwrap_or(LONG_ENOUGH).min(MAX_LENGTH),
            least: limit("minimum").unwrap_or_default(),
            most: limit("maximum").unwrap_or(100_000),
            types: match schema.get("type") {
                Some(Value::String(only)) => vec![only.clone()],
                Some(Value::Array(types)) => {
                    types.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => vec!["string".to_owned()],
            },
            values: values(schema),
            examples: match (pattern, schema.get("format").and_then(Value::as_str)) {
                (None, Some(format)) if !of_format(format).is_empty() => {
                    of_format(format).iter().map(|text| json!(text)).collect()
                }
                _ => list("examples").cloned().unwrap_or_default(),
            },
            understood: parsed.is_some() || (pattern.is_none() && format_is_free(schema)),
            telling: parsed.as_ref().map(Pattern::telling).unwrap_or_default(),
            pattern: parsed,
        }
    }

    /// Uses what tells patterns apart in another schema of this field too.
    pub(crate) fn learn(&mut self, schema: &Value) {
        let other = Self::new(&self.name, schema, self.required);
        self.telling.extend(other.telling);
        self.telling.sort_unstable();
        self.telling.dedup();
    }

    /// The characters that are worth trying in this field.
    pub(crate) fn telling(&self) -> &[char] {
        &self.telling
    }

    /// A value that is meant to be taken.
    pub(crate) fn good(&self, random: &mut Rng) -> Value {
        if let Some(value) = random.choice(&self.values) {
            return value.clone();
        }
        if let Some(example) = random.choice(&self.examples)
            && (!self.understood || random.u8(0..8) == 0)
        {
            return example.clone();
        }
        let kind = random.choice(&self.types).map_or("string", String::as_str);
        match kind {
            "string" => Value::String(self.text(random)),
            "integer" => json!(self.number(random)),
            "number" => json!(f64::from(self.number(random))),
            "boolean" => json!(random.bool()),
            "array" => json!([]),
            "object" => json!({}),
            _ => Value::Null,
        }
    }

    /// The least number, the greatest, or one between.
    fn number(&self, random: &mut Rng) -> i32 {
        let (least, most) = (self.least, self.most.max(self.least));
        match random.u8(0..4) {
            0 => least,
            1 => most,
            _ => random.i32(least..=most),
        }
    }

    fn text(&self, random: &mut Rng) -> String {
        let extent = match random.u8(0..32) {
            0..6 => Extent::Least,
            6 => Extent::Most(self.longest),
            7 => Extent::Between(self.longest),
            8..14 => Extent::Ends(self.longest.min(LONG_ENOUGH)),
            _ => Extent::Between(self.longest.min(24)),
        };
        if let Some(pattern) = &self.pattern {
            return pattern.text(random, extent, &self.telling);
        }
        let length = match extent {
            Extent::Least => self.shortest,
            Extent::Ends(longest) | Extent::Most(longest) => longest,
            Extent::Between(longest) => random.usize(self.shortest..=longest.max(self.shortest)),
        };
        (0..length).map(|_| character(random)).collect()
    }
}

/// Texts of a format. Those of others, and of `password`, may be any.
fn of_format(format: &str) -> &'static [&'static str] {
    match format {
        "email" => &["news@example.com", "a@b.example"],
        "hostname" => &["smtp.example.com", "localhost"],
        "uri" => &["https://example.com/hook", "urn:example:a"],
        "uuid" => &["99a84211-f73d-4ff8-acdf-eb3e06bb9d62"],
        "ipv4" => &["192.0.2.1"],
        "ipv6" => &["2001:db8::1"],
        "date" => &["2026-01-31"],
        "date-time" => &["2026-01-31T12:00:00Z"],
        _ => &[],
    }
}

/// Whether a text of this format may be any text.
fn format_is_free(schema: &Value) -> bool {
    let format = schema.get("format").and_then(Value::as_str);
    format.is_none_or(|format| of_format(format).is_empty())
}

/// Any character, mostly one that is on every keyboard.
pub(crate) fn character(random: &mut Rng) -> char {
    match random.u8(0..12) {
        0 => random.choice(ODD).unwrap_or('é'),
        1 => ' ',
        _ => char::from(random.u8(0x21..0x7f)),
    }
}

/// A character that texts seldom hold on purpose.
pub(crate) fn odd_character(random: &mut Rng) -> char {
    match random.u8(0..3) {
        0 => char::from(random.u8(0..0x20)),
        1 => char::from(random.u8(0x7f..=0xa0)),
        _ => random.choice(ODD).unwrap_or('é'),
    }
}

/// All that a schema takes, where it lists it.
fn values(schema: &Value) -> Vec<Value> {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    if let Some(only) = schema.get("const") {
        return vec![only.clone()];
    }
    if let Some(values) = list("enum") {
        return values.clone();
    }
    let choices = list("oneOf").or_else(|| list("anyOf"));
    choices.into_iter().flatten().flat_map(values).collect()
}
