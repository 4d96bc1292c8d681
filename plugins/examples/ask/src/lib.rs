//! A stage that asks another server (HTTP TO).

use calzone_guest::stage::{Plan, Row, Rows, SettingDescription, Stage};
use calzone_guest::{Settings, SqlType, Value, http, plugin};

/// Asks a place for each row: USR goes to the end of the URL, the answer becomes a column.
struct Ask {
    url: String,
}

impl Stage for Ask {
    const NAME: &'static str = "ask";
    const DOC: &'static str = "Asks a place for each row.";
    const SETTINGS: &'static [SettingDescription] =
        &[SettingDescription { key: "url", doc: "What USR is put behind.", default: None }];

    fn open(settings: &Settings, plan: &mut Plan) -> Result<Ask, String> {
        plan.read("USR")?;
        plan.set("ANSWER", SqlType::Varchar);
        Ok(Ask { url: settings.get("url").unwrap_or_default().to_owned() })
    }

    fn row(&mut self, row: &Row<'_>, rows: &mut Rows) -> Result<(), String> {
        let url = format!("{}{}", self.url, row.text(0).unwrap_or_default());
        let answer = http::Request::get(url).header("accept", "text/plain").send().map_err(|e| e.to_string())?;
        let text = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        rows.push([Value::Varchar(text)]);
        Ok(())
    }
}

plugin!(stages: [Ask]);
