//! The rules for the settings of a provider as a whole: which fields there are, and which are needed.

use std::collections::BTreeSet;

use bonafide_core::host::pointer::escape;
use serde_json::{Map, Value};

use super::Found;
use super::field::{self, differs, pointer, shape};
use super::kind::Kind;

/// What is compared by a rule of its own, or says who the schema is of.
const KNOWN: [&str; 8] = [
    "$id",
    "title",
    "description",
    "$comment",
    "examples",
    "properties",
    "required",
    "additionalProperties",
];

/// A schema of settings, taken apart.
struct Settings<'a> {
    schema: &'a Value,
    fields: Vec<(&'a str, &'a Value)>,
    required: BTreeSet<&'a str>,
    needed_to_save: BTreeSet<&'a str>,
}

impl<'a> Settings<'a> {
    fn of(schema: &'a Value) -> Self {
        let names = |pointer| -> BTreeSet<&str> {
            let list = schema.pointer(pointer).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Self {
            schema,
            fields: fields.map(|(name, field)| (name.as_str(), field)).collect(),
            required: names("/required"),
            needed_to_save: names("/$defs/save/required"),
        }
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    fn is_closed(&self) -> bool {
        self.schema.get("additionalProperties") == Some(&Value::Bool(false))
    }

    /// The fields that the other one has not.
    fn without(&self, other: &Self) -> Vec<(&'a str, &'a Value)> {
        let is_missing = |(name, _): &&(&str, &Value)| other.field(name).is_none();
        self.fields.iter().filter(is_missing).copied().collect()
    }
}

/// Whether settings are made of fields of the same names.
pub(super) fn have_the_same_fields(before: &Value, after: &Value) -> bool {
    let names = |schema| -> BTreeSet<String> {
        Settings::of(schema).fields.iter().map(|(name, _)| (*name).to_owned()).collect()
    };
    names(before) == names(after)
}

/// Every change from one schema to the other, from the whole to the fields, in their order.
pub(super) fn compare(before: &Value, after: &Value) -> Vec<Found> {
    let (before, after) = (Settings::of(before), Settings::of(after));
    let mut found = Vec::new();
    compare_whole(&before, &after, &mut found);
    let mut gone = before.without(&after);
    let mut new = after.without(&before);
    let superseded = supersede(&before, &after, &mut new, &mut found);
    rename(&mut gone, &mut new, &mut found);
    found.extend(gone.into_iter().map(|(name, _)| removed(name, after.is_closed())));
    found.extend(new.into_iter().map(|(name, field)| added(name, field, &after)));
    for (name, now) in &after.fields {
        let Some(earlier) = before.field(name) else { continue };
        need(name, &before, &after, &mut found);
        let changes = field::compare(name, earlier, now);
        let is_told = |change: &Found| change.kind == Kind::Deprecated && superseded.contains(name);
        found.extend(changes.into_iter().filter(|change| !is_told(change)));
    }
    found
}

/// What generated settings show and no rule foresaw.
pub(super) fn unexplained(field: Option<&str>, keyword: &str) -> Found {
    let (pointer, subject) = match field {
        Some(field) => (pointer(field), format!("`{field}`")),
        None => (String::new(), "the settings as a whole".to_owned()),
    };
    Found {
        kind: Kind::SettingsRefused,
        pointer,
        message: format!(
            "Settings that were taken are refused, because of `{keyword}` for {subject}; no rule foresees it."
        ),
        field: field.map(str::to_owned),
        keyword: String::new(),
    }
}

fn compare_whole(before: &Settings<'_>, after: &Settings<'_>, found: &mut Vec<Found>) {
    match (before.is_closed(), after.is_closed()) {
        (false, true) => found.push(whole(
            Kind::Closed,
            "additionalProperties",
            "Fields that the schema does not know are refused now: stored settings that have any are refused.".to_owned(),
        )),
        (true, false) => found.push(whole(
            Kind::Opened,
            "additionalProperties",
            "Fields that the schema does not know are no longer refused: a slip in a name goes unnoticed.".to_owned(),
        )),
        _ => {}
    }
    for (keyword, kind) in field::TEXTS {
        if differs(before.schema, after.schema, keyword) {
            found.push(whole(kind, keyword, field::said_otherwise(keyword, "the whole")));
        }
    }
    for keyword in other_keywords(before.schema, after.schema) {
        let message = format!(
            "The keyword `{keyword}` of the whole changed, and no rule knows what that does to stored settings."
        );
        found.push(whole(Kind::KeywordChanged, &keyword, message));
    }
    let order = |settings: &Settings<'_>, other: &Settings<'_>| -> Vec<String> {
        let names = settings.fields.iter().map(|(name, _)| *name);
        names.filter(|name| other.field(name).is_some()).map(str::to_owned).collect()
    };
    let now = order(after, before);
    if order(before, after) != now {
        let message = format!("The order of the fields is another: {}.", quoted(&now));
        found.push(whole(Kind::OrderChanged, "properties", message));
    }
}

/// The keywords of the whole that differ and that no rule is for.
fn other_keywords(before: &Value, after: &Value) -> BTreeSet<String> {
    let without_save = |schema: &Value| -> Map<String, Value> {
        let mut schema = schema.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(parts)) = schema.get_mut("$defs") {
            parts.shift_remove("save");
            if parts.is_empty() {
                schema.shift_remove("$defs");
            }
        }
        schema
    };
    let (before, after) = (without_save(before), without_save(after));
    before
        .keys()
        .chain(after.keys())
        .filter(|keyword| !KNOWN.contains(&keyword.as_str()))
        .filter(|keyword| before.get(*keyword) != after.get(*keyword))
        .cloned()
        .collect()
}

/// Finds the fields that are still taken under an old, deprecated name; their new names are no longer news.
fn supersede<'a>(
    before: &Settings<'a>,
    after: &Settings<'a>,
    new: &mut Vec<(&'a str, &'a Value)>,
    found: &mut Vec<Found>,
) -> BTreeSet<&'a str> {
    let mut superseded = BTreeSet::new();
    for (old, now) in &after.fields {
        let became_deprecated = before.field(old).is_some_and(|earlier| {
            !field::is(earlier, "deprecated") && field::is(now, "deprecated")
        });
        if !became_deprecated {
            continue;
        }
        let takes_its_place = |(name, field): &(&str, &Value)| {
            shape(field) == shape(now)
                && !after.required.contains(name)
                && !after.needed_to_save.contains(name)
        };
        if let Some(index) = most_alike(old, new, takes_its_place) {
            let (name, _) = new.remove(index);
            superseded.insert(*old);
            found.push(at_field(
                Kind::FieldSuperseded,
                name,
                format!(
                    "`{name}` takes the place of `{old}`, which is still taken and deprecated now."
                ),
            ));
        }
    }
    superseded
}

/// Finds the fields that are gone and come back under another name.
fn rename<'a>(
    gone: &mut Vec<(&'a str, &'a Value)>,
    new: &mut Vec<(&'a str, &'a Value)>,
    found: &mut Vec<Found>,
) {
    gone.retain(|(old, earlier)| {
        let looks_like_it = |(_, field): &(&str, &Value)| shape(field) == shape(earlier);
        let Some(index) = most_alike(old, new, looks_like_it) else { return true };
        let (name, _) = new.remove(index);
        let message = format!(
            "`{old}` is gone and `{name}` is new and of the same form: it looks renamed. Stored settings have `{old}`, which \
             is no longer taken. Keep `{old}` beside it, optional and deprecated."
        );
        found.push(Found {
            // What shows it is the old name, which the new schema does not know.
            field: Some((*old).to_owned()),
            keyword: "additionalProperties".to_owned(),
            ..at_field(Kind::FieldRenamed, name, message)
        });
        false
    });
}

/// The field that is most like `name`, of those that fit.
fn most_alike(
    name: &str,
    fields: &[(&str, &Value)],
    fits: impl Fn(&(&str, &Value)) -> bool,
) -> Option<usize> {
    fields
        .iter()
        .enumerate()
        .filter(|(_, field)| fits(field))
        .map(|(index, (other, _))| (strsim::jaro_winkler(name, other), index))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, index)| index)
}

fn removed(name: &str, is_closed: bool) -> Found {
    let (kind, message) = if is_closed {
        (
            Kind::FieldRemoved,
            format!(
                "`{name}` is gone: stored settings that have it are refused, for it is an unknown field now."
            ),
        )
    } else {
        (
            Kind::FieldIgnored,
            format!(
                "`{name}` is gone: stored settings that have it are taken, and its value means nothing."
            ),
        )
    };
    Found { keyword: "additionalProperties".to_owned(), ..at_field(kind, name, message) }
}

fn added(name: &str, field: &Value, after: &Settings<'_>) -> Found {
    let secret = if field::is(field, "writeOnly") { ", a secret" } else { "" };
    let (kind, message) = if after.required.contains(name) {
        (
            Kind::RequiredFieldAdded,
            format!(
                "`{name}` is new{secret}, and required: stored settings do not have it and are refused."
            ),
        )
    } else if after.needed_to_save.contains(name) {
        (
            Kind::SavingFieldAdded,
            format!(
                "`{name}` is new{secret}, and saving needs it: stored settings do not have it. They still pass a validation, but \
                 cannot be saved again until somebody fills it in."
            ),
        )
    } else if secret.is_empty() {
        (Kind::FieldAdded, format!("`{name}` is new and optional."))
    } else {
        (Kind::SecretFieldAdded, format!("`{name}` is new{secret}, and optional."))
    };
    Found { keyword: "required".to_owned(), ..at_field(kind, name, message) }
}

/// Whether a validation or saving needs a field that it did not need, or the other way round.
fn need(name: &str, before: &Settings<'_>, after: &Settings<'_>, found: &mut Vec<Found>) {
    let required = (before.required.contains(name), after.required.contains(name));
    let to_save = (before.needed_to_save.contains(name), after.needed_to_save.contains(name));
    let mut add = |kind, message| {
        found.push(Found { keyword: "required".to_owned(), ..at_field(kind, name, message) });
    };
    match required {
        (false, true) => add(
            Kind::NowRequired,
            format!("A validation needs `{name}` now: stored settings without it are refused."),
        ),
        (true, false) => {
            add(Kind::NoLongerRequired, format!("A validation can do without `{name}` now."));
        }
        _ => {}
    }
    match to_save {
        (false, true) if required != (false, true) => add(
            Kind::NowNeededToSave,
            format!("Saving needs `{name}` now: stored settings without it cannot be saved again."),
        ),
        (true, false) if required != (true, false) => {
            add(Kind::NoLongerNeededToSave, format!("Saving can do without `{name}` now."));
        }
        _ => {}
    }
}

fn whole(kind: Kind, keyword: &str, message: String) -> Found {
    let pointer = format!("/{}", escape(keyword));
    Found { kind, pointer, message, field: None, keyword: keyword.to_owned() }
}

fn at_field(kind: Kind, name: &str, message: String) -> Found {
    let field = Some(name.to_owned());
    Found { kind, pointer: pointer(name), message, field, keyword: String::new() }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
