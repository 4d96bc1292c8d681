//! `calzone plugin new NAME`: a crate that builds, passes its tests and does something.

use std::fs;
use std::path::Path;

use super::sdk;
use crate::arguments::PluginKind;

/// What a new plugin of one kind starts with.
struct Template {
    code: &'static str,
    /// Statements, records in and records out of its golden rows. `PLUGIN` stands for the plugin's name.
    golden: &'static [(&'static str, &'static str)],
    /// How it is used in SQL.
    used: &'static str,
}

macro_rules! template {
    ($folder:literal, $used:literal) => {
        Template {
            code: include_str!(concat!("templates/", $folder, "/lib.rs")),
            golden: &[
                ("sql", include_str!(concat!("templates/", $folder, "/golden.sql"))),
                ("in.jsonl", include_str!(concat!("templates/", $folder, "/golden.in.jsonl"))),
                ("out.jsonl", include_str!(concat!("templates/", $folder, "/golden.out.jsonl"))),
            ],
            used: $used,
        }
    };
}

const FUNCTION: Template = template!("function", "CREATE FUNCTION hide USING PLUGIN 'PLUGIN';");
const TABLE_FUNCTION: Template = template!("table-function", "CREATE FUNCTION explode_words USING PLUGIN 'PLUGIN';");
const AGGREGATE: Template = template!("aggregate", "CREATE FUNCTION value_range USING PLUGIN 'PLUGIN';");
const STAGE: Template = template!("stage", "CREATE STAGE add_portion FROM a_stream INTO portions USING PLUGIN 'PLUGIN';");

/// No golden rows: what a policy decides depends on no row.
const ERROR_POLICY: Template = Template {
    code: include_str!("templates/error-policy/lib.rs"),
    golden: &[],
    used: "CREATE ERROR POLICY patient USING PLUGIN 'PLUGIN';",
};

/// No golden rows: it answers requests.
const ENDPOINT: Template = Template {
    code: include_str!("templates/endpoint/lib.rs"),
    golden: &[],
    used: "CREATE STREAM visits (name VARCHAR) WITH (KAFKA_TOPIC='visits', PARTITIONS=1, VALUE_FORMAT='JSON');
  CREATE TABLE visitors AS SELECT name, COUNT(*) AS n FROM visits GROUP BY name EMIT CHANGES;
  CREATE ENDPOINT visits_api ON '/visits' USING PLUGIN 'PLUGIN' GRANT (INSERT ON STREAM visits, QUERY ON TABLE visitors);
and then: curl localhost:8088/endpoints/visits/visits -d '{\"name\":\"Ada\"}'; curl localhost:8088/endpoints/visits/visits/Ada",
};

/// Writes the folder NAME.
pub fn new(name: &str, kind: PluginKind) -> Result<(), String> {
    check_name(name)?;
    let folder = Path::new(name);
    if folder.exists() {
        return Err(format!("{name} is there already"));
    }
    let sdk = sdk::place()?;
    let manifest = format!(
        "[package]
name = \"{name}\"
version = \"0.1.0\"
edition = \"2024\"

[lib]
crate-type = [\"cdylib\", \"rlib\"]

[dependencies]
calzone-guest = {{ path = {:?}{} }}

[profile.release]
opt-level = 3
lto = true
codegen-units = 1
panic = \"abort\"
strip = true

[workspace]
",
        sdk.display().to_string(),
        if kind == PluginKind::Endpoint { ", features = [\"endpoint\"]" } else { "" },
    );
    let template = match kind {
        PluginKind::Function => FUNCTION,
        PluginKind::TableFunction => TABLE_FUNCTION,
        PluginKind::Aggregate => AGGREGATE,
        PluginKind::Stage => STAGE,
        PluginKind::Endpoint => ENDPOINT,
        PluginKind::ErrorPolicy => ERROR_POLICY,
    };
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/lib.rs"), template.code)?;
        if !template.golden.is_empty() {
            fs::create_dir_all(folder.join("goldens"))?;
        }
        for (extension, text) in template.golden {
            fs::write(
                folder.join(format!("goldens/{name}.{extension}")),
                text.replace("PLUGIN 'PLUGIN'", &format!("PLUGIN '{name}'")),
            )?;
        }
        fs::write(folder.join(".gitignore"), "/target\n")
    };
    write().map_err(|e| format!("cannot write {name}: {e}"))?;
    let used = template.used.replace("PLUGIN 'PLUGIN'", &format!("PLUGIN '{name}'"));
    println!(
        "{name}/ is there. Next:\n  cd {name}\n  calzone plugin test\n  calzone plugin build\n  calzone plugin push {name}\nand then, in SQL:\n  {used}"
    );
    Ok(())
}

/// The name becomes that of a crate, of a file and of the plugin.
fn check_name(name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if good {
        Ok(())
    } else {
        Err(format!("'{name}' cannot be the name: use at most 64 small letters, digits, '-' and '_', beginning with a letter"))
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_of_crates() {
        for (name, good) in
            [("mask", true), ("mask-2", true), ("a_b", true), ("", false), ("2a", false), ("A", false), ("a/b", false)]
        {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
    }
}
