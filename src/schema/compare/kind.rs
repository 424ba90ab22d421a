//! The kinds of change, and which of them break stored settings.

use serde::{Serialize, Serializer};

/// What a change does to settings that are stored today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// They can be refused, be read otherwise, or be shown to the wrong people.
    Breaks,
    /// They are taken as before.
    Safe,
    /// No rule tells; settings that are generated from the earlier schema are tried on the new one.
    Tried,
}

macro_rules! kinds {
    ($($variant:ident $code:literal $effect:ident $meaning:literal,)*) => {
        /// A kind of change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order in which the book lists them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that programs know it by.
            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it does to stored settings.
            pub(crate) const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)* }
            }

            /// What it is, in the words of the book.
            #[cfg(test)]
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    ProviderAdded "provider-added" Safe "a provider is new",
    ProviderRemoved "provider-removed" Breaks "a provider is gone, and its id with it",
    ProviderRenamed "provider-renamed" Safe "a provider has another name under the same id, with the same title and the same fields",
    ProviderIdChanged "provider-id-changed" Breaks "a provider has another id; stored settings name the old one",
    ProviderIdReused "provider-id-reused" Breaks "an id belongs to another provider now",
    ProviderTypeChanged "provider-type-changed" Safe "a provider carries something else, as the catalogue says it",
    ProviderTitleChanged "provider-title-changed" Safe "a provider is called otherwise by people",
    VersionChanged "version-changed" Safe "the provider's crate has another version",
    Closed "closed" Breaks "unknown fields are refused now",
    Opened "opened" Safe "unknown fields are no longer refused",
    OrderChanged "order-changed" Safe "the fields stand in another order",
    FieldAdded "field-added" Safe "an optional field is new",
    SecretFieldAdded "secret-field-added" Safe "an optional field is new and a secret",
    SavingFieldAdded "saving-field-added" Breaks "a field is new that saving needs; stored settings still pass a validation, but cannot be saved again",
    RequiredFieldAdded "required-field-added" Breaks "a field is new that a validation needs",
    FieldRemoved "field-removed" Breaks "a field is gone, and unknown fields are refused",
    FieldIgnored "field-ignored" Safe "a field is gone, and unknown fields are ignored",
    FieldRenamed "field-renamed" Breaks "a field is gone, and a new one looks like it",
    FieldSuperseded "field-superseded" Safe "a field has a new name, and the old one is still taken, as a deprecated field",
    NowRequired "now-required" Breaks "a validation needs a field that was optional",
    NoLongerRequired "no-longer-required" Safe "a validation can do without a field",
    NowNeededToSave "now-needed-to-save" Breaks "saving needs a field that it could do without",
    NoLongerNeededToSave "no-longer-needed-to-save" Safe "saving can do without a field",
    TypeChanged "type-changed" Breaks "a field is of another type",
    TypeNarrowed "type-narrowed" Breaks "a field takes fewer types",
    TypeWidened "type-widened" Safe "a field takes more types",
    EnumAdded "enum-added" Breaks "a field takes listed values alone now",
    EnumNarrowed "enum-narrowed" Breaks "values are gone from the list that a field takes",
    EnumWidened "enum-widened" Safe "values are new in the list that a field takes",
    EnumRemoved "enum-removed" Safe "a field takes more than listed values now",
    ConstAdded "const-added" Breaks "a field takes one value alone now",
    ConstChanged "const-changed" Breaks "the one value that a field takes is another",
    ConstRemoved "const-removed" Safe "a field takes more than one value now",
    PatternAdded "pattern-added" Breaks "a field has a pattern that had none",
    PatternChanged "pattern-changed" Tried "a field has another pattern",
    PatternRemoved "pattern-removed" Safe "a field no longer has a pattern",
    LengthNarrowed "length-narrowed" Breaks "a field must be longer, or shorter",
    LengthWidened "length-widened" Safe "a field may be shorter, or longer",
    LimitNarrowed "limit-narrowed" Breaks "another limit leaves less room: of a number, a list or an object",
    LimitWidened "limit-widened" Safe "another limit leaves more room",
    FormatAdded "format-added" Breaks "a field has a format that had none, which tools judge by",
    FormatChanged "format-changed" Breaks "a field has another format",
    FormatRemoved "format-removed" Safe "a field no longer has a format",
    DefaultAdded "default-added" Safe "a field that is left out has a value now",
    DefaultChanged "default-changed" Breaks "a field that is left out means something else now",
    DefaultRemoved "default-removed" Breaks "a field that is left out no longer has a value",
    NowSecret "now-secret" Safe "a field is a secret now",
    NoLongerSecret "no-longer-secret" Breaks "a field is no secret any more; tools begin to show what is stored",
    Deprecated "deprecated" Safe "a field is deprecated now",
    Undeprecated "undeprecated" Safe "a field is no longer deprecated",
    TextChanged "text-changed" Safe "a title, a description or a comment says something else",
    ExampleChanged "example-changed" Safe "the examples are others",
    KeywordChanged "keyword-changed" Breaks "a keyword changed that no rule here knows",
    SettingsRefused "settings-refused" Breaks "generated settings were taken and are refused, for a reason that no rule here found",
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::{Effect, Kind};

    #[test]
    fn the_book_lists_every_kind_and_no_other() {
        let page = include_str!("../../../docs/schemas.md");
        let (_, listed) =
            page.split_once("| kind | what changed | breaks |\n|---|---|---|\n").unwrap();
        let expected: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| {
                let effect = match kind.effect() {
                    Effect::Breaks => "**yes**",
                    Effect::Safe => "no",
                    Effect::Tried => "as generated settings show",
                };
                format!("| `{}` | {} | {effect} |", kind.code(), kind.meaning())
            })
            .collect();
        let expected = expected.join("\n") + "\n";
        assert!(listed == expected, "the last table of docs/schemas.md must be:\n{expected}");
    }
}
