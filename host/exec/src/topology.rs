//! A query cut into parts at its internal topics, with the stores and topics it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calzone_formats::{FormatColumn, FormatSpec};
use calzone_plan::error_policy::QueryPolicy;
use calzone_plan::plan::{
    AggregateStep, JoinHow, JoinStep, Output, SinkOutput, StepKind, StepOutput, WindowSpec, WindowSpecKind,
};
use calzone_plan::{QueryPlan, Step};
use calzone_types::SqlType;

use crate::error::ExecError;
use crate::join::{Layout, Timing};
use crate::node::{ForeignKeyPlan, Node, NodeKind, ReaderKind, SourceNode, TablePlan};
use crate::policy::ClassSet;
use crate::project::reads_only;
use crate::repartition::InternalRows;
use crate::timestamp::throws_on_invalid;

/// Name of the store of records that wait to be tried again.
const RETRY_STORE: &str = "retry";

/// A query, ready to be run as tasks.
pub struct Topology {
    parts: Vec<Part>,
    internal_topics: Vec<InternalTopic>,
    stores: Vec<StoreSpec>,
    pub(crate) one_by_one: bool,
    error_policy: Option<Arc<QueryPolicy>>,
}

/// What a topology must know besides the plan.
#[derive(Clone, Debug, Default)]
pub struct TopologyOptions {
    pub query_id: String,
    /// Internal topics are `<prefix>-<name>-repartition` and `<prefix>-<name>-changelog`.
    pub internal_prefix: String,
    /// 0: every change of an aggregate is forwarded. Else changes are held until a flush, at most this many bytes for
    /// each aggregate, and only the last of each key is forwarded.
    pub cache_bytes: usize,
    /// The query's settings.
    pub properties: BTreeMap<String, String>,
}

/// A topic that the query owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    pub name: Arc<str>,
    /// It has as many partitions as the one of these that has the most.
    pub partitions_like: Vec<Arc<str>>,
    /// A changelog: only the last record of each key counts.
    pub compact: bool,
}

/// A store of each task of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    /// Unique in the topology.
    pub name: Arc<str>,
    /// Position of the part in [`Topology::parts`].
    pub part: usize,
    pub changelog: Changelog,
    /// Windows end to be of use this long after stream time has passed their end; the operators remove them.
    pub window_retention_ms: Option<i64>,
}

/// Where a store's content can be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changelog {
    /// The store's own keys and values, in that internal topic.
    Internal(Arc<str>),
    /// Records of a source's or the sink's topic, which [`crate::Task::restore`] decodes.
    Topic(Arc<str>),
}

/// Steps that run together, one task a partition.
pub struct Part {
    /// Topics read, of sources and internal ones.
    pub inputs: Vec<Arc<str>>,
    pub(crate) stores: Vec<StoreSpec>,
    pub(crate) sources: Vec<SourceNode>,
    /// Inputs come before those they feed.
    pub(crate) nodes: Vec<Node>,
    /// Store of stream times, if the part keeps any.
    pub(crate) meta: Option<usize>,
    /// Classes of failures that the query's error policy decides about.
    pub(crate) handled: ClassSet,
}

/// By which bytes records find their partition of a part's input.
#[derive(Clone, Debug)]
pub struct Placing {
    /// The format of the key.
    pub format: FormatSpec,
    /// The columns of the key.
    pub columns: Vec<FormatColumn>,
    /// The query itself has written the records, so that each is where its key says. Others may place theirs as they like.
    pub is_internal: bool,
}

impl Part {
    /// How rows of the part's inputs are placed; `None` if no input says it.
    pub fn placing(&self) -> Option<Placing> {
        self.sources.iter().find_map(|source| match &source.kind {
            ReaderKind::Internal(rows) => {
                Some(Placing { format: rows.key_format.clone(), columns: rows.key_columns(), is_internal: true })
            }
            ReaderKind::Source { step, .. } => {
                let columns = step.source.schema.key().map(|c| FormatColumn { name: c.name.clone(), ty: c.ty.clone() });
                Some(Placing { format: step.source.key_format.clone(), columns: columns.collect(), is_internal: false })
            }
            ReaderKind::Messages { .. } => None,
        })
    }
}

impl Topology {
    /// Cuts a plan into parts. The error says what about the plan cannot be run.
    pub fn new(plan: &QueryPlan, options: &TopologyOptions) -> Result<Topology, ExecError> {
        let mut builder = Builder {
            options,
            parts: Vec::new(),
            topics: Vec::new(),
            edges: Vec::new(),
            cache_bytes: options.cache_bytes,
            feedback: false,
            handled: plan.error_policy.as_deref().map(ClassSet::of_policy).unwrap_or_default(),
        };
        let part = builder.part();
        let feed = builder.step(&plan.root, part, false)?;
        let kind = match &plan.output {
            Output::Client { columns, .. } => NodeKind::Client { columns: columns.clone(), is_table: plan.root.output.is_table },
            Output::Sink(output) => builder.sink(output, &plan.root, part),
        };
        let node = builder.node(part, kind);
        builder.connect(part, feed, node, 0);
        Ok(builder.finish(plan.error_policy.clone()))
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub fn internal_topics(&self) -> &[InternalTopic] {
        &self.internal_topics
    }

    /// The stores of all parts, then that of records that wait to be tried again.
    pub fn stores(&self) -> &[StoreSpec] {
        &self.stores
    }

    /// What becomes of records that fail; `None`: what ksqlDB makes of them.
    pub fn error_policy(&self) -> Option<&Arc<QueryPolicy>> {
        self.error_policy.as_ref()
    }

    /// The store of records that wait to be tried again, if the error policy lets any. It belongs to no part: each partition has
    /// one, whichever topic the records are from.
    pub fn retry_store(&self) -> Option<&StoreSpec> {
        self.stores.last().filter(|spec| spec.part == self.parts.len())
    }
}

/// Where a step's rows come out.
#[derive(Clone, Copy)]
enum Feed {
    Source(usize),
    Node(usize),
}

struct Builder<'a> {
    options: &'a TopologyOptions,
    parts: Vec<Part>,
    topics: Vec<InternalTopic>,
    /// Internal topics: written by, read by.
    edges: Vec<(Arc<str>, usize, usize)>,
    cache_bytes: usize,
    /// Is there a join whose parts answer each other?
    feedback: bool,
    handled: ClassSet,
}

impl Builder<'_> {
    fn part(&mut self) -> usize {
        self.parts.push(Part {
            inputs: Vec::new(),
            stores: Vec::new(),
            sources: Vec::new(),
            nodes: Vec::new(),
            meta: None,
            handled: self.handled,
        });
        self.parts.len() - 1
    }

    fn node(&mut self, part: usize, kind: NodeKind) -> usize {
        self.parts[part].nodes.push(Node { kind, downstream: None });
        self.parts[part].nodes.len() - 1
    }

    fn source(&mut self, part: usize, topic: &Arc<str>, kind: ReaderKind) -> Feed {
        let part = &mut self.parts[part];
        if !part.inputs.contains(topic) {
            part.inputs.push(topic.clone());
        }
        let keeps_nothing = matches!(kind, ReaderKind::Internal(_) | ReaderKind::Source { store: None, .. });
        part.sources.push(SourceNode { topic: topic.clone(), kind, downstream: None, retriable: keeps_nothing });
        Feed::Source(part.sources.len() - 1)
    }

    fn connect(&mut self, part: usize, mut feed: Feed, node: usize, input: usize) {
        if !self.handled.is_empty() && !self.parts[part].nodes[node].kind.keeps_nothing() && self.keeps_nothing(part, feed) {
            let gate = self.node(part, NodeKind::Gate);
            self.connect(part, feed, gate, 0);
            feed = Feed::Node(gate);
        }
        let part = &mut self.parts[part];
        match feed {
            Feed::Source(source) => part.sources[source].downstream = Some((node, input)),
            Feed::Node(from) => part.nodes[from].downstream = Some((node, input)),
        }
    }

    /// Have the feed's rows left nothing behind yet?
    fn keeps_nothing(&self, part_index: usize, feed: Feed) -> bool {
        let part = &self.parts[part_index];
        match feed {
            Feed::Source(source) => part.sources[source].retriable,
            Feed::Node(node) => {
                let feeds = |downstream: Option<(usize, usize)>| downstream.is_some_and(|(to, _)| to == node);
                let source = part.sources.iter().position(|s| feeds(s.downstream)).map(Feed::Source);
                let before = source.or_else(|| part.nodes.iter().position(|n| feeds(n.downstream)).map(Feed::Node));
                part.nodes[node].kind.keeps_nothing() && before.is_some_and(|before| self.keeps_nothing(part_index, before))
            }
        }
    }

    fn store(&mut self, part: usize, name: &str, changelog: Option<Arc<str>>, window_retention_ms: Option<i64>) -> usize {
        let changelog = match changelog {
            Some(topic) => Changelog::Topic(topic),
            None => {
                let topic: Arc<str> = format!("{}-{name}-changelog", self.options.internal_prefix).into();
                self.topics.push(InternalTopic { name: topic.clone(), partitions_like: Vec::new(), compact: true });
                self.edges.push((topic.clone(), part, part));
                Changelog::Internal(topic)
            }
        };
        let stores = &mut self.parts[part].stores;
        stores.push(StoreSpec { name: name.into(), part, changelog, window_retention_ms });
        stores.len() - 1
    }

    /// The part's store of stream times.
    fn meta(&mut self, part: usize) -> usize {
        if let Some(meta) = self.parts[part].meta {
            return meta;
        }
        let meta = self.store(part, &format!("part-{part}-meta"), None, None);
        self.parts[part].meta = Some(meta);
        meta
    }

    fn internal_topic(&mut self, name: &str, writer: usize, reader: usize) -> Arc<str> {
        let topic: Arc<str> = format!("{}-{name}", self.options.internal_prefix).into();
        self.topics.push(InternalTopic { name: topic.clone(), partitions_like: Vec::new(), compact: false });
        self.edges.push((topic.clone(), writer, reader));
        topic
    }

    /// Adds a step and all before it to a part. `needs_old`: those downstream want to know what rows were before.
    fn step(&mut self, step: &Step, part: usize, needs_old: bool) -> Result<Feed, ExecError> {
        match &step.kind {
            StepKind::Source(source) => {
                let topic = source.source.topic.clone();
                let store = source.materialize.as_ref().map(|name| self.store(part, name, Some(topic.clone()), None));
                let types = types(&step.output);
                let throws_on_invalid = throws_on_invalid(&self.options.properties);
                let kind = ReaderKind::Source { step: source.clone(), store, types, needs_old, throws_on_invalid };
                Ok(self.source(part, &topic, kind))
            }
            StepKind::Filter { input, predicate } => {
                let is_table = step.output.is_table;
                let feed = self.step(input, part, needs_old || is_table)?;
                Ok(self.after(part, feed, NodeKind::Filter { predicate: predicate.clone(), is_table }))
            }
            StepKind::Project { input, columns } | StepKind::SelectKey { input, columns } => {
                let feed = self.step(input, part, needs_old)?;
                let of_key = |i: usize| step.output.key.contains(&i) && reads_only(&columns[i], &input.output.key);
                let key_only = (0..columns.len()).map(of_key).collect();
                let name = if matches!(step.kind, StepKind::Project { .. }) { "Project" } else { "PartitionBy" };
                // A stream's new key is not made of a value that is not there.
                let rekeys = name == "PartitionBy" && !step.output.is_table;
                Ok(self.after(part, feed, NodeKind::Project { columns: columns.clone(), key_only, rekeys, needs_old, name }))
            }
            StepKind::FlatMap { input, calls } => {
                let feed = self.step(input, part, false)?;
                Ok(self.after(part, feed, NodeKind::FlatMap(calls.clone())))
            }
            StepKind::Stage(stage) => {
                let feed = self.step(&stage.input, part, false)?;
                let store = stage.key_value.then(|| self.store(part, &stage.store_name(), None, None));
                Ok(self.after(part, feed, NodeKind::Stage { step: Arc::new((**stage).clone()), store }))
            }
            StepKind::Repartition { input, name, formats, drop_null_key } => {
                let writer = self.part();
                let feed = self.step(input, writer, input.output.is_table)?;
                let topic = self.internal_topic(&format!("{name}-repartition"), writer, part);
                let output = StepOutput { is_table: input.output.is_table, ..step.output.clone() };
                let window = step.output.window;
                let rows = Arc::new(InternalRows { topic: topic.clone(), output, key_format: formats.key.clone(), window });
                self.after(writer, feed, NodeKind::Repartition { rows: rows.clone(), drop_null_key: *drop_null_key });
                Ok(self.source(part, &topic, ReaderKind::Internal(rows)))
            }
            StepKind::Aggregate(aggregate) => self.aggregate(aggregate, part, needs_old),
            StepKind::Suppress { input, name, grace_ms, formats } => {
                let Some(window) = window_of(input) else {
                    return Err(ExecError::Plan("EMIT FINAL needs a windowed aggregation.".into()));
                };
                let window = WindowSpec { grace_ms: *grace_ms, ..window };
                // What is held until a window closes need not be held twice.
                let cache_bytes = std::mem::take(&mut self.cache_bytes);
                let feed = self.step(input, part, false)?;
                self.cache_bytes = cache_bytes;
                let store = self.store(part, name, None, Some(window.retention_ms));
                let meta = self.meta(part);
                let (name, output, formats) = (name.clone(), step.output.clone(), formats.clone());
                Ok(self.after(part, feed, NodeKind::Suppress { name, output, window, formats, store, meta }))
            }
            StepKind::Join(join) => self.join(join, &step.output, part, needs_old),
        }
    }

    /// Adds a node behind the feed.
    fn after(&mut self, part: usize, feed: Feed, kind: NodeKind) -> Feed {
        let node = self.node(part, kind);
        self.connect(part, feed, node, 0);
        Feed::Node(node)
    }

    fn aggregate(&mut self, step: &AggregateStep, part: usize, needs_old: bool) -> Result<Feed, ExecError> {
        let cache_bytes = self.cache_bytes;
        let feed = self.step(&step.input, part, step.input.output.is_table)?;
        let store = self.store(part, &step.name, None, step.window.map(|window| window.retention_ms));
        let meta = step.window.map(|_| self.meta(part));
        let step = Arc::new(step.clone());
        Ok(self.after(part, feed, NodeKind::Aggregate { step, store, meta, needs_old, cache_bytes }))
    }

    /// A join's table: the source's own store if the side is a materialized source, else one that the join keeps.
    fn table(&mut self, side: &Step, part: usize, name: &str, needs_old: bool) -> Result<(Feed, TablePlan), ExecError> {
        let feed = self.step(side, part, needs_old)?;
        let types = types(&side.output);
        if let (StepKind::Source(source), Feed::Source(_)) = (&side.kind, feed)
            && let Some(wanted) = &source.materialize
            && let Some(store) = self.parts[part].stores.iter().position(|spec| spec.name == *wanted)
        {
            return Ok((feed, TablePlan { store, types, owned: false }));
        }
        let store = self.store(part, name, None, None);
        Ok((feed, TablePlan { store, types, owned: true }))
    }

    fn join(&mut self, step: &JoinStep, output: &StepOutput, part: usize, needs_old: bool) -> Result<Feed, ExecError> {
        let layout = Layout::new(step, output);
        let name = &step.name;
        match &step.how {
            JoinHow::StreamStream { before_ms, after_ms, grace_ms } => {
                let left = self.step(&step.left, part, false)?;
                let right = self.step(&step.right, part, false)?;
                let timing = Timing { before_ms: *before_ms, after_ms: *after_ms, grace_ms: *grace_ms };
                let rows = [
                    self.store(part, &format!("{name}-left"), None, None),
                    self.store(part, &format!("{name}-right"), None, None),
                ];
                let held = self.store(part, &format!("{name}-outer"), None, None);
                let meta = self.meta(part);
                let node = self.node(part, NodeKind::StreamStream { layout, timing, rows, held, meta, name: name.clone() });
                self.connect(part, left, node, 0);
                self.connect(part, right, node, 1);
                Ok(Feed::Node(node))
            }
            JoinHow::StreamTable => {
                let left = self.step(&step.left, part, false)?;
                let (right, table) = self.table(&step.right, part, &format!("{name}-right"), false)?;
                let node = self.node(part, NodeKind::StreamTable { layout, table });
                self.connect(part, left, node, 0);
                self.connect(part, right, node, 1);
                Ok(Feed::Node(node))
            }
            JoinHow::TableTable => {
                let (left, left_table) = self.table(&step.left, part, &format!("{name}-left"), true)?;
                let (right, right_table) = self.table(&step.right, part, &format!("{name}-right"), true)?;
                let node = self.node(part, NodeKind::TableTable { layout, left: left_table, right: right_table, needs_old });
                self.connect(part, left, node, 0);
                self.connect(part, right, node, 1);
                Ok(Feed::Node(node))
            }
            JoinHow::ForeignKey { foreign_key } => {
                self.feedback = true;
                let right_part = self.part();
                let (left, left_table) = self.table(&step.left, part, &format!("{name}-left"), true)?;
                let (right, right_table) = self.table(&step.right, right_part, &format!("{name}-right"), false)?;
                let registrations = self.internal_topic(&format!("{name}-subscription-registration"), part, right_part);
                let responses = self.internal_topic(&format!("{name}-subscription-response"), right_part, part);
                let subscriptions = self.store(right_part, &format!("{name}-subscriptions"), None, None);
                let joined = match needs_old {
                    true => Some(TablePlan {
                        store: self.store(part, &format!("{name}-joined"), None, None),
                        types: layout.types.clone(),
                        owned: true,
                    }),
                    false => None,
                };
                let key = |output: &StepOutput| -> Vec<FormatColumn> {
                    let column =
                        |i: &usize| FormatColumn { name: output.columns[*i].name.clone(), ty: output.columns[*i].ty.clone() };
                    output.key.iter().map(column).collect()
                };
                let plan = Arc::new(ForeignKeyPlan {
                    layout,
                    foreign_key: foreign_key.clone(),
                    left_key: key(&step.left.output),
                    right_key: key(&step.right.output),
                    left_format: step.formats_left.key.clone(),
                    right_format: step.formats_right.key.clone(),
                    registrations: registrations.clone(),
                    responses: responses.clone(),
                    name: name.clone(),
                });
                let answering =
                    self.node(right_part, NodeKind::ForeignKeyRight { plan: plan.clone(), table: right_table, subscriptions });
                let messages = ReaderKind::Messages { format: plan.right_format.clone(), columns: plan.right_key.clone() };
                let requests = self.source(right_part, &registrations, messages);
                self.connect(right_part, requests, answering, 0);
                self.connect(right_part, right, answering, 1);
                let joining = self.node(part, NodeKind::ForeignKeyLeft { plan: plan.clone(), table: left_table, joined });
                let messages = ReaderKind::Messages { format: plan.left_format.clone(), columns: plan.left_key.clone() };
                let answers = self.source(part, &responses, messages);
                self.connect(part, left, joining, 0);
                self.connect(part, answers, joining, 1);
                Ok(Feed::Node(joining))
            }
        }
    }

    fn sink(&mut self, output: &SinkOutput, root: &Step, part: usize) -> NodeKind {
        let retention_ms = output.sink.window.and_then(|_| window_of(root)).map(|window| match window.kind {
            WindowSpecKind::Time { size_ms, .. } => window.retention_ms.max(size_ms.saturating_add(window.grace_ms)),
            WindowSpecKind::Session { gap_ms } => window.retention_ms.max(gap_ms.saturating_add(window.grace_ms)),
        });
        let result = output.materialize.then(|| self.store(part, "result", None, retention_ms));
        if output.timestamp.is_some() || (result.is_some() && retention_ms.is_some()) {
            self.meta(part);
        }
        let throws_on_invalid = throws_on_invalid(&self.options.properties);
        let has_new_key = has_new_key(root);
        NodeKind::Sink { output: output.clone(), has_new_key, result, retention_ms, throws_on_invalid }
    }

    fn finish(mut self, error_policy: Option<Arc<QueryPolicy>>) -> Topology {
        let internal: BTreeSet<Arc<str>> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        let likes: Vec<Vec<Arc<str>>> = self
            .topics
            .iter()
            .map(|topic| match self.edges.iter().find(|(name, ..)| *name == topic.name) {
                Some((_, _, reader)) => self.outer_inputs(*reader, &internal, &mut BTreeSet::new()),
                None => Vec::new(),
            })
            .collect();
        for (topic, partitions_like) in self.topics.iter_mut().zip(likes) {
            topic.partitions_like = partitions_like;
        }
        // A topic that is read in two places, or parts that answer each other: rows must go through one by one where
        // their order is to be exact.
        let mut seen = BTreeSet::new();
        let mut topics = self.parts.iter().flat_map(|part| &part.sources).map(|source| source.topic.clone());
        let one_by_one = self.feedback || !topics.all(|topic| seen.insert(topic));
        let mut reads: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for source in self.parts.iter().flat_map(|part| &part.sources) {
            *reads.entry(source.topic.clone()).or_default() += 1;
        }
        for source in self.parts.iter_mut().flat_map(|part| &mut part.sources) {
            source.retriable &= reads[&source.topic] == 1 && !self.feedback;
        }
        let mut stores: Vec<StoreSpec> = self.parts.iter().flat_map(|part| part.stores.iter().cloned()).collect();
        if error_policy.as_ref().is_some_and(|policy| policy.retries()) {
            let topic: Arc<str> = format!("{}-{RETRY_STORE}-changelog", self.options.internal_prefix).into();
            let partitions_like = reads.keys().filter(|topic| !internal.contains(*topic)).cloned().collect();
            self.topics.push(InternalTopic { name: topic.clone(), partitions_like, compact: true });
            let (part, changelog) = (self.parts.len(), Changelog::Internal(topic));
            stores.push(StoreSpec { name: RETRY_STORE.into(), part, changelog, window_retention_ms: None });
        }
        Topology { parts: self.parts, internal_topics: self.topics, stores, one_by_one, error_policy }
    }

    /// The sources' topics that decide how many partitions a part has: its own, or those of the parts that feed it.
    fn outer_inputs(&self, part: usize, internal: &BTreeSet<Arc<str>>, visited: &mut BTreeSet<usize>) -> Vec<Arc<str>> {
        if !visited.insert(part) {
            return Vec::new();
        }
        let own: Vec<Arc<str>> = self.parts[part].inputs.iter().filter(|topic| !internal.contains(*topic)).cloned().collect();
        if !own.is_empty() {
            return own;
        }
        let mut all: Vec<Arc<str>> = Vec::new();
        for (_, writer, _) in self.edges.iter().filter(|(_, writer, reader)| *reader == part && *writer != part) {
            for topic in self.outer_inputs(*writer, internal, visited) {
                if !all.contains(&topic) {
                    all.push(topic);
                }
            }
        }
        all
    }
}

fn types(output: &StepOutput) -> Vec<SqlType> {
    output.columns.iter().map(|column| column.ty.clone()).collect()
}

/// Did the query give its rows a key of its own? Such a key of several columns is there even if all of them are null.
fn has_new_key(step: &Step) -> bool {
    match &step.kind {
        StepKind::SelectKey { .. } => true,
        StepKind::Filter { input, .. } | StepKind::Project { input, .. } | StepKind::FlatMap { input, .. } => has_new_key(input),
        StepKind::Repartition { input, .. } => has_new_key(input),
        _ => false,
    }
}

/// The window of the aggregation that the rows of this step come from.
fn window_of(step: &Step) -> Option<WindowSpec> {
    match &step.kind {
        StepKind::Aggregate(aggregate) => aggregate.window,
        StepKind::Filter { input, .. } | StepKind::Project { input, .. } | StepKind::Suppress { input, .. } => window_of(input),
        _ => None,
    }
}
