//! `POST /close-query`: ends a push query, whoever started it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use super::request;
use crate::app::App;
use crate::error::{Failure, Form};

pub async fn close_query(State(app): State<App>, http: Request) -> Result<Response, Failure> {
    let body = request::read_object(http.into_body()).await?;
    let bare = |message: String| Failure::bad_request(message).in_form(Form::Bare);
    let id = request::text(&body, "queryId")?.ok_or_else(|| bare("the field 'queryId' is missing".into()))?.to_owned();
    let asked = id.clone();
    let closed = app
        .blocking(move |engine| Ok(engine.close_query(&asked)))
        .await
        .map_err(|e| Failure::of(&e, &super::names(&app)).in_form(Form::Bare))?;
    if closed {
        return Ok(Response::new(Body::empty()));
    }
    Err(bare(format!("no push query has the id {id}; SHOW QUERIES lists those that run")))
}
