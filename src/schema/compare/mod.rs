//! What changed between two exports, and which of it breaks settings that are stored today.
//!
//! Rules name each change. Where rules cannot tell, and besides them, settings that the earlier schema takes are
//! generated and tried on the new one.

mod field;
mod kind;
mod settings;
#[cfg(test)]
mod tests;
mod trial;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use self::kind::{Effect, Kind};
use self::trial::Trial;
use super::baseline::{Export, Exported};
use super::export::INDEX;

/// One change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// Whether settings that are stored today can be refused, be read otherwise, or be shown to the wrong people.
    pub(crate) breaks: bool,
    pub(crate) provider_id: String,
    pub(crate) provider: String,
    /// The file of the export that the pointer leads into: of the new one, or of the earlier one for what is gone.
    pub(crate) document: String,
    pub(crate) pointer: String,
    pub(crate) message: String,
    /// Generated settings that were taken and are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Value>,
}

/// A change as a rule finds it.
struct Found {
    kind: Kind,
    pointer: String,
    message: String,
    /// Where settings show it: the field, or none for the settings as a whole, and the keyword that would refuse them.
    field: Option<String>,
    keyword: String,
}

/// Every change from the earlier export to the new one, in the order of the earlier one, new providers last.
pub(crate) fn compare(earlier: &Export, now: &Export) -> Vec<Change> {
    let mut changes = Vec::new();
    let by_id = |id: &str| now.0.iter().position(|provider| provider.id == id);
    let by_name = |name: &str| now.0.iter().position(|provider| provider.name == name);
    for (place, before) in earlier.0.iter().enumerate() {
        match (by_id(&before.id), by_name(&before.name)) {
            (Some(index), elsewhere) => {
                let after = &now.0[index];
                // Whoever has kept the name under another id has not been renamed.
                let is_renamed = before.name != after.name && elsewhere.is_none();
                changes.extend(compare_provider(before, after, index, is_renamed));
            }
            (None, Some(index)) => {
                let after = &now.0[index];
                let message = format!(
                    "The id of `{}` is {} now: whoever stored {} names a provider that does not exist.",
                    before.name, after.id, before.id
                );
                changes.push(listed(after, index, "/id", Kind::ProviderIdChanged, message));
                changes.extend(compare_schemas(before, after));
            }
            (None, None) => {
                let message = format!(
                    "The provider `{}` is gone: whoever stored {} names a provider that does not exist.",
                    before.name, before.id
                );
                changes.push(listed(before, place, "", Kind::ProviderRemoved, message));
            }
        }
    }
    let is_new = |provider: &Exported| {
        let known = |before: &Exported| before.id == provider.id || before.name == provider.name;
        !earlier.0.iter().any(known)
    };
    for (index, provider) in now.0.iter().enumerate().filter(|(_, provider)| is_new(provider)) {
        let message = format!("The provider `{}` is new.", provider.name);
        changes.push(listed(provider, index, "", Kind::ProviderAdded, message));
    }
    changes
}

/// A change of a provider's entry in the index.
fn listed(provider: &Exported, index: usize, member: &str, kind: Kind, message: String) -> Change {
    Change {
        kind,
        breaks: kind.effect() == Effect::Breaks,
        provider_id: provider.id.clone(),
        provider: provider.name.clone(),
        document: INDEX.to_owned(),
        pointer: format!("/items/{index}{member}"),
        message,
        refused: None,
    }
}

/// Compares what stands under one id.
fn compare_provider(
    before: &Exported,
    after: &Exported,
    index: usize,
    is_renamed: bool,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut entry = |member: &str, kind: Kind, message: String| {
        changes.push(listed(after, index, member, kind, message));
    };
    if before.name != after.name {
        // Two providers may well have the same fields: their title tells them apart.
        let is_the_same = is_renamed
            && before.title == after.title
            && settings::have_the_same_fields(&before.schema, &after.schema);
        if !is_the_same {
            let message = format!(
                "The id {} was that of `{}` and is that of `{}` now: what is stored for the one is taken for the other.",
                before.id, before.name, after.name
            );
            entry("/id", Kind::ProviderIdReused, message);
            return changes;
        }
        let message = format!(
            "`{}` is called `{}` now. Stored settings name it by its id; a configuration that has `[providers.{}]` must be \
             changed.",
            before.name, after.name, before.name
        );
        entry("/name", Kind::ProviderRenamed, message);
    }
    if before.provider_type != after.provider_type {
        let message = format!(
            "The type is `{}` now, it was `{}`.",
            after.provider_type, before.provider_type
        );
        entry("/type", Kind::ProviderTypeChanged, message);
    }
    if before.title != after.title {
        let message = format!(
            "The provider is called \u{201c}{}\u{201d} now, it was \u{201c}{}\u{201d}.",
            after.title, before.title
        );
        entry("/title", Kind::ProviderTitleChanged, message);
    }
    if before.version != after.version {
        let message = format!("The version is {} now, it was {}.", after.version, before.version);
        entry("/version", Kind::VersionChanged, message);
    }
    changes.extend(compare_schemas(before, after));
    changes
}

/// Compares two schemas by the rules, and tries generated settings.
fn compare_schemas(before: &Exported, after: &Exported) -> Vec<Change> {
    let found = settings::compare(&before.schema, &after.schema);
    if found.is_empty() {
        return Vec::new();
    }
    let trial = Trial::of(&before.schema, &after.schema);
    let mut changes: Vec<Change> = found.iter().map(|found| judged(found, after, &trial)).collect();
    let explained = |field: Option<&str>| {
        // What is said of a new field that looks like an old one is said of both.
        let is_about = |found: &Found| {
            found.field.as_deref() == field
                || field.is_some_and(|field| found.pointer == field::pointer(field))
        };
        found.iter().zip(&changes).any(|(found, change)| change.breaks && is_about(found))
    };
    let unexplained: Vec<Change> = trial
        .refusals
        .iter()
        .filter(|refusal| !explained(refusal.field.as_deref()))
        .map(|refusal| {
            let found = settings::unexplained(refusal.field.as_deref(), &refusal.keyword);
            Change { refused: Some(refusal.settings.clone()), ..judged(&found, after, &trial) }
        })
        .collect();
    changes.extend(unexplained);
    changes
}

/// A change with what the generated settings say of it.
fn judged(found: &Found, after: &Exported, trial: &Trial) -> Change {
    let refused = trial.refused_by(found.field.as_deref(), &found.keyword).cloned();
    let is_blind = found.field.as_ref().is_some_and(|field| trial.blind.contains(field));
    let mut message = found.message.clone();
    let breaks = match found.kind.effect() {
        Effect::Breaks => true,
        Effect::Safe => false,
        Effect::Tried if refused.is_some() => {
            message.push_str(" Values that matched are refused.");
            true
        }
        Effect::Tried if is_blind => {
            message.push_str(
                " No texts can be made from the earlier pattern, so nobody can tell: it counts as a break.",
            );
            true
        }
        Effect::Tried => {
            let _ = write!(
                message,
                " Of {} settings made from the earlier schema, none is refused for it.",
                trial::SETTINGS
            );
            false
        }
    };
    Change {
        kind: found.kind,
        breaks,
        provider_id: after.id.clone(),
        provider: after.name.clone(),
        document: after.file.clone(),
        pointer: found.pointer.clone(),
        message,
        refused: refused.filter(|_| breaks),
    }
}
