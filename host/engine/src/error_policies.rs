//! SHOW and DESCRIBE ERROR POLICY.

use std::sync::Arc;

use calzone_plan::error_policy::{Decider, ErrorPolicy};
use calzone_plan::plan::PluginUse;
use calzone_plan::{PlanContext, plugin_use_name};
use calzone_sql::ast::Name;

use crate::answer::{Answer, AnswerKind, ErrorPolicySummary};
use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::state::State;
use crate::{Session, StatementError};

impl Engine {
    pub(crate) fn describe_error_policy(&self, name: &Name, text: &str, session: &Session) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let policy = state.catalog.error_policies.get(&name.node).ok_or_else(|| {
            let message = format!("There is no error policy {}. SHOW ERROR POLICIES lists those there are.", name.node);
            StatementError::bad_statement(message, text)
        })?;
        let kind = AnswerKind::ErrorPolicy(Box::new(self.error_policy_summary(&state, policy, session)));
        Ok(Answer { statement: text.to_owned(), kind, warnings: Vec::new() })
    }

    pub(crate) fn error_policy_summary(&self, state: &State, policy: &Arc<ErrorPolicy>, session: &Session) -> ErrorPolicySummary {
        let properties = self.options.effective(&session.properties);
        let plugins = PluginCatalog { state, store: &self.plugin_store };
        let topics = LogTopics { log: &*self.log };
        let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
        let revision = match &policy.decider {
            Decider::Plugin { plugin, policy: item, .. } => {
                let name = plugin_use_name(&policy.name).into();
                state.revision_of(&PluginUse { name, plugin: plugin.clone(), item: item.clone() })
            }
            Decider::Actions { .. } => None,
        };
        let used_by = calzone_plan::error_policy_users(&context, &policy.name);
        ErrorPolicySummary { policy: policy.clone(), revision, used_by }
    }
}
