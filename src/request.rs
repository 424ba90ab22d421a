//! The body of a validation request: from bytes to settings that are ready to be checked, or to every problem.
//!
//! Nothing that was submitted gets into a message: neither values nor names that nobody knows.

use std::collections::BTreeSet;
use std::fmt;

use bonafide_core::host::{CheckedSettings, FindingExt as _, SubmittedSettings};
use bonafide_core::{Cause, Descriptor, Failure, JsonStr, Problem, ProviderValidator};
use bonafide_registry::{Entry, Registry};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// The longest `name`, in characters.
pub(crate) const MAX_NAME: usize = 100;

const TRAILING_COMMA: &str = "nothing follows the comma";
const CONTROL_CHARACTER: &str = "a control character stands inside a string";

/// A request that nothing is wrong with.
pub(crate) struct Accepted<'a> {
    pub(crate) validator: &'static dyn ProviderValidator,
    pub(crate) settings: CheckedSettings,
    /// The settings as they stand in the request.
    pub(crate) submitted: &'a RawValue,
}

/// A request that is not worth asking a provider about.
pub(crate) struct Refused {
    /// The provider that was meant, as far as that can be told.
    pub(crate) provider: Option<&'static Descriptor>,
    /// Every problem. Never empty.
    pub(crate) problems: Vec<Problem>,
    /// The defect of ours that kept the settings from being judged.
    pub(crate) defect: Option<Failure>,
}

impl Refused {
    pub(crate) fn unreadable(problem: Problem) -> Self {
        Self { provider: None, problems: vec![problem], defect: None }
    }
}

/// Reads a request and judges it, settings included, without asking anybody.
pub(crate) fn read<'a>(body: &'a [u8], registry: &Registry) -> Result<Accepted<'a>, Refused> {
    let text = text(body).map_err(Refused::unreadable)?;
    let members = members(text).map_err(Refused::unreadable)?;
    let mut problems = Vec::new();
    for repeated in members.repeated.iter().filter(|name| **name != "id") {
        problems.push(
            malformed(Some(&format!("/{repeated}")), "This member is given more than once.")
                .with_hint("Keep one of them; which one was meant cannot be told."),
        );
    }
    let judge =
        |member: &'static str| (!members.repeated.contains(member)).then(|| members.get(member));
    if let Some(name) = judge("name") {
        problems.extend(check_name(name).err());
    }
    let entry = provider(&members, registry).map_err(|problem| problems.extend(problem)).ok();
    let settings = judge("settings").and_then(|settings| {
        read_settings(settings, text).map_err(|problem| problems.push(problem)).ok()
    });
    let status = judge("status").map(check_status);
    let mut defect = None;
    let settings = match (entry, settings) {
        (Some(entry), Some(settings)) => match entry.check_settings(settings) {
            Ok(settings) => Some((entry.provider(), settings)),
            Err(failure) if failure.cause() == Cause::Internal => {
                defect = Some(failure);
                None
            }
            Err(failure) => {
                problems.extend(failure.problems().iter().cloned());
                None
            }
        },
        _ => None,
    };
    problems.extend(status.and_then(Result::err));
    match (settings, members.settings) {
        (Some((validator, settings)), Some(submitted)) if problems.is_empty() => {
            Ok(Accepted { validator, settings, submitted })
        }
        _ => Err(Refused { provider: entry.map(Entry::descriptor), problems, defect }),
    }
}

/// The members of a request, if it can be read at all.
pub(crate) fn outline(body: &[u8]) -> Option<Members<'_>> {
    members(text(body).ok()?).ok()
}

/// The provider that a request is for, or what is wrong with its `provider_id`; nothing more is to be said of one
/// that came twice.
pub(crate) fn provider<'r>(
    members: &Members<'_>,
    registry: &'r Registry,
) -> Result<&'r Entry, Option<Problem>> {
    if members.repeated.contains("provider_id") {
        return Err(None);
    }
    find_provider(members.provider_id, registry).map_err(Some)
}

fn malformed(pointer: Option<&str>, message: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Cause::MalformedRequest)
        .with_pointer(pointer.map(str::to_owned))
        .with_formatted_message(message)
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let place = Place::of(body, error.valid_up_to());
        malformed(None, format!("The body is not valid JSON: it is not UTF-8 at {place}."))
            .with_hint("Encode the body as UTF-8, without compression.")
    })?;
    if text.starts_with('\u{feff}') {
        return Err(malformed(
            None,
            "The body is not valid JSON: it begins with a byte order mark.",
        )
        .with_hint("Save or send it as UTF-8 without a byte order mark."));
    }
    if text.trim().is_empty() {
        return Err(malformed(None, "The body is empty.")
            .with_hint("Send a JSON object with `name`, `provider_id` and `settings`."));
    }
    Ok(text)
}

/// A place in the body, both numbers from 1.
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn of(body: &[u8], offset: usize) -> Self {
        let before = body.get(..offset).unwrap_or(body);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let line = before.split(|byte| *byte == b'\n').count();
        // Columns count characters, not the bytes after the first of one.
        let characters =
            before.iter().skip(line_start).filter(|byte| **byte & 0b1100_0000 != 0b1000_0000);
        Self { line, column: characters.count() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// Says what is wrong with text that is not JSON. `part` is the part of `text` that was read.
fn not_json(pointer: Option<&str>, text: &str, part: &str, error: &serde_json::Error) -> Problem {
    let offset = offset_in(text, part) + offset_of(part, error.line(), error.column());
    let place = Place::of(text.as_bytes(), offset);
    let found = text.get(offset..).and_then(|rest| rest.chars().next());
    // For these two categories the text is one of a fixed list, which holds nothing of the input.
    let fixed = matches!(error.classify(), Category::Syntax | Category::Eof);
    let said = error.to_string();
    let said = said.split(" at line ").next().filter(|_| fixed).unwrap_or("it cannot be read");
    let what = match said {
        "EOF while parsing a list" => "it ends inside an array",
        "EOF while parsing an object" => "it ends inside an object",
        "EOF while parsing a string" => "it ends inside a string",
        "EOF while parsing a value" => "it ends where a value is expected",
        "expected value" | "key must be a string" if matches!(found, Some('}' | ']')) => {
            TRAILING_COMMA
        }
        "trailing comma" => TRAILING_COMMA,
        "expected value" | "expected ident" => "expected a value",
        "key must be a string" => "expected a member name in double quotes",
        "trailing characters" => "expected the end after the value",
        "recursion limit exceeded" => "it is nested too deeply",
        "number out of range" => "a number is out of range",
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "a `\\u` escape lacks its second half"
        }
        other if other.starts_with("control character") => CONTROL_CHARACTER,
        other => other,
    };
    let problem = malformed(pointer, format!("The body is not valid JSON: {what}, at {place}."));
    match (what, found) {
        (_, Some('\'')) => problem.with_hint("JSON strings and names stand in double quotes."),
        (TRAILING_COMMA, _) => problem.with_hint("Remove the comma before the closing bracket."),
        (CONTROL_CHARACTER, _) => {
            problem.with_hint("Inside a string write a line break as `\\n` and a tab as `\\t`.")
        }
        ("expected a value", Some(found)) if found.is_alphabetic() => {
            problem.with_hint("A string stands in double quotes.")
        }
        ("invalid escape", _) => problem.with_hint("Inside a string write a backslash as `\\\\`."),
        ("expected the end after the value", _) => {
            problem.with_hint("Send one JSON object and nothing after it.")
        }
        ("expected `,` or `}`" | "expected `,` or `]`", _) => {
            problem.with_hint("A comma may be missing before this place, or a quote too many.")
        }
        (what, _) if what.starts_with("it ends") => {
            problem.with_hint("Something is missing at the end: the body may have been cut off.")
        }
        _ => problem,
    }
}

/// Where `part`, which was borrowed from `text`, begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The offset of a place as `serde_json` counts: lines from 1, and in each the bytes that were read.
fn offset_of(part: &str, line: usize, column: usize) -> usize {
    let line_start = part
        .bytes()
        .enumerate()
        .filter(|(_, byte)| *byte == b'\n')
        .nth(line.saturating_sub(2))
        .filter(|_| line > 1)
        .map_or(0, |(end, _)| end + 1);
    let mut offset = (line_start + column.saturating_sub(1)).min(part.len());
    while !part.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The members of a request that mean something, unread, and the names of those that came twice.
#[derive(Default)]
pub(crate) struct Members<'a> {
    /// What a batch calls the request. It is no part of it.
    id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    provider_id: Option<&'a RawValue>,
    settings: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    repeated: BTreeSet<&'static str>,
}

impl<'a> Members<'a> {
    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'a RawValue>)> {
        match name {
            "id" => Some(("id", &mut self.id)),
            "name" => Some(("name", &mut self.name)),
            "provider_id" => Some(("provider_id", &mut self.provider_id)),
            "settings" => Some(("settings", &mut self.settings)),
            "status" => Some(("status", &mut self.status)),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        match name {
            "name" => self.name,
            "provider_id" => self.provider_id,
            "settings" => self.settings,
            _ => self.status,
        }
    }

    pub(crate) fn id(&self) -> Option<&'a RawValue> {
        self.id
    }

    pub(crate) fn settings(&self) -> Option<&'a RawValue> {
        self.settings
    }

    /// Whether any of them came twice.
    pub(crate) fn repeats(&self) -> bool {
        !self.repeated.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some((name, value)) =
                    access.next_entry::<JsonStr<'de>, &'de RawValue>()?
                {
                    let Some((name, slot)) = members.slot(&name) else { continue };
                    if slot.replace(value).is_some() {
                        members.repeated.insert(name);
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

fn members(text: &str) -> Result<Members<'_>, Problem> {
    serde_json::from_str(text).map_err(|error| no_members(text, &error))
}

/// Says why the text is no object.
fn no_members(text: &str, error: &serde_json::Error) -> Problem {
    let whole: &RawValue = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(error) => return not_json(None, text, text, &error),
    };
    match whole.get().as_bytes().first() {
        Some(b'{') => not_json(None, text, text, error),
        Some(b'"') if holds_object(whole) => {
            malformed(None, "The body is a JSON string that holds an object: it was encoded twice.")
                .with_hint("Send the object itself: hand it to the JSON encoder once, or hand the encoded text over as it is.")
        }
        _ => malformed(None, format!("The body must be a JSON object, but it is {}.", kind(whole)))
            .with_hint("Send a JSON object with `name`, `provider_id` and `settings`."),
    }
}

/// What a value is, in words. Only its first byte is looked at.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "`null`",
        _ => "a number",
    }
}

/// Whether a value is written as a string, which half of a surrogate pair keeps from being one.
fn is_broken_string(value: &RawValue) -> bool {
    value.get().starts_with('"') && string(value).is_none()
}

fn broken_string(pointer: &str) -> Problem {
    malformed(Some(pointer), "This string holds a `\\u` escape that lacks its second half.")
}

fn string(value: &RawValue) -> Option<JsonStr<'_>> {
    serde_json::from_str(value.get()).ok()
}

fn holds_object(value: &RawValue) -> bool {
    string(value).is_some_and(|inner| {
        inner.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&inner).is_ok()
    })
}

fn check_name(name: Option<&RawValue>) -> Result<(), Problem> {
    let at = Some("/name");
    let value = name.ok_or_else(|| {
        malformed(at, "`name` is required and missing.")
            .with_hint("Give the integration a name of 1 to 100 characters.")
    })?;
    if is_broken_string(value) {
        return Err(broken_string("/name"));
    }
    let name = string(value).ok_or_else(|| {
        malformed(at, format!("`name` must be a string, but it is {}.", kind(value)))
    })?;
    match name.chars().count() {
        1..=MAX_NAME => Ok(()),
        0 => Err(malformed(at, "`name` must not be empty.")),
        _ => Err(malformed(at, format!("`name` must not be longer than {MAX_NAME} characters."))),
    }
}

fn check_status(status: Option<&RawValue>) -> Result<(), Problem> {
    let Some(status) = status else { return Ok(()) };
    match string(status).as_deref() {
        Some("active" | "inactive") => Ok(()),
        _ => Err(malformed(Some("/status"), "`status` must be `active` or `inactive`.")
            .with_hint("Leave it out for `active`.")),
    }
}

fn find_provider<'r>(
    provider_id: Option<&RawValue>,
    registry: &'r Registry,
) -> Result<&'r Entry, Problem> {
    let at = Some("/provider_id");
    let Some(value) = provider_id else {
        return Err(malformed(at, "`provider_id` is required and missing.")
            .with_formatted_hint(known(registry)));
    };
    if is_broken_string(value) {
        return Err(broken_string("/provider_id"));
    }
    let Some(id) = string(value) else {
        let problem =
            malformed(at, format!("`provider_id` must be a string, but it is {}.", kind(value)));
        return Err(match kind(value) {
            "a number" => problem.with_hint("Put it between quotes."),
            _ => problem.with_formatted_hint(known(registry)),
        });
    };
    registry.get(&id).ok_or_else(|| {
        Problem::new(Cause::UnknownProvider)
            .with_pointer(at.map(str::to_owned))
            .with_formatted_message("No provider has this `provider_id`.")
            .with_formatted_hint(known(registry))
    })
}

fn known(registry: &Registry) -> String {
    let providers: Vec<String> = registry
        .descriptors()
        .map(|descriptor| format!("`{}` ({})", descriptor.id, descriptor.title))
        .collect();
    format!("Known providers: {}.", providers.join(", "))
}

fn read_settings(settings: Option<&RawValue>, text: &str) -> Result<SubmittedSettings, Problem> {
    let at = Some("/settings");
    let Some(value) = settings else {
        return Err(malformed(at, "`settings` is required and missing.")
            .with_hint("It is an object with the provider's settings, such as its API key."));
    };
    if !value.get().starts_with('{') {
        let problem =
            malformed(at, format!("`settings` must be an object, but it is {}.", kind(value)));
        return Err(if holds_object(value) {
            problem.with_hint("It is a string that holds an object: it was encoded twice. Send the object itself.")
        } else {
            problem
        });
    }
    serde_json::from_str(value.get()).map_err(|error| not_json(at, text, value.get(), &error))
}
