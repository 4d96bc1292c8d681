//! Statements: what each kind changes.

use std::sync::Arc;

use calzone_plan::catalog::QueryInfo;
use calzone_plan::{CreateQueryPlan, CreateSourcePlan, QueryPlan, Source, SourceKind, TopicRequest};
use calzone_sql::ast::Parsed;
use calzone_sql::ast::{self, Statement};

use super::{Driver, DriverError, Inserted, Session, Stage};

/// What a statement did.
#[derive(Clone, Debug)]
pub enum Executed {
    /// It changed the catalog or the session, or nothing had to be done.
    Done,
    /// It started a persistent query: its position in [`Driver::queries`].
    Query(usize),
    /// It gave a record, which lies nowhere yet.
    Insert(Inserted),
}

impl Driver {
    /// Reads a script.
    pub fn parse(&self, sql: &str, session: &Session) -> Result<Vec<Parsed>, DriverError> {
        calzone_sql::parse(sql, &session.variables).map_err(|error| DriverError {
            stage: Stage::Parse,
            message: error.to_string(),
            statement: None,
        })
    }

    /// Executes one statement. An INSERT VALUES gives its record; the caller says where and when it goes.
    pub fn execute(&mut self, parsed: &Parsed, session: &mut Session) -> Result<Executed, DriverError> {
        let text = parsed.text.as_str();
        let properties = self.settings(session);
        match &parsed.statement {
            Statement::Set { property, value } => {
                session.properties.insert(property.clone(), value.clone());
                Ok(Executed::Done)
            }
            Statement::Unset { property } => {
                session.properties.remove(property);
                Ok(Executed::Done)
            }
            Statement::Define { variable, value } => {
                session.variables.insert(variable.clone(), value.clone());
                Ok(Executed::Done)
            }
            Statement::Undefine { variable } => {
                session.variables.remove(variable);
                Ok(Executed::Done)
            }
            Statement::CreateSource(create) => {
                let plan = calzone_plan::create_source(&self.context(&properties), create, text);
                self.add_source(plan.map_err(|error| DriverError::planning(&error, text))?, create, session, text)
            }
            Statement::CreateSourceAs(create) => {
                let id = format!(
                    "{}_{}_{}",
                    if create.kind == SourceKind::Stream { "CSAS" } else { "CTAS" },
                    create.name.node,
                    self.next_query
                );
                let plan = calzone_plan::create_source_as(&self.context(&properties), create, text, &id);
                self.add_query(plan.map_err(|error| DriverError::planning(&error, text))?, id, session, text)
            }
            Statement::InsertInto(insert) => {
                let id = calzone_plan::insert_query_id(insert).map_err(|error| DriverError::planning(&error, text))?;
                let id = id.unwrap_or_else(|| format!("INSERTQUERY_{}", self.next_query));
                if self.catalog.queries.contains_key(&id) {
                    return Err(DriverError::statement(format!("There is a query {id} already. Choose another QUERY_ID.")));
                }
                let plan = calzone_plan::insert_into(&self.context(&properties), insert, text, &id);
                self.add_query(plan.map_err(|error| DriverError::planning(&error, text))?, id, session, text)
            }
            Statement::CreateFunction(create) => {
                let definition = calzone_plan::create_function(&self.context(&properties), create);
                if let Some(definition) = definition.map_err(|error| DriverError::planning(&error, text))? {
                    self.catalog.functions.remove(&create.name.node);
                    self.catalog.functions.add(definition);
                }
                Ok(Executed::Done)
            }
            Statement::CreateStage(create) => {
                let id = format!("STAGE_{}_{}", create.name.node, self.next_query);
                let plan = calzone_plan::create_stage(&self.context(&properties), create, text, &id);
                self.add_query(plan.map_err(|error| DriverError::planning(&error, text))?, id, session, text)
            }
            Statement::InsertValues(insert) => self.insert_values(insert, session, text).map(Executed::Insert),
            Statement::AlterSource { kind, name, add_columns } => {
                let source = calzone_plan::alter_source(&self.context(&properties), *kind, name, add_columns);
                let source = source.map_err(|error| DriverError::planning(&error, text))?;
                self.catalog.sources.insert(source.name.to_string(), Arc::new(source));
                Ok(Executed::Done)
            }
            Statement::CreateType { if_not_exists, name, ty } => {
                let ty = calzone_plan::create_type(&self.context(&properties), *if_not_exists, name, ty);
                if let Some(ty) = ty.map_err(|error| DriverError::planning(&error, text))? {
                    self.catalog.types.insert(name.node.clone(), ty);
                }
                Ok(Executed::Done)
            }
            Statement::DropType { if_exists, name } => {
                let there = calzone_plan::drop_type(&self.context(&properties), *if_exists, name);
                if there.map_err(|error| DriverError::planning(&error, text))? {
                    self.catalog.types.remove(&name.node);
                }
                Ok(Executed::Done)
            }
            Statement::DropSource(drop) => self.drop_source(drop, &properties, text),
            Statement::Terminate(selection) => self.terminate(selection),
            _ => Err(DriverError::statement(format!("A test run does not execute statements of this kind: {text}"))),
        }
    }

    fn add_source(
        &mut self,
        plan: CreateSourcePlan,
        create: &ast::CreateSource,
        session: &Session,
        text: &str,
    ) -> Result<Executed, DriverError> {
        if plan.already_exists {
            return Ok(Executed::Done);
        }
        self.ensure_topic(&plan.topic);
        let source = Arc::new(plan.source);
        self.catalog.sources.insert(source.name.to_string(), source.clone());
        let Some(copy) = plan.materialize_query else { return Ok(Executed::Done) };
        // The query keeps a copy of the topic's rows; the statement itself makes no persistent query.
        let id = format!("CST_{}_{}", create.name.node, self.next_query);
        self.add_running(id, copy, None, session, text)?;
        Ok(Executed::Done)
    }

    fn add_query(&mut self, plan: CreateQueryPlan, id: String, session: &Session, text: &str) -> Result<Executed, DriverError> {
        if plan.already_exists {
            return Ok(Executed::Done);
        }
        let mut id = id;
        if plan.replaces
            && let Some(old) = self.catalog.sources.get(&*plan.source.name).and_then(|source| source.created_by.clone())
        {
            // A query that takes another's place keeps its id, and with it offsets and state.
            id = old.to_string();
        }
        self.ensure_topic(&plan.topic);
        let mut source = plan.source;
        if !self.catalog.sources.contains_key(&*source.name) || source.created_by.is_some() {
            source.created_by = Some(id.as_str().into());
        }
        let source = Arc::new(source);
        let place = self.add_running(id, plan.plan, Some(source.clone()), session, text)?;
        self.catalog.sources.insert(source.name.to_string(), source);
        Ok(Executed::Query(place))
    }

    fn add_running(
        &mut self,
        id: String,
        plan: QueryPlan,
        sink: Option<Arc<Source>>,
        session: &Session,
        text: &str,
    ) -> Result<usize, DriverError> {
        let plan = Arc::new(plan);
        let properties = self.settings(session);
        self.start(id.clone(), plan.clone(), sink.clone(), &properties)?;
        self.next_query += 1;
        let info = QueryInfo {
            id: id.clone(),
            reads: plan.reads.iter().map(|name| name.to_string()).collect(),
            writes: sink.iter().map(|source| source.name.to_string()).collect(),
            functions: plan.plugins.iter().map(|used| used.name.to_string()).collect(),
            statement: text.to_owned(),
            plan,
        };
        self.catalog.queries.insert(id.clone(), Arc::new(info));
        Ok(self.queries.iter().position(|query| query.id == id).unwrap_or_default())
    }

    fn ensure_topic(&mut self, request: &TopicRequest) {
        if !request.exists {
            self.topics.create(&request.name, request.partitions.unwrap_or(1), request.replicas.unwrap_or(1));
        }
    }
}
