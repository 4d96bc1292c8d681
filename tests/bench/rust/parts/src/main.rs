//! Nanoseconds of one core that a record takes, without any log: decode, each operator, encode, stores. Queries are planned
//! from the same SQL as on a server. `calzone-bench-parts [RECORDS] [WORK]`; `list` for WORK names all.

#[path = "../../src/orders.rs"]
mod orders;

use calzone_exec::{
    BuiltInsOnly, Environment, OutputTopic, Stage, StoreSpec, Task, TaskOutput, TaskStore, Topology, TopologyOptions,
};
use calzone_functions::{Aggregate, Binding, FunctionDefinition, Registry, Scalar};
use calzone_plan::plan::{StageStep, StepColumn};
use calzone_plan::{Catalog, PlanContext, PluginLookup, QueryPlan, StageOffer, TopicLookup};
use calzone_sql::ast::{Grant, Statement};
use calzone_state::{Database, Durability, TransactionStore};
use calzone_types::{RecordBatch, SqlType, Value};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 4096;
/// Of a table's query at each commit: how many records come between two.
const RECORDS_PER_COMMIT: usize = 1_000_000;
const CACHE_BYTES: usize = 10 << 20;

const USERS: &str = "CREATE TABLE users (k VARCHAR PRIMARY KEY, name VARCHAR, level BIGINT, city VARCHAR) \
    WITH (kafka_topic = 'users', value_format = 'JSON', partitions = 1);";

const PAYMENTS: &str = "CREATE STREAM payments (k VARCHAR KEY, amount DOUBLE, method VARCHAR) \
    WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 1);";

const ORDERS: &str = "CREATE STREAM orders (k VARCHAR KEY, orderid BIGINT, userid VARCHAR, itemid VARCHAR, price DOUBLE, \
    quantity BIGINT, region VARCHAR, ordertime BIGINT, \
    address STRUCT<street VARCHAR, city VARCHAR, state VARCHAR, zip VARCHAR>) \
    WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);";

const QUERIES: [(&str, &str); 12] = [
    ("decode", "CREATE STREAM o AS SELECT k, orderid, userid, price, region FROM orders WHERE price < 0;"),
    (
        "filter",
        "CREATE STREAM o AS SELECT k, orderid, userid, price, UCASE(region) AS region FROM orders \
         WHERE price > 50 AND region = 'Region_3';",
    ),
    ("all", "CREATE STREAM o AS SELECT k, orderid, userid, price, UCASE(region) AS region FROM orders;"),
    (
        "aggregate",
        "CREATE TABLE o AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders \
         WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 DAY) GROUP BY k;",
    ),
    (
        "regroup",
        "CREATE TABLE o AS SELECT itemid, COUNT(*) AS cnt, SUM(price) AS total FROM orders \
         WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 DAY) GROUP BY itemid;",
    ),
    ("unwindowed", "CREATE TABLE o AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders GROUP BY k;"),
    (
        "hopping",
        "CREATE TABLE o AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders \
         WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 15 SECONDS, GRACE PERIOD 1 DAY) GROUP BY k;",
    ),
    (
        "session",
        "CREATE TABLE o AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders \
         WINDOW SESSION (10 SECONDS, GRACE PERIOD 1 DAY) GROUP BY k;",
    ),
    (
        "final",
        "CREATE TABLE o AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders \
         WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY k EMIT FINAL;",
    ),
    ("explode", "CREATE STREAM o AS SELECT k, EXPLODE(SPLIT(region, '_')) AS word FROM orders;"),
    (
        "stream-table",
        "CREATE STREAM o AS SELECT orders.k AS k, orderid, price, name, level FROM orders JOIN users ON orders.k = users.k;",
    ),
    (
        "stream-stream",
        "CREATE STREAM o AS SELECT orders.k AS k, price, amount FROM orders JOIN payments \
         WITHIN 1 SECOND GRACE PERIOD 1 SECOND ON orders.k = payments.k;",
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: i64 = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let only = arguments.next();
    if only.as_deref() == Some("list") {
        QUERIES.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    let inputs = Inputs::load(count);
    for (name, sql) in QUERIES {
        if only.as_deref().is_none_or(|only| only == name) {
            let best = (0..3).map(|_| measure(sql, &inputs)).collect::<Result<Vec<_>, _>>()?.into_iter().min();
            println!("{name}: {:.0} ns a record", best.unwrap_or_default().as_secs_f64() * 1e9 / count as f64);
        }
    }
    Ok(())
}

/// Batches of each topic.
struct Inputs {
    orders: Vec<RecordBatch>,
    /// As many, by the same keys.
    payments: Vec<RecordBatch>,
    users: Vec<RecordBatch>,
}

impl Inputs {
    fn load(count: i64) -> Inputs {
        let mut inputs = Inputs { orders: Vec::new(), payments: Vec::new(), users: Vec::new() };
        for order in orders::orders(count, 1_700_000_000_000 / 60_000 * 60_000, orders::USERS) {
            push(&mut inputs.orders, order.time, &|out| order.write_key(out), &|out| order.write_value(out));
            push(&mut inputs.payments, order.time, &|out| order.write_key(out), &|out| order.write_payment(out));
        }
        for user in 0..orders::USERS {
            push(&mut inputs.users, 0, &|out| orders::write_user_key(user, out), &|out| orders::write_user(user, out));
        }
        inputs
    }
}

fn push(batches: &mut Vec<RecordBatch>, time: i64, key: &dyn Fn(&mut Vec<u8>), value: &dyn Fn(&mut Vec<u8>)) {
    if batches.last().is_none_or(|batch| batch.len() == BATCH) {
        batches.push(RecordBatch::default());
    }
    let Some(batch) = batches.last_mut() else { return };
    let write = |write: &dyn Fn(&mut Vec<u8>), out: &mut Vec<u8>| {
        write(out);
        true
    };
    let offset = batch.len() as i64;
    batch.push_with(offset, time, 0, |out| write(key, out), |out| write(value, out));
}

fn measure(sql: &str, inputs: &Inputs) -> Result<Duration, Box<dyn std::error::Error>> {
    let plan = plan(sql)?;
    let folder = tempfile::tempdir()?;
    let database = Database::open(folder.path())?;
    let options = TopologyOptions {
        query_id: "Q_0".into(),
        internal_prefix: "internal".into(),
        cache_bytes: CACHE_BYTES,
        properties: BTreeMap::new(),
    };
    let topology = Topology::new(&plan, &options)?;
    let mut world = World { database: database.clone() };
    let mut tasks: Vec<Task> = topology.parts().iter().map(|part| part.task(0, &mut world)).collect::<Result<_, _>>()?;
    let (mut out, mut since_commit) = (TaskOutput::new(), 0);
    let reads = |topic: &str| topology.parts().iter().position(|part| part.inputs.iter().any(|input| **input == *topic));
    // The part that reads the source need not be the first.
    if let Some(first) = reads("orders") {
        tasks.swap(0, first);
    }
    if reads("users").is_some() {
        inputs.users.iter().try_for_each(|batch| tasks[0].process("users", batch, &mut out))?;
    }
    let started = cpu_time();
    for (batch, paid) in inputs.orders.iter().zip(&inputs.payments) {
        tasks[0].process("orders", batch, &mut out)?;
        if reads("payments").is_some() {
            tasks[0].process("payments", paid, &mut out)?;
        }
        hand_on(&mut tasks, &mut out)?;
        since_commit += batch.len();
        if since_commit >= RECORDS_PER_COMMIT {
            commit(&mut tasks, &mut out, &database)?;
            since_commit = 0;
        }
    }
    commit(&mut tasks, &mut out, &database)?;
    Ok(cpu_time() - started)
}

/// CPU time of this thread: what others do on the machine does not count.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Gives what the first part has written to the second.
fn hand_on(tasks: &mut [Task], out: &mut TaskOutput) -> Result<(), Box<dyn std::error::Error>> {
    if let [_, second] = tasks {
        let mut next = TaskOutput::new();
        for (topic, records) in &out.records {
            if let OutputTopic::Internal(topic) = topic {
                second.process(topic, records, &mut next)?;
            }
        }
    }
    out.clear();
    Ok(())
}

fn commit(tasks: &mut [Task], out: &mut TaskOutput, database: &Database) -> Result<(), Box<dyn std::error::Error>> {
    let mut batch = database.batch();
    for task in tasks {
        task.flush(out)?;
        for (_, store) in task.stores_mut() {
            let store: &mut dyn Any = store;
            if let Some(store) = store.downcast_mut::<TransactionStore>() {
                store.drain_into(&mut batch, &mut |_, _| {});
            }
        }
    }
    out.clear();
    batch.commit(Durability::Buffered)?;
    Ok(())
}

fn plan(sql: &str) -> Result<QueryPlan, Box<dyn std::error::Error>> {
    let mut catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
    for source in [ORDERS, USERS, PAYMENTS] {
        let parsed = calzone_sql::parse_statement(source).map_err(|e| e.to_string())?;
        let Statement::CreateSource(statement) = &parsed.statement else { return Err("not a source".into()) };
        let created = calzone_plan::create_source(&context(&catalog.clone()), statement, source).map_err(|e| e.to_string())?;
        catalog.sources.insert(created.source.name.to_string(), Arc::new(created.source));
    }
    let parsed = calzone_sql::parse_statement(sql).map_err(|e| e.to_string())?;
    let Statement::CreateSourceAs(statement) = &parsed.statement else { return Err("not a query".into()) };
    let planned = calzone_plan::create_source_as(&context(&catalog), statement, sql, "Q_0").map_err(|e| e.to_string())?;
    Ok(planned.plan)
}

fn context(catalog: &Catalog) -> PlanContext<'_> {
    static NO_PROPERTIES: BTreeMap<String, String> = BTreeMap::new();
    PlanContext { catalog, properties: &NO_PROPERTIES, topics: &OnePartition, plugins: &NoPlugins }
}

struct OnePartition;

impl TopicLookup for OnePartition {
    fn partitions(&self, _: &str) -> Option<i32> {
        Some(1)
    }

    fn replicas(&self, _: &str) -> Option<i32> {
        Some(1)
    }
}

struct NoPlugins;

impl PluginLookup for NoPlugins {
    fn stage(
        &self,
        _: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        _: &[StepColumn],
        _: &[usize],
    ) -> Result<StageOffer, String> {
        Err("there are no plugins".into())
    }

    fn function(&self, _: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err("there are no plugins".into())
    }
}

/// Stores on disk, as a server has them.
struct World {
    database: Database,
}

impl Environment for World {
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String> {
        BuiltInsOnly.scalar(plugin, function, binding)
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        state: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        BuiltInsOnly.aggregate(plugin, function, binding, init, state)
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        BuiltInsOnly.stage(step)
    }

    fn store(&mut self, spec: &StoreSpec, partition: i32) -> Result<Box<dyn TaskStore>, String> {
        let keyspace = self.database.keyspace(&spec.name).map_err(|e| e.to_string())?;
        Ok(Box::new(TransactionStore::new(keyspace, &partition.to_be_bytes())))
    }
}
