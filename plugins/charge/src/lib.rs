//! Charges payments: a stage over `payments (account VARCHAR KEY, id BIGINT, amount DECIMAL(10, 2))` whose bank declines some
//! accounts for a while. `CONFIG (fails = 'acct-1:3,acct-7:1000')`: the first 3 attempts of each payment of acct-1 fail, and
//! those of acct-7 as good as for ever.

use std::collections::BTreeMap;

use calzone_guest::stage::SettingDescription;
use calzone_guest::{Plan, Row, Rows, Settings, SqlType, Stage, Value, plugin};

/// On a record that is tried again: which attempt this is. The first attempt has no such header.
const ATTEMPT_HEADER: &str = "calzone.attempt";

struct Charge {
    /// How many attempts fail, by account.
    fails: BTreeMap<String, u32>,
}

impl Stage for Charge {
    const NAME: &'static str = "charge";
    const DOC: &'static str = "Adds ATTEMPT: with which attempt the payment was charged.";
    const SETTINGS: &'static [SettingDescription] =
        &[SettingDescription { key: "fails", doc: "account:attempts that fail, with commas between", default: Some("") }];

    fn open(settings: &Settings, plan: &mut Plan) -> Result<Charge, String> {
        plan.read("account")?;
        plan.read_headers();
        plan.set("ATTEMPT", SqlType::Integer);
        Ok(Charge { fails: fails(settings.get("fails").unwrap_or_default())? })
    }

    fn row(&mut self, row: &Row<'_>, rows: &mut Rows) -> Result<(), String> {
        let account = row.text(0).ok_or("the payment has no account")?;
        let headers = row.headers();
        let attempt = headers.iter().rfind(|(name, _)| name == ATTEMPT_HEADER).and_then(|(_, value)| number(value.as_deref()?));
        let attempt = attempt.unwrap_or(1);
        let declined = self.fails.get(account).copied().unwrap_or(0);
        if attempt <= declined {
            return Err(format!("card declined for {account}, attempt {attempt}"));
        }
        rows.push([Value::Integer(attempt as i32)]);
        Ok(())
    }
}

/// Reads `acct-1:3,acct-7:1000`.
fn fails(text: &str) -> Result<BTreeMap<String, u32>, String> {
    let entry = |entry: &str| {
        let (account, attempts) = entry.rsplit_once(':')?;
        Some((account.trim().to_owned(), attempts.trim().parse().ok()?))
    };
    let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    entries.map(|e| entry(e).ok_or_else(|| format!("setting `fails`: `{e}` is not account:attempts"))).collect()
}

fn number(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

plugin!(stages: [Charge]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let read = fails("acct-1:3, acct-7:1000,").unwrap();
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("acct-1".to_owned(), 3), ("acct-7".to_owned(), 1000)]);
        assert!(fails("acct-1").is_err() && fails("acct-1:many").is_err());
    }
}
