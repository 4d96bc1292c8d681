//! Answers HTTP requests.

use calzone_guest::endpoint::{Json, Problem, Request, insert, json, select};
use calzone_guest::{endpoint, plugin};

/// Notes a visit: a JSON object with the field `name`.
#[endpoint("POST /visits")]
fn visit(request: &Request) -> Result<(u16, Json), Problem> {
    let row = row_of(&request.json()?)?;
    insert("visits", &[row])?;
    Ok((201, json!({ "noted": true })))
}

/// How often someone has visited.
#[endpoint("GET /visits/{name}")]
fn visits(name: &str) -> Result<Json, Problem> {
    let rows = select("SELECT name AS `name`, n AS `visits` FROM visitors WHERE name = ?", &[&name])?;
    rows.into_iter().next().ok_or_else(|| Problem::not_found(format!("{name} was never here")))
}

/// The row for the stream VISITS.
fn row_of(visit: &Json) -> Result<Json, Problem> {
    let name = visit["name"].as_str().ok_or_else(|| Problem::bad_request("the field `name` must be a text"))?;
    Ok(json!({ "name": name }))
}

plugin!(endpoint: [visit, visits]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_has_a_name() {
        assert_eq!(row_of(&json!({ "name": "Ada", "x": 1 })), Ok(json!({ "name": "Ada" })));
        assert_eq!(row_of(&json!({})).unwrap_err().status, 400);
    }
}
