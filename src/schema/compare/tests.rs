//! Each kind of change, made on purpose: which kind it is, where it is, and whether it breaks what is stored.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::kind::Kind;
use super::{Change, compare};
use crate::schema::baseline::{Export, Exported};

/// An export of two providers; the schema of the first has a field for each thing that can change.
fn earlier() -> Export {
    let acme = json!({
        "$id": "urn:bonafide:provider:2000:acme:1.0.0",
        "title": "Acme",
        "type": "object",
        "properties": {
            "api_key": {
                "title": "API key", "description": "From the console.", "type": "string", "format": "password",
                "minLength": 8, "maxLength": 64, "pattern": "^[A-Za-z0-9_]+$", "writeOnly": true,
                "examples": ["this_is_no_real_key"],
            },
            "region": {"type": "string", "enum": ["eu", "us", "ap"], "default": "eu"},
            "plan": {"oneOf": [{"const": "free"}, {"const": "paid"}]},
            "kind": {"type": "string", "const": "live"},
            "sender": {"type": "string", "format": "email"},
            "count": {"type": "integer", "minimum": 1, "maximum": 10},
            "note": {"type": "string"},
            "old_name": {"type": "string", "maxLength": 30, "deprecated": true},
        },
        "required": ["api_key", "region"],
        "additionalProperties": false,
        "$defs": {"save": {"type": "object", "required": ["api_key", "region", "sender"]}},
        "examples": [{"api_key": "this_is_no_real_key", "region": "eu"}],
    });
    let other = json!({"type": "object", "properties": {"token": {"type": "string"}}, "additionalProperties": false});
    let exported = |id: &str, name: &str, title: &str, schema: Value| Exported {
        id: id.to_owned(),
        provider_type: "sms".to_owned(),
        name: name.to_owned(),
        title: title.to_owned(),
        version: "1.0.0".to_owned(),
        file: format!("{name}.schema.json"),
        schema,
    };
    Export(vec![exported("2000", "acme", "Acme", acme), exported("2001", "other", "Other", other)])
}

type Edit = fn(&mut Export);

/// What was done, how, and the changes that it must be called: kind, pointer, and whether it breaks.
struct Case {
    what: &'static str,
    edit: Edit,
    expected: &'static [(Kind, &'static str, bool)],
}

const fn case(
    what: &'static str,
    edit: Edit,
    expected: &'static [(Kind, &'static str, bool)],
) -> Case {
    Case { what, edit, expected }
}

fn root(export: &mut Export) -> &mut Value {
    &mut export.0[0].schema
}

fn field<'a>(export: &'a mut Export, name: &str) -> &'a mut Value {
    &mut root(export)["properties"][name]
}

fn without(export: &mut Export, pointer: &str, keyword: &str) -> Value {
    let parent = root(export).pointer_mut(pointer).unwrap();
    parent.as_object_mut().unwrap().shift_remove(keyword).unwrap()
}

fn push(export: &mut Export, pointer: &str, value: &str) {
    root(export).pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(value.into());
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("nothing", |_| {}, &[]),
    // Providers.
    case("a provider is added", |e| { let mut new = e.0[1].clone(); new.id = "2002".into(); new.name = "new".into(); e.0.push(new); },
        &[(Kind::ProviderAdded, "/items/2", false)]),
    case("a provider is removed", |e| { e.0.pop(); }, &[(Kind::ProviderRemoved, "/items/1", true)]),
    case("a provider is renamed", |e| e.0[1].name = "another".into(), &[(Kind::ProviderRenamed, "/items/1/name", false)]),
    case("a provider has another id", |e| e.0[1].id = "2009".into(), &[(Kind::ProviderIdChanged, "/items/1/id", true)]),
    case("an id is used again", |e| { e.0.pop(); e.0[0].id = "2001".into(); },
        &[(Kind::ProviderIdChanged, "/items/0/id", true), (Kind::ProviderIdReused, "/items/0/id", true)]),
    case("two providers swap their ids", |e| { e.0[0].id = "2001".into(); e.0[1].id = "2000".into(); },
        &[(Kind::ProviderIdReused, "/items/1/id", true), (Kind::ProviderIdReused, "/items/0/id", true)]),
    case("a provider carries something else", |e| e.0[0].provider_type = "email".into(), &[(Kind::ProviderTypeChanged, "/items/0/type", false)]),
    case("a provider has another title", |e| e.0[0].title = "Acme Cloud".into(), &[(Kind::ProviderTitleChanged, "/items/0/title", false)]),
    case("the version alone", |e| { e.0[0].version = "1.0.1".into(); root(e)["$id"] = "urn:bonafide:provider:2000:acme:1.0.1".into(); },
        &[(Kind::VersionChanged, "/items/0/version", false)]),
    // The whole.
    case("a schema is opened", |e| { without(e, "", "additionalProperties"); }, &[(Kind::Opened, "/additionalProperties", false)]),
    case("the order is another", |e| { let note = without(e, "/properties", "note"); root(e)["properties"].as_object_mut().unwrap().shift_insert(0, "note".into(), note); },
        &[(Kind::OrderChanged, "/properties", false)]),
    case("the title of the whole", |e| root(e)["title"] = "Acme!".into(), &[(Kind::TextChanged, "/title", false)]),
    case("the example of the whole", |e| root(e)["examples"] = json!([]), &[(Kind::ExampleChanged, "/examples", false)]),
    case("a rule of the whole that no rule here knows", |e| root(e)["minProperties"] = 3.into(),
        &[(Kind::KeywordChanged, "/minProperties", true)]),
    case("a rule that makes a field needed by another", |e| root(e)["dependentRequired"] = json!({"note": ["sender"]}),
        &[(Kind::KeywordChanged, "/dependentRequired", true), (Kind::SettingsRefused, "/properties/sender", true)]),
    // Fields that come and go.
    case("an optional field", |e| *field(e, "extra") = json!({"type": "string"}), &[(Kind::FieldAdded, "/properties/extra", false)]),
    case("an optional secret", |e| *field(e, "extra") = json!({"type": "string", "writeOnly": true}), &[(Kind::SecretFieldAdded, "/properties/extra", false)]),
    case("a field that saving needs", |e| { *field(e, "extra") = json!({"type": "string"}); push(e, "/$defs/save/required", "extra"); },
        &[(Kind::SavingFieldAdded, "/properties/extra", true)]),
    case("a required field", |e| { *field(e, "extra") = json!({"type": "string", "writeOnly": true}); push(e, "/required", "extra"); push(e, "/$defs/save/required", "extra"); },
        &[(Kind::RequiredFieldAdded, "/properties/extra", true)]),
    case("a field is removed", |e| { without(e, "/properties", "note"); }, &[(Kind::FieldRemoved, "/properties/note", true)]),
    case("a field is removed from an open schema", |e| { without(e, "", "additionalProperties"); without(e, "/properties", "note"); },
        &[(Kind::Opened, "/additionalProperties", false), (Kind::FieldIgnored, "/properties/note", false)]),
    case("a field is renamed", |e| { let sender = without(e, "/properties", "sender"); *field(e, "sender_email") = sender; root(e)["$defs"]["save"]["required"] = json!(["api_key", "region", "sender_email"]); },
        &[(Kind::FieldRenamed, "/properties/sender_email", true)]),
    case("a required field is renamed", |e| { let key = without(e, "/properties", "api_key"); *field(e, "api_token") = key; root(e)["required"] = json!(["api_token", "region"]); root(e)["$defs"]["save"]["required"] = json!(["api_token", "region", "sender"]); },
        &[(Kind::FieldRenamed, "/properties/api_token", true)]),
    case("a field is renamed and its old name still taken", |e| { *field(e, "remark") = json!({"type": "string", "title": "Remark"}); field(e, "note")["deprecated"] = true.into(); },
        &[(Kind::FieldSuperseded, "/properties/remark", false)]),
    // What is needed.
    case("an optional field becomes required", |e| { push(e, "/required", "note"); push(e, "/$defs/save/required", "note"); },
        &[(Kind::NowRequired, "/properties/note", true)]),
    case("a required field becomes optional", |e| root(e)["required"] = json!(["api_key"]), &[(Kind::NoLongerRequired, "/properties/region", false)]),
    case("saving needs a field", |e| push(e, "/$defs/save/required", "note"), &[(Kind::NowNeededToSave, "/properties/note", true)]),
    case("saving no longer needs a field", |e| root(e)["$defs"]["save"]["required"] = json!(["api_key", "region"]),
        &[(Kind::NoLongerNeededToSave, "/properties/sender", false)]),
    // Types and values.
    case("another type", |e| field(e, "note")["type"] = "integer".into(), &[(Kind::TypeChanged, "/properties/note/type", true)]),
    case("more types", |e| field(e, "note")["type"] = json!(["string", "null"]), &[(Kind::TypeWidened, "/properties/note/type", false)]),
    case("from whole numbers to numbers", |e| field(e, "count")["type"] = "number".into(), &[(Kind::TypeWidened, "/properties/count/type", false)]),
    case("a type where there was none", |e| field(e, "plan")["type"] = "string".into(), &[(Kind::TypeNarrowed, "/properties/plan/type", true)]),
    case("values are listed", |e| field(e, "note")["enum"] = json!(["a", "b"]), &[(Kind::EnumAdded, "/properties/note/enum", true)]),
    case("a value is gone", |e| field(e, "region")["enum"] = json!(["eu", "us"]), &[(Kind::EnumNarrowed, "/properties/region/enum", true)]),
    case("a value is new", |e| field(e, "region")["enum"] = json!(["eu", "us", "ap", "me"]), &[(Kind::EnumWidened, "/properties/region/enum", false)]),
    case("values are no longer listed", |e| { without(e, "/properties/region", "enum"); }, &[(Kind::EnumRemoved, "/properties/region/enum", false)]),
    case("a choice is another", |e| field(e, "plan")["oneOf"] = json!([{"const": "free"}, {"const": "pro"}]),
        &[(Kind::EnumNarrowed, "/properties/plan/oneOf", true), (Kind::EnumWidened, "/properties/plan/oneOf", false)]),
    case("what is said of a choice", |e| field(e, "plan")["oneOf"][0]["description"] = "No cost.".into(), &[(Kind::TextChanged, "/properties/plan/oneOf", false)]),
    case("one value alone", |e| field(e, "note")["const"] = "x".into(), &[(Kind::ConstAdded, "/properties/note/const", true)]),
    case("another value alone", |e| field(e, "kind")["const"] = "test".into(), &[(Kind::ConstChanged, "/properties/kind/const", true)]),
    case("no longer one value alone", |e| { without(e, "/properties/kind", "const"); }, &[(Kind::ConstRemoved, "/properties/kind/const", false)]),
    // Forms of texts.
    case("a pattern where there was none", |e| field(e, "note")["pattern"] = "^[a-z]+$".into(), &[(Kind::PatternAdded, "/properties/note/pattern", true)]),
    case("a pattern that takes less", |e| field(e, "api_key")["pattern"] = "^[A-Za-z0-9]+$".into(), &[(Kind::PatternChanged, "/properties/api_key/pattern", true)]),
    case("a pattern that takes one character less", |e| field(e, "api_key")["pattern"] = "^[A-Za-km-z0-9_]+$".into(), &[(Kind::PatternChanged, "/properties/api_key/pattern", true)]),
    case("a pattern that takes more", |e| field(e, "api_key")["pattern"] = "^[A-Za-z0-9_-]+$".into(), &[(Kind::PatternChanged, "/properties/api_key/pattern", false)]),
    case("a pattern written otherwise", |e| field(e, "api_key")["pattern"] = r"^(?:[0-9]|[a-z]|[A-Z]|_)+$".into(), &[(Kind::PatternChanged, "/properties/api_key/pattern", false)]),
    case("a pattern is gone", |e| { without(e, "/properties/api_key", "pattern"); }, &[(Kind::PatternRemoved, "/properties/api_key/pattern", false)]),
    case("longer at least", |e| field(e, "api_key")["minLength"] = 9.into(), &[(Kind::LengthNarrowed, "/properties/api_key/minLength", true)]),
    case("shorter at most", |e| field(e, "api_key")["maxLength"] = 63.into(), &[(Kind::LengthNarrowed, "/properties/api_key/maxLength", true)]),
    case("a longest length where there was none", |e| field(e, "note")["maxLength"] = 100.into(), &[(Kind::LengthNarrowed, "/properties/note/maxLength", true)]),
    case("shorter at least", |e| field(e, "api_key")["minLength"] = 1.into(), &[(Kind::LengthWidened, "/properties/api_key/minLength", false)]),
    case("longer at most", |e| { without(e, "/properties/api_key", "maxLength"); }, &[(Kind::LengthWidened, "/properties/api_key/maxLength", false)]),
    case("no length that says something", |e| field(e, "note")["minLength"] = 0.into(), &[]),
    case("a smaller number at most", |e| field(e, "count")["maximum"] = 9.into(), &[(Kind::LimitNarrowed, "/properties/count/maximum", true)]),
    case("a smaller number at least", |e| field(e, "count")["minimum"] = 0.into(), &[(Kind::LimitWidened, "/properties/count/minimum", false)]),
    case("a format where there was none", |e| field(e, "note")["format"] = "uri".into(), &[(Kind::FormatAdded, "/properties/note/format", true)]),
    case("another format", |e| field(e, "sender")["format"] = "hostname".into(), &[(Kind::FormatChanged, "/properties/sender/format", true)]),
    case("a format is gone", |e| { without(e, "/properties/sender", "format"); }, &[(Kind::FormatRemoved, "/properties/sender/format", false)]),
    // What stands beside the value.
    case("a default where there was none", |e| field(e, "note")["default"] = "x".into(), &[(Kind::DefaultAdded, "/properties/note/default", false)]),
    case("another default", |e| field(e, "region")["default"] = "us".into(), &[(Kind::DefaultChanged, "/properties/region/default", true)]),
    case("a default is gone", |e| { without(e, "/properties/region", "default"); }, &[(Kind::DefaultRemoved, "/properties/region/default", true)]),
    case("a field becomes a secret", |e| { field(e, "note")["writeOnly"] = true.into(); field(e, "note")["format"] = "password".into(); },
        &[(Kind::NowSecret, "/properties/note/writeOnly", false)]),
    case("a field is no secret any more", |e| { without(e, "/properties/api_key", "writeOnly"); without(e, "/properties/api_key", "format"); },
        &[(Kind::NoLongerSecret, "/properties/api_key/writeOnly", true)]),
    case("a field is deprecated", |e| field(e, "note")["deprecated"] = true.into(), &[(Kind::Deprecated, "/properties/note/deprecated", false)]),
    case("a field is no longer deprecated", |e| { without(e, "/properties/old_name", "deprecated"); }, &[(Kind::Undeprecated, "/properties/old_name/deprecated", false)]),
    case("texts alone", |e| { field(e, "api_key")["title"] = "Key".into(); field(e, "api_key")["description"] = "Elsewhere.".into(); },
        &[(Kind::TextChanged, "/properties/api_key/title", false), (Kind::TextChanged, "/properties/api_key/description", false)]),
    case("an example alone", |e| field(e, "api_key")["examples"] = json!(["another_that_is_not_real"]), &[(Kind::ExampleChanged, "/properties/api_key/examples", false)]),
    case("a rule that no rule here knows", |e| field(e, "note")["not"] = json!({"pattern": "^a"}), &[(Kind::KeywordChanged, "/properties/note/not", true)]),
];

fn changes(case: &Case) -> Vec<Change> {
    let (before, mut after) = (earlier(), earlier());
    (case.edit)(&mut after);
    compare(&before, &after)
}

/// Every case with what it is called. Comparing takes a while, so it is done once.
fn compared() -> impl Iterator<Item = (&'static Case, &'static Vec<Change>)> {
    static COMPARED: LazyLock<Vec<Vec<Change>>> =
        LazyLock::new(|| CASES.iter().map(changes).collect());
    CASES.iter().zip(COMPARED.iter())
}

#[test]
fn each_change_has_its_name_its_place_and_its_effect() {
    for (case, found) in compared() {
        let found: Vec<(Kind, &str, bool)> = found
            .iter()
            .map(|change| (change.kind, change.pointer.as_str(), change.breaks))
            .collect();
        assert_eq!(found, case.expected, "{}", case.what);
    }
}

#[test]
fn every_kind_is_made_once_at_least() {
    let made: BTreeSet<Kind> =
        CASES.iter().flat_map(|case| case.expected).map(|(kind, _, _)| *kind).collect();
    let missing: Vec<&Kind> =
        Kind::ALL.iter().filter(|kind| !made.contains(kind) && **kind != Kind::Closed).collect();
    assert_eq!(missing, [&Kind::Closed; 0]);
    // Closing is opening, seen from the other side.
    let (before, mut after) = (earlier(), earlier());
    without(&mut after, "", "additionalProperties");
    let closed = compare(&after, &before);
    assert_eq!((closed[0].kind, closed[0].breaks, closed.len()), (Kind::Closed, true, 1));
}

#[test]
fn an_id_goes_to_a_provider_of_the_same_fields() {
    let mut before = earlier();
    before.0[0].schema = before.0[1].schema.clone();
    let mut swapped = before.clone();
    (swapped.0[0].id, swapped.0[1].id) = ("2001".to_owned(), "2000".to_owned());
    let kinds = |after: &Export| -> Vec<Kind> {
        compare(&before, after).iter().map(|change| change.kind).collect()
    };
    assert_eq!(kinds(&swapped), [Kind::ProviderIdReused; 2]);
    let mut replaced = before.clone();
    (replaced.0[1].name, replaced.0[1].title) = ("third".to_owned(), "Third".to_owned());
    assert_eq!(kinds(&replaced), [Kind::ProviderIdReused]);
}

#[test]
fn a_pattern_that_no_text_can_be_made_from_counts_as_a_break() {
    let (mut before, mut after) = (earlier(), earlier());
    field(&mut before, "note")["pattern"] = "^(?=zq)zq[0-9]$".into();
    field(&mut after, "note")["pattern"] = "^(?=zq)zq[1-9]$".into();
    let found = compare(&before, &after);
    assert_eq!((found[0].kind, found[0].breaks, found.len()), (Kind::PatternChanged, true, 1));
    assert!(found[0].message.contains("nobody can tell"), "{}", found[0].message);
}

#[test]
fn every_break_that_settings_can_show_is_shown_by_the_smallest() {
    for (case, found) in compared() {
        for change in found.iter().filter(|change| change.breaks) {
            let is_shown = change.refused.is_some();
            // These refuse nothing: something is lost, read otherwise, or shown. And a type that the schema did not name
            // is one that no settings are made of.
            let cannot_be = matches!(
                change.kind,
                Kind::ProviderRemoved
                    | Kind::ProviderIdChanged
                    | Kind::ProviderIdReused
                    | Kind::SavingFieldAdded
                    | Kind::NowNeededToSave
                    | Kind::DefaultChanged
                    | Kind::DefaultRemoved
                    | Kind::NoLongerSecret
                    | Kind::TypeNarrowed
            );
            // What no rule knows shows under its own name or under another.
            if change.kind == Kind::KeywordChanged {
                continue;
            }
            assert_eq!(is_shown, !cannot_be, "{}: {:?}", case.what, change);
        }
    }
}

#[test]
fn each_change_is_told_in_plain_words() {
    let mut told = String::new();
    for (case, found) in compared() {
        let _ = writeln!(told, "# {}", case.what);
        for change in found {
            let effect = if change.breaks { "BREAKS" } else { "safe" };
            let _ = writeln!(
                told,
                "{effect} {}#{}\n  {}",
                change.document, change.pointer, change.message
            );
            if let Some(refused) = &change.refused {
                let _ = writeln!(told, "  {refused}");
            }
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn the_same_exports_are_compared_alike() {
    for (case, found) in compared().step_by(6) {
        let tell = |changes: &[Change]| serde_json::to_string(changes).unwrap();
        assert_eq!(tell(&changes(case)), tell(found), "{}", case.what);
    }
}
