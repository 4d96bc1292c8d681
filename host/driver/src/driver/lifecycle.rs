//! DROP and TERMINATE.

use std::collections::BTreeMap;

use calzone_sql::ast::{self, QuerySelection};

use super::{Driver, DriverError, Executed};

impl Driver {
    pub(super) fn drop_source(
        &mut self,
        drop: &ast::DropSource,
        properties: &BTreeMap<String, String>,
        text: &str,
    ) -> Result<Executed, DriverError> {
        let plan =
            calzone_plan::drop_source(&self.context(properties), drop).map_err(|error| DriverError::planning(&error, text))?;
        let Some(source) = plan.source else { return Ok(Executed::Done) };
        // A query that only keeps the source's rows ends with it.
        let keeper = self.queries.iter().find(|query| query.sink.is_none() && query.plan.reads.contains(&source.name));
        let ended: Vec<String> = plan.terminate.into_iter().chain(keeper.map(|query| query.id.clone())).collect();
        ended.iter().for_each(|id| self.end_query(id));
        self.catalog.sources.remove(&*source.name);
        if plan.delete_topic {
            self.topics.delete(&source.topic);
        }
        self.dropped.push(source);
        Ok(Executed::Done)
    }

    pub(super) fn terminate(&mut self, selection: &QuerySelection) -> Result<Executed, DriverError> {
        match selection {
            QuerySelection::All => {
                let ids: Vec<String> = self.queries.iter().map(|query| query.id.clone()).collect();
                ids.iter().for_each(|id| self.end_query(id));
            }
            QuerySelection::Id(id) if self.catalog.queries.contains_key(&id.node) => self.end_query(&id.node),
            QuerySelection::Id(id) => return Err(DriverError::statement(format!("There is no query {} to terminate.", id.node))),
        }
        Ok(Executed::Done)
    }

    fn end_query(&mut self, id: &str) {
        self.queries.retain(|query| query.id != id);
        self.catalog.queries.remove(id);
    }
}
