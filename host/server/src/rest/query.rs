//! `POST /query`: the older of the two ways to ask for rows.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use calzone_engine::{Rows, Session, StatementError};
use calzone_sql::ast::{Relation, Statement};

use super::accept::{Offer, choose};
use super::request;
use crate::app::App;
use crate::error::{Failure, Form};
use crate::rows::{Encoder, Pieces, PrintBody, PrintForm, RowBody, RowFormat};

const TYPES: &[(&str, RowFormat)] = &[
    ("application/vnd.ksql.v1+json", RowFormat::Envelope),
    // Means the newest type of this route, which is the same.
    ("application/json", RowFormat::Envelope),
    ("application/vnd.ksqlapi.delimited.v1", RowFormat::Delimited),
];

pub async fn query(State(app): State<App>, request: Request) -> Response {
    let offer = Offer { types: TYPES, default: RowFormat::Envelope, wildcard: RowFormat::Delimited };
    let Some(format) = choose(request.headers(), &offer) else { return super::refuse() };
    match run(&app, request, format).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn run(app: &App, http: Request, format: RowFormat) -> Result<Response, Failure> {
    let authorization = request::authorization(http.headers());
    let body = request::read_object(http.into_body()).await?;
    let text = request::text(&body, "ksql")?.unwrap_or_default().to_owned();
    let session = Session { authorization, ..request::session(&body, "streamsProperties")? };
    let names = super::names(app);
    let (sent, variables) = (text.clone(), session.variables.clone());
    let rows = app
        .blocking(move |engine| engine.query(&text, &session))
        .await
        .map_err(|e| refusal(app, &e, &sent, &variables).unwrap_or_else(|| Failure::of(&e, &names).in_form(Form::Streamed)))?;
    Ok(answer(rows, format, format == RowFormat::Delimited))
}

/// The failure of a statement that did not come as far as being planned: it has the form of statements' failures.
fn refusal(
    app: &App,
    error: &StatementError,
    text: &str,
    variables: &std::collections::BTreeMap<String, String>,
) -> Option<Failure> {
    let whole = || Some(Failure::of(error, &super::names(app)));
    let Ok(statements) = calzone_sql::parse(text, variables) else { return whole() };
    match statements.as_slice() {
        [] => Some(Failure::bad_request("there is no statement: send one SELECT or PRINT")),
        [one] => match &one.statement {
            Statement::Query(query) => {
                let catalog = app.engine().catalog();
                let exists = match &query.from {
                    Relation::Source { name, .. } => catalog.sources.contains_key(&name.node),
                    _ => true,
                };
                if exists { None } else { whole() }
            }
            Statement::Print(_) => whole(),
            _ => Some(Failure::bad_request(error.message.clone())),
        },
        _ => whole(),
    }
}

/// Rows as a response in the given format.
pub fn answer(rows: Rows, format: RowFormat, records_only: bool) -> Response {
    match rows {
        Rows::Stream(stream) => super::with_type(Body::new(RowBody::new(stream, format)), format.content_type()),
        Rows::Pull(pull) => {
            let encoder = Encoder::new(format, pull.id.clone(), pull.schema.clone());
            super::with_type(Body::new(Pieces::new(encoder.all(&pull))), format.content_type())
        }
        Rows::Print(stream) if records_only => Response::new(Body::new(PrintBody::new(stream, PrintForm::RecordsOnly))),
        Rows::Print(stream) => super::with_type(Body::new(PrintBody::new(stream, PrintForm::Text)), "application/json"),
    }
}
