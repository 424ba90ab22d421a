//! The rules for one field: what its keywords took, and what they take now.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bonafide_core::host::pointer::escape;
use serde_json::{Map, Value};

use super::Found;
use super::kind::Kind;

/// The keywords that people read, and what a change of each is.
pub(super) const TEXTS: [(&str, Kind); 4] = [
    ("title", Kind::TextChanged),
    ("description", Kind::TextChanged),
    ("$comment", Kind::TextChanged),
    ("examples", Kind::ExampleChanged),
];

/// A keyword that sets a limit.
struct Limit {
    keyword: &'static str,
    /// What it limits, with `{}` for the limit.
    words: &'static str,
    /// Whether more of it leaves more room.
    is_upper: bool,
    is_length: bool,
}

const fn limit(keyword: &'static str, words: &'static str, is_upper: bool) -> Limit {
    Limit { keyword, words, is_upper, is_length: false }
}

const LIMITS: [Limit; 10] = [
    Limit { is_length: true, ..limit("minLength", "a length of at least {}", false) },
    Limit { is_length: true, ..limit("maxLength", "a length of at most {}", true) },
    limit("minimum", "at least {}", false),
    limit("exclusiveMinimum", "more than {}", false),
    limit("maximum", "at most {}", true),
    limit("exclusiveMaximum", "less than {}", true),
    limit("minItems", "at least {} items", false),
    limit("maxItems", "at most {} items", true),
    limit("minProperties", "at least {} members", false),
    limit("maxProperties", "at most {} members", true),
];

/// The keywords that a rule is for, besides texts and limits.
const KNOWN: [&str; 10] = [
    "type",
    "enum",
    "oneOf",
    "anyOf",
    "const",
    "pattern",
    "format",
    "default",
    "writeOnly",
    "deprecated",
];
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

/// The changes of one field.
pub(super) fn compare(name: &str, before: &Value, after: &Value) -> Vec<Found> {
    let mut changes = Changes { name, before, after, found: Vec::new() };
    changes.types();
    changes.values();
    changes.constant();
    changes.pattern();
    for limit in &LIMITS {
        changes.limit(limit);
    }
    changes.format();
    changes.default();
    changes.secret();
    changes.deprecation();
    changes.others();
    changes.texts();
    changes.found
}

/// What a field takes, without what people read and without its age.
pub(super) fn shape(field: &Value) -> Map<String, Value> {
    let mut shape = field.as_object().cloned().unwrap_or_default();
    let is_told = |keyword: &str| TEXTS.iter().any(|(known, _)| *known == keyword);
    shape.retain(|keyword, _| !is_told(keyword) && keyword != "deprecated" && keyword != "default");
    shape
}

pub(super) fn is(field: &Value, keyword: &str) -> bool {
    field.get(keyword) == Some(&Value::Bool(true))
}

pub(super) fn differs(before: &Value, after: &Value, keyword: &str) -> bool {
    before.get(keyword) != after.get(keyword)
}

/// That a text which people read is another.
pub(super) fn said_otherwise(keyword: &str, subject: &str) -> String {
    match keyword {
        "examples" => format!("The examples of {subject} are others."),
        "$comment" => format!("The comment of {subject} is another."),
        keyword => format!("The {keyword} of {subject} is another."),
    }
}

struct Changes<'a> {
    name: &'a str,
    before: &'a Value,
    after: &'a Value,
    found: Vec<Found>,
}

impl<'a> Changes<'a> {
    fn add(&mut self, kind: Kind, keyword: &str, message: String) {
        self.found.push(Found {
            kind,
            pointer: format!("{}/{}", pointer(self.name), escape(keyword)),
            message,
            field: Some(self.name.to_owned()),
            keyword: keyword.to_owned(),
        });
    }

    /// The keyword then and now.
    fn both(&self, keyword: &str) -> (Option<&'a Value>, Option<&'a Value>) {
        (self.before.get(keyword), self.after.get(keyword))
    }

    fn types(&mut self) {
        let (before, after) = (types(self.before), types(self.after));
        if before == after {
            return;
        }
        // Every whole number is a number.
        let takes = |types: &BTreeSet<&str>, one: &str| {
            types.contains(one) || (one == "integer" && types.contains("number"))
        };
        let widened = before.iter().all(|one| takes(&after, one));
        let narrowed = after.iter().all(|one| takes(&before, one));
        let name = self.name;
        let (then, now) = (alternatives(&before), alternatives(&after));
        if widened {
            self.add(
                Kind::TypeWidened,
                "type",
                format!("`{name}` may be {now} now, it had to be {then}."),
            );
        } else {
            let kind = if narrowed { Kind::TypeNarrowed } else { Kind::TypeChanged };
            self.add(
                kind,
                "type",
                format!("`{name}` must be {now} now, it could be {then}: stored values of another type are refused."),
            );
        }
    }

    fn values(&mut self) {
        let name = self.name;
        match (values(self.before), values(self.after)) {
            (Some((_, before)), Some((keyword, after))) => {
                let gone = without(&before, &after);
                let new = without(&after, &before);
                if !gone.is_empty() {
                    self.add(
                        Kind::EnumNarrowed,
                        keyword,
                        format!(
                            "`{name}` no longer takes {}: stored settings with it are refused.",
                            shown(&gone)
                        ),
                    );
                }
                if !new.is_empty() {
                    self.add(
                        Kind::EnumWidened,
                        keyword,
                        format!("`{name}` takes {} too.", shown(&new)),
                    );
                }
                if gone.is_empty() && new.is_empty() && differs(self.before, self.after, keyword) {
                    self.add(
                        Kind::TextChanged,
                        keyword,
                        format!("The order of the values of `{name}`, or what is said of them, is another."),
                    );
                }
            }
            (None, Some((keyword, after))) => self.add(
                Kind::EnumAdded,
                keyword,
                format!(
                    "`{name}` takes {} alone now: stored settings with another value are refused.",
                    shown(&after)
                ),
            ),
            (Some((keyword, _)), None) => self.add(
                Kind::EnumRemoved,
                keyword,
                format!("`{name}` takes more than the values that were listed."),
            ),
            (None, None) => {}
        }
    }

    fn constant(&mut self) {
        let name = self.name;
        match self.both("const") {
            (None, Some(now)) => self.add(
                Kind::ConstAdded,
                "const",
                format!("`{name}` must be `{now}` now: stored settings with another value are refused."),
            ),
            (Some(then), Some(now)) if then != now => self.add(
                Kind::ConstChanged,
                "const",
                format!("`{name}` must be `{now}` now, it had to be `{then}`: what is stored is refused."),
            ),
            (Some(then), None) => self.add(
                Kind::ConstRemoved,
                "const",
                format!("`{name}` no longer has to be `{then}`."),
            ),
            _ => {}
        }
    }

    fn pattern(&mut self) {
        let name = self.name;
        let (then, now) = self.both("pattern");
        match (then.and_then(Value::as_str), now.and_then(Value::as_str)) {
            (None, Some(now)) => self.add(
                Kind::PatternAdded,
                "pattern",
                format!("`{name}` must match `{now}` now: stored values that do not are refused."),
            ),
            (Some(then), Some(now)) if then != now => self.add(
                Kind::PatternChanged,
                "pattern",
                format!("`{name}` must match `{now}` now, it had to match `{then}`."),
            ),
            (Some(_), None) => self.add(
                Kind::PatternRemoved,
                "pattern",
                format!("`{name}` no longer has to match a pattern."),
            ),
            _ => {}
        }
    }

    fn limit(&mut self, limit: &Limit) {
        let name = self.name;
        let (then, now) = self.both(limit.keyword);
        let number = |value: Option<&Value>| {
            let unlimited = if limit.is_upper { f64::INFINITY } else { f64::NEG_INFINITY };
            // No text is shorter than none.
            let unlimited = if limit.is_upper || !limit.is_length { unlimited } else { 0.0 };
            value.and_then(Value::as_f64).unwrap_or(unlimited)
        };
        let words = |value: Option<&Value>| match value {
            Some(value) => limit.words.replace("{}", &value.to_string()),
            None => "none".to_owned(),
        };
        let order = number(now).total_cmp(&number(then));
        let (now, then) = (words(now), words(then));
        let is_narrowed = match order {
            Ordering::Equal => return,
            Ordering::Less => limit.is_upper,
            Ordering::Greater => !limit.is_upper,
        };
        if is_narrowed {
            let kind = if limit.is_length { Kind::LengthNarrowed } else { Kind::LimitNarrowed };
            self.add(
                kind,
                limit.keyword,
                format!("The limit of `{name}` is {now} now, it was {then}: stored values beyond it are refused."),
            );
        } else {
            let kind = if limit.is_length { Kind::LengthWidened } else { Kind::LimitWidened };
            self.add(
                kind,
                limit.keyword,
                format!("The limit of `{name}` is {now} now, it was {then}."),
            );
        }
    }

    fn format(&mut self) {
        let name = self.name;
        match (format(self.before), format(self.after)) {
            (None, Some(now)) => self.add(
                Kind::FormatAdded,
                "format",
                format!("`{name}` has the format `{now}` now: tools that judge formats refuse stored values of another form."),
            ),
            (Some(then), Some(now)) if then != now => self.add(
                Kind::FormatChanged,
                "format",
                format!("`{name}` has the format `{now}` now, it had `{then}`: tools that judge formats refuse what is stored."),
            ),
            (Some(then), None) => self.add(
                Kind::FormatRemoved,
                "format",
                format!("`{name}` no longer has the format `{then}`."),
            ),
            _ => {}
        }
    }

    fn default(&mut self) {
        let name = self.name;
        match self.both("default") {
            (None, Some(now)) => {
                self.add(Kind::DefaultAdded, "default", format!("`{name}` is `{now}` where it is left out."));
            }
            (Some(then), Some(now)) if then != now => self.add(
                Kind::DefaultChanged,
                "default",
                format!("`{name}` is `{now}` where it is left out, it was `{then}`: stored settings without it mean something else."),
            ),
            (Some(then), None) => self.add(
                Kind::DefaultRemoved,
                "default",
                format!("`{name}` is no longer `{then}` where it is left out: stored settings without it mean something else."),
            ),
            _ => {}
        }
    }

    fn secret(&mut self) {
        let name = self.name;
        match (is(self.before, "writeOnly"), is(self.after, "writeOnly")) {
            (false, true) => {
                self.add(
                    Kind::NowSecret,
                    "writeOnly",
                    format!("`{name}` is a secret now: tools hide it."),
                );
            }
            (true, false) => self.add(
                Kind::NoLongerSecret,
                "writeOnly",
                format!(
                    "`{name}` is no secret any more: tools begin to show what is stored in it."
                ),
            ),
            _ => {}
        }
    }

    fn deprecation(&mut self) {
        let name = self.name;
        match (is(self.before, "deprecated"), is(self.after, "deprecated")) {
            (false, true) => {
                self.add(
                    Kind::Deprecated,
                    "deprecated",
                    format!("`{name}` is deprecated now, and still taken."),
                );
            }
            (true, false) => {
                self.add(
                    Kind::Undeprecated,
                    "deprecated",
                    format!("`{name}` is no longer deprecated."),
                );
            }
            _ => {}
        }
    }

    /// Keywords that no rule is for. The least that can be said is that they changed.
    fn others(&mut self) {
        let name = self.name;
        let lists_values = values(self.before).is_some() || values(self.after).is_some();
        let is_known = |keyword: &str| {
            // Choices that are no list of values are known to no rule.
            let is_choice = matches!(keyword, "oneOf" | "anyOf");
            (KNOWN.contains(&keyword) && (!is_choice || lists_values))
                || TEXTS.iter().any(|(known, _)| *known == keyword)
                || LIMITS.iter().any(|limit| limit.keyword == keyword)
        };
        let keywords = |schema: &'a Value| schema.as_object().into_iter().flat_map(Map::keys);
        let changed: BTreeSet<&String> = keywords(self.before)
            .chain(keywords(self.after))
            .filter(|keyword| !is_known(keyword) && differs(self.before, self.after, keyword))
            .collect();
        for keyword in changed {
            self.add(
                Kind::KeywordChanged,
                keyword,
                format!(
                    "The keyword `{keyword}` of `{name}` changed, and no rule knows what that does to stored settings."
                ),
            );
        }
    }

    fn texts(&mut self) {
        for (keyword, kind) in TEXTS {
            if differs(self.before, self.after, keyword) {
                self.add(kind, keyword, said_otherwise(keyword, &format!("`{}`", self.name)));
            }
        }
    }
}

fn types(schema: &Value) -> BTreeSet<&str> {
    match schema.get("type") {
        Some(Value::String(only)) => BTreeSet::from([only.as_str()]),
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::from(TYPES),
    }
}

fn alternatives(types: &BTreeSet<&str>) -> String {
    if types.len() >= TYPES.len() - 1 {
        return "anything".to_owned();
    }
    let words: Vec<&str> = types
        .iter()
        .map(|name| match *name {
            "string" => "a string",
            "number" => "a number",
            "integer" => "a whole number",
            "boolean" => "`true` or `false`",
            "array" => "an array",
            "object" => "an object",
            _ => "`null`",
        })
        .collect();
    words.join(" or ")
}

/// The values that a schema lists, and the keyword that lists them.
fn values(schema: &Value) -> Option<(&'static str, Vec<&Value>)> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(("enum", values.iter().collect()));
    }
    ["oneOf", "anyOf"].into_iter().find_map(|keyword| {
        let choices = schema.get(keyword)?.as_array()?;
        let values: Option<Vec<&Value>> =
            choices.iter().map(|choice| choice.get("const")).collect();
        Some((keyword, values?))
    })
}

fn without<'a>(values: &[&'a Value], others: &[&Value]) -> Vec<&'a Value> {
    values.iter().filter(|value| !others.contains(value)).copied().collect()
}

fn shown(values: &[&Value]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}

/// A format that says something of the value; `password` only says how it is shown.
fn format(schema: &Value) -> Option<&str> {
    schema.get("format").and_then(Value::as_str).filter(|format| *format != "password")
}

/// The JSON pointer of a field in a settings schema.
pub(super) fn pointer(field: &str) -> String {
    format!("/properties/{}", escape(field))
}
