//! The catalogue of providers and their settings.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bonafide_core::host::{FindingExt as _, SettingsSchema};
use bonafide_core::{Cause, Problem, ProviderType};
use bonafide_registry::{Entry, Registry};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::api::error::ApiError;
use crate::api::{Api, json_as};

/// Every provider, in the order of the ids.
#[derive(Debug, Serialize)]
pub(crate) struct Catalogue {
    total: usize,
    pub(crate) items: Vec<Item>,
}

/// One provider.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) id: &'static str,
    pub(crate) r#type: ProviderType,
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) settings: Vec<Setting>,
}

/// One settings field, as a form needs it.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) title: String,
    pub(crate) name: String,
    r#type: String,
    /// Whether an integration cannot be saved without it.
    pub(crate) required: bool,
    pub(crate) secret: bool,
    deprecated: bool,
}

impl Catalogue {
    /// The providers of these types, or all where no type is given.
    pub(crate) fn of(registry: &Registry, types: &[ProviderType]) -> Self {
        let items: Vec<Item> = registry
            .iter()
            .map(Item::of)
            .filter(|item| types.is_empty() || types.contains(&item.r#type))
            .collect();
        Self { total: items.len(), items }
    }
}

impl Item {
    fn of(entry: &Entry) -> Self {
        let descriptor = entry.descriptor();
        Self {
            id: descriptor.id,
            r#type: descriptor.provider_type,
            name: descriptor.name,
            title: descriptor.title,
            settings: settings(entry.schema()),
        }
    }
}

fn settings(schema: &SettingsSchema) -> Vec<Setting> {
    let is =
        |field: &Value, keyword: &str| field.get(keyword).and_then(Value::as_bool) == Some(true);
    let text = |field: &Value, keyword: &str| {
        field.get(keyword).and_then(Value::as_str).map(str::to_owned)
    };
    schema
        .fields()
        .map(|(name, field)| Setting {
            title: text(field, "title").unwrap_or_else(|| name.to_owned()),
            name: name.to_owned(),
            r#type: text(field, "type").unwrap_or_else(|| "string".to_owned()),
            required: schema.is_required_to_save(name),
            secret: is(field, "writeOnly"),
            deprecated: is(field, "deprecated"),
        })
        .collect()
}

pub(crate) async fn list(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    api.0.accounts.authenticate(request.headers())?;
    let query = request.uri().query().unwrap_or_default();
    let types: Option<Vec<ProviderType>> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "type")
        .map(|(_, value)| ProviderType::ALL.iter().copied().find(|known| known.as_str() == value))
        .collect();
    let types = types.ok_or_else(|| {
        let known: Vec<&str> = ProviderType::ALL.iter().map(|known| known.as_str()).collect();
        let problem = Problem::new(Cause::MalformedRequest)
            .with_message("There is no provider type of this name.")
            .with_formatted_hint(format!("Known types: `{}`.", known.join("`, `")));
        ApiError::bad_request("The query is not valid.", vec![problem])
    })?;
    Ok(Json(Catalogue::of(api.0.checks.registry(), &types)).into_response())
}

pub(crate) async fn one(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(Json(Item::of(find(&api, id, &headers)?)).into_response())
}

pub(crate) async fn schema(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let entry = find(&api, id, &headers)?;
    Ok(json_as("application/schema+json", &entry.published_schema()))
}

fn find<'a>(
    api: &'a Api,
    id: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
) -> Result<&'a Entry, ApiError> {
    api.0.accounts.authenticate(headers)?;
    id.ok().and_then(|Path(id)| api.0.checks.registry().get(&id)).ok_or_else(|| {
        ApiError::not_found("No provider has this id; `/v1/hood/providers` lists them.")
    })
}
