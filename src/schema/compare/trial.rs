//! Settings that the earlier schema takes, tried on the new one: what no rule foresees shows here.

use std::collections::BTreeMap;

use bonafide_core::host::pointer::steps;
use bonafide_samples::Sampler;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

/// How many settings are tried for each provider.
pub(super) const SETTINGS: usize = 1000;
const SEED: u64 = 1;

/// Settings that were taken and are refused.
pub(super) struct Refusal {
    /// The field at fault; none where the settings as a whole are.
    pub(super) field: Option<String>,
    /// The keyword that refuses it.
    pub(super) keyword: String,
    /// The smallest such settings that were found.
    pub(super) settings: Value,
}

/// What the settings of one provider came to.
pub(super) struct Trial {
    pub(super) refusals: Vec<Refusal>,
    /// The fields that no settings can be made for.
    pub(super) blind: Vec<String>,
}

impl Trial {
    pub(super) fn of(earlier: &Value, now: &Value) -> Self {
        let mut sampler = Sampler::new(earlier, SEED).compared_with(now);
        let blind = sampler.not_understood().map(str::to_owned).collect();
        let judges = [Judge::of(earlier, now, false), Judge::of(earlier, now, true)];
        let mut found: BTreeMap<Place, Value> = BTreeMap::new();
        for _ in 0..SETTINGS {
            let settings = Value::Object(sampler.good());
            for (place, settings) in
                judges.iter().flatten().flat_map(|judge| judge.refused(&settings))
            {
                let known = found.get(&place);
                if known.is_none_or(|known| size(&settings) < size(known)) {
                    found.insert(place, settings);
                }
            }
        }
        let refusals = found
            .into_iter()
            .map(|((field, keyword), settings)| Refusal { field, keyword, settings })
            .collect();
        Self { refusals, blind }
    }

    /// Settings that this keyword of this field refuses now.
    pub(super) fn refused_by(&self, field: Option<&str>, keyword: &str) -> Option<&Value> {
        self.refusals
            .iter()
            .find(|refusal| refusal.field.as_deref() == field && refusal.keyword == keyword)
            .map(|refusal| &refusal.settings)
    }
}

/// A field, or the settings as a whole, and the keyword that refuses it.
type Place = (Option<String>, String);

/// The earlier schema and the new one, both with or both without an eye on formats. Our own verdict has none; tools have.
struct Judge {
    before: Validator,
    after: Validator,
    formats: bool,
}

impl Judge {
    /// None where one of them is no schema, which is found out when they are read.
    fn of(earlier: &Value, now: &Value, formats: bool) -> Option<Self> {
        let validator = |schema| {
            jsonschema::draft202012::options().should_validate_formats(formats).build(schema).ok()
        };
        Some(Self { before: validator(earlier)?, after: validator(now)?, formats })
    }

    /// Where the new schema refuses what the earlier one takes, each with the settings that show it.
    fn refused(&self, settings: &Value) -> Vec<(Place, Value)> {
        if !self.before.is_valid(settings) {
            return Vec::new();
        }
        let mut refused = Vec::new();
        for error in self.after.iter_errors(settings) {
            let keyword = error.kind().keyword();
            // Everything else is seen without formats too.
            if self.formats && keyword != "format" {
                continue;
            }
            let settings = self.reduced(settings, &error);
            for field in fields(&error) {
                refused.push(((field, keyword.to_owned()), settings.clone()));
            }
        }
        refused
    }

    /// The settings without the fields that have nothing to do with the error.
    fn reduced(&self, settings: &Value, error: &ValidationError<'_>) -> Value {
        let (at_fault, keyword) = (fields(error), error.kind().keyword());
        let mut kept: Map<String, Value> = settings.as_object().cloned().unwrap_or_default();
        let names: Vec<String> = kept.keys().cloned().collect();
        for name in names {
            let mut fewer = kept.clone();
            fewer.shift_remove(&name);
            let fewer = Value::Object(fewer);
            let is_same = |other: ValidationError<'_>| {
                other.kind().keyword() == keyword && fields(&other) == at_fault
            };
            if self.before.is_valid(&fewer)
                && self.after.iter_errors(&fewer).any(is_same)
                && let Value::Object(fewer) = fewer
            {
                kept = fewer;
            }
        }
        Value::Object(kept)
    }
}

/// The fields at fault.
fn fields(error: &ValidationError<'_>) -> Vec<Option<String>> {
    let path = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property } if path.is_empty() => {
            vec![property.as_str().map(str::to_owned)]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } if path.is_empty() => {
            unexpected.iter().cloned().map(Some).collect()
        }
        _ => vec![steps(path).into_iter().next()],
    }
}

fn size(settings: &Value) -> usize {
    settings.to_string().len()
}
