//! A stage with a store of its own (KEY VALUE).

use calzone_guest::stage::{Plan, Row, Rows, Stage};
use calzone_guest::{Settings, SqlType, Value, plugin, store};

/// Numbers the rows of each USR, and counts the different ones. For N = -13 it panics after it has written.
struct Number;

impl Stage for Number {
    const NAME: &'static str = "number";
    const DOC: &'static str = "Numbers the rows of each USR, and counts the different ones.";

    fn open(_: &Settings, plan: &mut Plan) -> Result<Number, String> {
        plan.read("USR")?;
        plan.read("N")?;
        plan.set("NUMBER", SqlType::Bigint);
        plan.set("USERS", SqlType::Bigint);
        Ok(Number)
    }

    fn row(&mut self, row: &Row<'_>, rows: &mut Rows) -> Result<(), String> {
        let key = [b"user/", row.text(0).unwrap_or_default().as_bytes()].concat();
        let before = store::get(&key).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        store::put(&key, &(before + 1).to_le_bytes());
        let n = row.value(1);
        assert!(n != Value::Bigint(-13), "thirteen is unlucky");
        if n == Value::Bigint(0) {
            store::delete(&key);
        }
        let users = store::scan(b"user/").count() as i64;
        rows.push([Value::Bigint(before + 1), Value::Bigint(users)]);
        Ok(())
    }
}

plugin!(stages: [Number]);
