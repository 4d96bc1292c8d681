//! `POST /ksql`: statements that are answered at once.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use calzone_engine::Session;
use serde_json::Value;

use super::accept::{Offer, choose};
use super::request;
use crate::app::App;
use crate::error::Failure;

/// What clients may ask for; the answer is the same.
const JSON_TYPES: &[(&str, ())] = &[("application/json", ()), ("application/vnd.ksql.v1+json", ())];

pub async fn ksql(State(app): State<App>, request: Request) -> Response {
    let offer = Offer { types: JSON_TYPES, default: (), wildcard: () };
    if choose(request.headers(), &offer).is_none() {
        return super::refuse();
    }
    match run(&app, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn run(app: &App, http: Request) -> Result<Response, Failure> {
    let authorization = request::authorization(http.headers());
    let body = request::read_object(http.into_body()).await?;
    if app.is_terminated() {
        return Err(Failure::generic(50304, "this cluster was terminated by POST /ksql/terminate"));
    }
    let text = request::text(&body, "ksql")?.unwrap_or_default().to_owned();
    let session = request::session(&body, "streamsProperties").map_err(|failure| failure.blaming(&text))?;
    let session = Session { authorization, ..session };
    let names = super::names(app);
    let answers = app.blocking(move |engine| engine.execute(&text, &session)).await.map_err(|e| Failure::of(&e, &names))?;
    let entities: Vec<Value> = answers.iter().map(|a| crate::entity::entity(a, &names)).collect();
    Ok(super::json(&Value::Array(entities)))
}
