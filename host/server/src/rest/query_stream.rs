//! `POST /query-stream`: rows, as they come, over both versions of HTTP.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use calzone_engine::{ErrorKind, Session};

use super::accept::{Offer, choose};
use super::request;
use crate::app::App;
use crate::error::{Failure, Form};
use crate::rows::RowFormat;

const TYPES: &[(&str, RowFormat)] = &[
    ("application/vnd.ksqlapi.delimited.v1", RowFormat::Delimited),
    ("application/json", RowFormat::JsonArray),
    ("application/vnd.ksql.v1+json", RowFormat::Envelope),
];

pub async fn query_stream(State(app): State<App>, request: Request) -> Response {
    let offer = Offer { types: TYPES, default: RowFormat::Delimited, wildcard: RowFormat::Delimited };
    let Some(format) = choose(request.headers(), &offer) else { return super::refuse() };
    match run(&app, request, format).await {
        Ok(response) => response,
        Err(failure) => failure.in_form(Form::Streamed).into_response(),
    }
}

async fn run(app: &App, http: Request, format: RowFormat) -> Result<Response, Failure> {
    let authorization = request::authorization(http.headers());
    let body = request::read_object(http.into_body()).await?;
    let text =
        request::text(&body, "sql")?.ok_or_else(|| Failure::bad_request("the field 'sql' is missing: it holds the SELECT"))?;
    let text = text.to_owned();
    let session = Session { authorization, ..request::session(&body, "properties")? };
    let names = super::names(app);
    let rows = app.blocking(move |engine| engine.query(&text, &session)).await.map_err(|e| match e.kind {
        // Only the statement can be to blame here, for example for a topic that is not there.
        ErrorKind::BadRequest => Failure::generic(40001, e.message),
        _ => Failure::of(&e, &names),
    })?;
    Ok(super::query::answer(rows, format, true))
}
