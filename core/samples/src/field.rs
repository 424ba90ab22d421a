//! Values of one field.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::pattern::{Extent, Pattern};

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
    types: Vec<String>,
    /// All that the field takes, where the schema lists it.
    values: Vec<Value>,
    examples: Vec<Value>,
    pattern: Option<Pattern>,
    understood: bool,
    telling: Vec<char>,
}

impl Field {
    pub(crate) fn new(name: &str, schema: &Value, required: bool) -> Self {
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        let length = |keyword: &str| {
            let length = schema.get(keyword).and_then(Value::as_u64);
            length.and_then(|length| usize::try_from(length).ok())
        };
        let pattern = schema.get("pattern").and_then(Value::as_str);
        let parsed = pattern.and_then(Pattern::parse);
        Self {
            name: name.to_owned(),
            required,
            shortest: length("minLength").unwrap_or_default(),
            longest: length("maxLength").unwrap_or(LONG_ENOUGH),
            types: match schema.get("type") {
                Some(Value::String(only)) => vec![only.clone()],
                Some(Value::Array(types)) => {
                    types.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => vec!["string".to_owned()],
            },
            values: values(schema),
            examples: list("examples").cloned().unwrap_or_default(),
            understood: pattern.is_none() || parsed.is_some(),
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
            "integer" => json!(random.i32(0..100_000)),
            "number" => json!(f64::from(random.i32(0..100_000)) / 4.0),
            "boolean" => json!(random.bool()),
            "array" => json!([]),
            "object" => json!({}),
            _ => Value::Null,
        }
    }

    fn text(&self, random: &mut Rng) -> String {
        let extent = match random.u8(0..32) {
            0..6 => Extent::Least,
            6 => Extent::Most(self.longest),
            7 => Extent::Between(self.longest),
            _ => Extent::Between(self.longest.min(24)),
        };
        if let Some(pattern) = &self.pattern {
            return pattern.text(random, extent, &self.telling);
        }
        let length = match extent {
            Extent::Least => self.shortest,
            Extent::Most(longest) => longest,
            Extent::Between(longest) => random.usize(self.shortest..=longest.max(self.shortest)),
        };
        (0..length).map(|_| character(random)).collect()
    }
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
