//! How many pizzas got which meats, counted in the table MEAT_REPORT.

use calzone_guest::endpoint::{Json, Problem, select};
use calzone_guest::{endpoint, plugin};

/// Number of pizzas by meats.
#[endpoint("GET /report")]
fn report() -> Result<Json, Problem> {
    Ok(by_meats(select("SELECT meats, pizzas FROM meat_report", &[])?))
}

/// One object of all rows, in the order of the meats.
fn by_meats(rows: Vec<Json>) -> Json {
    let mut counts: Vec<(String, Json)> =
        rows.into_iter().filter_map(|mut row| Some((row["MEATS"].as_str()?.to_owned(), row["PIZZAS"].take()))).collect();
    counts.sort_by(|a, b| a.0.cmp(&b.0));
    Json::Object(counts.into_iter().collect())
}

plugin!(endpoint: [report]);

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_guest::endpoint::json;

    #[test]
    fn rows_become_one_object() {
        let rows = vec![json!({ "MEATS": "salami", "PIZZAS": 1 }), json!({ "MEATS": "ham & bacon", "PIZZAS": 3 })];
        assert_eq!(by_meats(rows).to_string(), r#"{"ham & bacon":3,"salami":1}"#);
    }
}
