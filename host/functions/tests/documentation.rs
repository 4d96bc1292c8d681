//! `docs/functions.md` is made of the definitions of the functions. This test says when it is not up to date; with
//! `CALZONE_WRITE_DOCS=1` it writes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use calzone_functions::signature::Returns;
use calzone_functions::{FunctionKind, Registry, Signature};

#[test]
fn the_page_of_functions_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/functions.md");
    let page = page(&Registry::built_in());
    if std::env::var_os("CALZONE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/functions.md can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/functions.md is not what the functions say; write it anew: CALZONE_WRITE_DOCS=1 cargo test -p calzone-functions --test documentation"
    );
}

/// What a page says of one function.
struct Entry {
    name: String,
    description: String,
    signatures: Vec<Signature>,
    /// As lines of Markdown.
    examples: Vec<String>,
}

fn page(registry: &Registry) -> String {
    let mut categories: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for function in registry.names() {
        let entry = match function.kind {
            FunctionKind::Aggregate => registry.aggregate(function.name).map(|definition| Entry {
                name: definition.name.clone(),
                description: definition.description.clone(),
                signatures: definition.overloads.iter().map(|o| o.signature.clone()).collect(),
                examples: definition
                    .examples
                    .iter()
                    .map(|e| {
                        let rows = e.rows.iter().map(|row| format!("({row})")).collect::<Vec<_>>().join(", ");
                        format!("`{}` over `{}` in the rows `{rows}` gives `{}`", e.expression, e.columns, e.result)
                    })
                    .collect(),
            }),
            kind => registry.scalar(function.name).or_else(|| registry.table(function.name)).map(|definition| Entry {
                name: definition.name.clone(),
                description: definition.description.clone(),
                signatures: definition.overloads.iter().map(|o| o.signature.clone()).collect(),
                examples: definition
                    .examples
                    .iter()
                    .map(|e| {
                        let gives = if kind == FunctionKind::Table { "gives the rows" } else { "gives" };
                        format!("`{}` {gives} `{}`", e.expression, e.result)
                    })
                    .collect(),
            }),
        };
        categories.entry(function.category.to_owned()).or_default().extend(entry);
    }
    let mut page = String::from(
        "# Functions\n\nMade from the definitions in `host/functions`; every example is run as a test. `...` marks a parameter that may \
         occur any number of times; `T`, `K`, `V` and the like stand for any type, the same one wherever they occur.\n",
    );
    for (category, entries) in &categories {
        let links: Vec<String> =
            entries.iter().map(|entry| format!("[{0}](#{1})", entry.name, entry.name.to_lowercase())).collect();
        let _ = write!(page, "\n* {}: {}", title(category), links.join(", "));
    }
    page.push('\n');
    for (category, entries) in &categories {
        let _ = write!(page, "\n## {}\n", title(category));
        entries.iter().for_each(|entry| append(entry, &mut page));
    }
    page
}

/// `STRING` as `String`.
fn title(category: &str) -> String {
    let mut letters = category.chars();
    letters.next().map_or(String::new(), |first| first.to_string() + &letters.as_str().to_lowercase())
}

fn append(entry: &Entry, page: &mut String) {
    let _ = write!(page, "\n### {}\n\n{}\n\n```sql\n", entry.name, entry.description);
    for signature in &entry.signatures {
        let returns = match &signature.returns {
            Returns::Type(ty) => format!(" -> {ty}"),
            _ => String::new(),
        };
        let _ = writeln!(page, "{}{signature}{returns}", entry.name);
    }
    page.push_str("```\n");
    let mut documented: Vec<(&str, &str)> = Vec::new();
    for parameter in entry.signatures.iter().flat_map(|signature| &signature.parameters) {
        if !parameter.doc.is_empty() && !documented.iter().any(|(name, _)| *name == parameter.name) {
            documented.push((&parameter.name, &parameter.doc));
        }
    }
    if !documented.is_empty() {
        page.push('\n');
    }
    for (name, doc) in documented {
        let _ = writeln!(page, "* `{name}`: {doc}");
    }
    page.push_str("\nExamples:\n\n");
    for example in &entry.examples {
        let _ = writeln!(page, "* {example}");
    }
}
