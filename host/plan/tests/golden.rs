//! Golden files of plans: each `>` block is planned against what the file made before, and what is printed must be what
//! stands after `---`: the schema and the plan, or the error with its caret. `CALZONE_BLESS=1` writes the files anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use calzone_functions::{FunctionDefinition, Registry};
use calzone_plan::catalog::QueryInfo;
use calzone_plan::plan::{Output, StageColumn, StepColumn};
use calzone_plan::{
    Catalog, CreateQueryPlan, OfferedOutput, PlanContext, PlanError, PluginLookup, PullQuery, QueryPlan, StageOffer, TopicLookup,
    TopicRequest,
};
use calzone_sql::ast::{Grant, Parsed, SourceKind, Statement};
use calzone_types::SqlType;

#[test]
fn golden_files() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder of golden files").filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let expected = std::fs::read_to_string(&file).expect("a golden file");
        let actual = run(&expected);
        if std::env::var_os("CALZONE_BLESS").is_some() {
            std::fs::write(&file, &actual).expect("write a golden file");
        } else {
            assert_eq!(actual, expected, "{}", file.display());
        }
    }
}

/// The file with its outputs made anew. Lines that start with `#` are comments.
fn run(file: &str) -> String {
    let mut world =
        World { catalog: Catalog { functions: Registry::built_in(), ..Catalog::default() }, settings: BTreeMap::new(), made: 0 };
    let mut out = String::new();
    let mut lines = file.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(out, "{line}").expect("writing to a string");
        let Some(first) = line.strip_prefix("> ") else { continue };
        let mut script = first.to_owned();
        while let Some(more) = lines.next_if(|l| l.starts_with("> ")) {
            script.push('\n');
            script.push_str(more.strip_prefix("> ").unwrap_or_default());
            writeln!(out, "{more}").expect("writing to a string");
        }
        while lines.next_if(|l| !l.is_empty()).is_some() {}
        writeln!(out, "---").expect("writing to a string");
        for parsed in calzone_sql::parse(&script, &BTreeMap::new()).expect("golden statements can be parsed") {
            let text = world.plan(&parsed).unwrap_or_else(|error| error.render(&parsed.text));
            writeln!(out, "{}", text.trim_end()).expect("writing to a string");
        }
    }
    out
}

fn uses(plan: &QueryPlan, policy: &str) -> bool {
    plan.error_policy.as_ref().is_some_and(|used| *used.policy.name == *policy)
}

/// What a query's error policy needs, a topic a line.
fn topic_list(topics: &[TopicRequest]) -> String {
    topics.iter().map(|t| format!("{t:?}\n")).collect()
}

struct World {
    catalog: Catalog,
    settings: BTreeMap<String, String>,
    /// Queries made so far, for their ids.
    made: usize,
}

/// Topics whose names begin with `absent` do not exist; others have the partitions that follow `_p`, or 4.
struct Topics;

impl TopicLookup for Topics {
    fn partitions(&self, topic: &str) -> Option<i32> {
        let given = topic.rsplit_once("_p").and_then(|(_, count)| count.parse().ok());
        (topic.chars().any(char::is_lowercase) && !topic.starts_with("absent")).then(|| given.unwrap_or(4))
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.partitions(topic).map(|_| 1)
    }
}

/// One plugin, `upper`, whose stage appends a text column and reads the second column.
struct Plugins;

impl PluginLookup for Plugins {
    fn stage(
        &self,
        plugin: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        input: &[StepColumn],
        key: &[usize],
    ) -> Result<StageOffer, String> {
        if plugin != "upper" {
            return Err(format!("There is no plugin '{plugin}'."));
        }
        let mut output = input[..2].to_vec();
        output.push(StepColumn { name: "UPPER".into(), ty: SqlType::Varchar });
        let columns = vec![StageColumn::PassThrough(0), StageColumn::PassThrough(1), StageColumn::Guest(0)];
        let only = OfferedOutput { name: "".into(), columns, output, key: key.to_vec() };
        Ok(StageOffer { stage: "upper".into(), reads: vec![1], outputs: vec![only] })
    }

    fn function(&self, plugin: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err(format!("There is no plugin '{plugin}'."))
    }

    fn error_policy(&self, plugin: &str, policy: Option<&str>, _: &[(String, String)]) -> Result<Arc<str>, String> {
        let policy = policy.unwrap_or("only");
        if plugin == "judge" { Ok(policy.into()) } else { Err(format!("There is no plugin '{plugin}'.")) }
    }
}

impl World {
    fn plan(&mut self, parsed: &Parsed) -> Result<String, PlanError> {
        let (catalog, settings) = (self.catalog.clone(), self.settings.clone());
        let ctx = PlanContext { catalog: &catalog, properties: &settings, topics: &Topics, plugins: &Plugins };
        let text = &parsed.text;
        let id = format!("Q{}", self.made);
        Ok(match &parsed.statement {
            Statement::Set { property, value } => {
                self.settings.insert(property.clone(), value.clone());
                "set".to_owned()
            }
            Statement::CreateType { if_not_exists, name, ty } => {
                let ty = calzone_plan::create_type(&ctx, *if_not_exists, name, ty)?;
                self.catalog.types.extend(ty.clone().map(|ty| (name.node.clone(), ty)));
                format!("{ty:?}")
            }
            Statement::CreateSource(create) => {
                let plan = calzone_plan::create_source(&ctx, create, text)?;
                let shown = format!("{}\n{}\n{:?}", plan.source.statement, plan.source.schema, plan.topic);
                let keeper = plan.materialize_query.as_ref().map(|query| format!("\n{}", calzone_plan::explain(query)));
                let shown = shown + &keeper.unwrap_or_default();
                if !plan.already_exists {
                    self.catalog.sources.insert(plan.source.name.to_string(), Arc::new(plan.source));
                }
                shown
            }
            Statement::CreateSourceAs(create) => {
                let existing = catalog.sources.get(&create.name.node).and_then(|s| s.created_by.as_deref());
                let id = existing.map_or(id, str::to_owned);
                let plan = calzone_plan::create_source_as(&ctx, create, text, &id)?;
                let shown = format!("{}\n{}\n", plan.source.statement, plan.source.schema);
                shown + &self.add(id, plan)
            }
            Statement::InsertInto(insert) => {
                let plan = calzone_plan::insert_into(&ctx, insert, text, &id)?;
                self.add(id, plan)
            }
            Statement::CreateStage(create) => {
                let plan = calzone_plan::create_stage(&ctx, create, text, &id)?;
                let shown = format!("{}\n", plan.source.schema);
                shown + &self.add(id, plan)
            }
            Statement::CreateErrorPolicy(create) => {
                let Some(policy) = calzone_plan::create_error_policy(&ctx, create)? else { return Ok("is there".to_owned()) };
                let policy = Arc::new(policy);
                let mut shown = format!("{}\n{:?}\n{:?}", policy.statement, policy.decider, policy.settings);
                for (id, query) in catalog.queries.iter().filter(|(_, q)| uses(&q.plan, &policy.name)) {
                    let (plan, topics) = calzone_plan::replace_error_policy(&ctx, id, &query.plan, &policy)?;
                    shown += &format!("\n{id}: {}{}", calzone_plan::explain(&plan), topic_list(&topics));
                    let query = QueryInfo { plan: Arc::new(plan), ..(**query).clone() };
                    self.catalog.queries.insert(id.clone(), Arc::new(query));
                }
                self.catalog.error_policies.insert(policy.name.to_string(), policy);
                shown
            }
            Statement::DropErrorPolicy { if_exists, name } => {
                let dropped = calzone_plan::drop_error_policy(&ctx, *if_exists, name)?;
                if let Some(policy) = &dropped {
                    self.catalog.error_policies.remove(&*policy.name);
                }
                format!("dropped: {}", dropped.is_some())
            }
            Statement::InsertValues(insert) => {
                let row = calzone_plan::insert_values(&ctx, insert)?;
                format!("{:?} at {:?}", row.columns, row.rowtime)
            }
            Statement::DropSource(drop) => {
                let plan = calzone_plan::drop_source(&ctx, drop)?;
                if let Some(source) = &plan.source {
                    self.catalog.sources.remove(&*source.name);
                }
                plan.terminate.iter().for_each(|id| {
                    self.catalog.queries.remove(id);
                });
                format!("terminates {:?}", plan.terminate)
            }
            Statement::AlterSource { kind, name, add_columns } => {
                let source = calzone_plan::alter_source(&ctx, *kind, name, add_columns)?;
                let shown = source.schema.to_string();
                self.catalog.sources.insert(source.name.to_string(), Arc::new(source));
                shown
            }
            Statement::AssertSource { kind, name, elements, properties } => {
                calzone_plan::assert_source(&ctx, *kind, name, elements, properties)?;
                "as asserted".to_owned()
            }
            Statement::Query(query) if query.emit.is_some() => {
                let plan = calzone_plan::push_query(&ctx, query, &id)?;
                let Output::Client { schema, .. } = &plan.output else { unreachable!("push queries have clients") };
                format!("{schema}\n{}", calzone_plan::explain(&plan))
            }
            Statement::Query(query) => match calzone_plan::pull_query(&ctx, query)? {
                PullQuery::Table(plan) => format!(
                    "{}\nkeys {:?}\nwindow start {:?}\nfilter {:?}\ncolumns {:?}",
                    plan.schema, plan.keys, plan.window_start, plan.filter, plan.columns
                ),
                PullQuery::Stream(plan) => calzone_plan::explain(&plan),
            },
            other => panic!("golden files have no {other:?}"),
        })
    }

    fn add(&mut self, id: String, plan: CreateQueryPlan) -> String {
        let shown = calzone_plan::explain(&plan.plan) + &topic_list(&plan.policy_topics);
        let kind = if plan.source.kind == SourceKind::Stream { "stream" } else { "table" };
        let info = QueryInfo {
            id: id.clone(),
            reads: plan.plan.reads.iter().map(ToString::to_string).collect(),
            writes: vec![plan.source.name.to_string()],
            functions: Vec::new(),
            statement: String::new(),
            plan: Arc::new(plan.plan),
        };
        self.catalog.queries.insert(id, Arc::new(info));
        self.made += 1;
        self.catalog.sources.insert(plan.source.name.to_string(), Arc::new(plan.source));
        format!("{kind}{}\n{shown}", if plan.replaces { ", replaced" } else { "" })
    }
}
