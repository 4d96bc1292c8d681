//! Reads partitions by Kafka's own protocol: requests, responses and record batches are ours, from the socket to the rows.
//!
//! librdkafka makes an object of each record, which is most of what reading costs. Here a response of many records is
//! one buffer, out of which they are copied into the batch that the query reads. There is no thread either: what polls a
//! fetcher sends its requests and reads its sockets. While one response is worked on, the next is on its way.
//!
//! Groups, offsets and metadata remain librdkafka's, as do connections that are encrypted or need a login.

mod connection;
mod lane;
mod packed;
mod protocol;
mod records;

use super::Shared;
use super::native::{Code, Notice, OffsetSpec};
use super::settings::ClientSettings;
use crate::error::{LogError, Result};
use crate::reader::Fetched;
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use calzone_types::RecordBatch;
use connection::{Connection, Response, Trouble};
use lane::Lane;
use mio::{Events, Poll, Token, Waker};
use protocol::{Answer, FetchLimits, Malformed, Wanted, fetch_request, read_fetch};
use records::Unreadable;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wakes a poll; brokers have their numbers as tokens.
const WAKER: Token = Token(usize::MAX);

/// First and longest wait before a broker or a partition is tried again after an error.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(1);

/// How long the cluster may take to say who leads which partition; meanwhile the query's thread waits.
const LEADERS_TIME_MAX: Duration = Duration::from_secs(2);

/// Memory of responses and batches that is kept for later ones, and the most each may have then.
const SPARES_MAX: usize = 4;
const SPARE_RESPONSE_BYTES_MAX: usize = 20 << 20;
const SPARE_BATCH_BYTES_MAX: usize = 4 << 20;

/// The next response is read when the last ones have no more bytes left than this: late enough that what is read is still in
/// the processor's cache when its turn comes, early enough that brokers need not wait.
const WAITING_BYTES_MAX: usize = 2 << 20;

/// A partition's records cannot be read here; librdkafka may.
#[derive(Debug)]
pub(super) struct Unsupported(pub(super) String);

/// Who leads which partition, and where brokers are.
#[derive(Debug, Default)]
pub(super) struct Leaders {
    pub(super) brokers: BTreeMap<i32, (String, u16)>,
    /// None: nobody at the moment. Partitions that are not here do not exist.
    pub(super) partitions: BTreeMap<TopicPartition, Option<i32>>,
}

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    limits: FetchLimits,
    client: String,
    reset: OffsetSpec,
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    lanes: Vec<Lane>,
    /// From which lane records are taken next.
    turn: usize,
    brokers: BTreeMap<i32, Broker>,
    /// Leaders are asked for at this time.
    leaders_due: Option<Instant>,
    leaders_pause: Duration,
    responses: Vec<Vec<u8>>,
    batches: Vec<RecordBatch>,
}

struct Broker {
    host: String,
    port: u16,
    connection: Option<Connection>,
    /// What the request under way asks for, by lane, from which offset.
    asked: Vec<(Arc<TopicPartition>, i64)>,
    retry_at: Instant,
    pause: Duration,
}

impl Fetcher {
    /// None where librdkafka has to read: with encryption or login, or from the broker in the same rack.
    pub(super) fn new(shared: &Arc<Shared>, settings: &ClientSettings, reset: OffsetSpec) -> Result<Option<Fetcher>> {
        if !settings.get("security.protocol").unwrap_or("plaintext").eq_ignore_ascii_case("plaintext") {
            return Ok(None);
        }
        if settings.get("client.rack").is_some_and(|rack| !rack.is_empty()) {
            return Ok(None);
        }
        let number = |name: &str, default: i32| settings.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        let limits = FetchLimits {
            wait_max_ms: number("fetch.wait.max.ms", 250),
            bytes_min: number("fetch.min.bytes", 1),
            bytes_max: number("fetch.max.bytes", 16 << 20),
            partition_bytes_max: number("fetch.message.max.bytes", 1 << 20),
        };
        let failed =
            |error: std::io::Error| LogError::Fatal { action: "preparing to read from Kafka".into(), cause: error.to_string() };
        let poll = Poll::new().map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
        Ok(Some(Fetcher {
            shared: shared.clone(),
            limits,
            client: settings.get("client.id").unwrap_or_default().to_owned(),
            reset,
            poll,
            events: Events::with_capacity(16),
            waker,
            lanes: Vec::new(),
            turn: 0,
            brokers: BTreeMap::new(),
            leaders_due: None,
            leaders_pause: RETRY_FIRST,
            responses: Vec::new(),
            batches: Vec::new(),
        }))
    }

    /// Reads from these places from now on, and from no other partition. What was paused no longer is.
    pub(super) fn assign(&mut self, places: impl IntoIterator<Item = (TopicPartition, i64)>) {
        let leaders: BTreeMap<Arc<TopicPartition>, Option<i32>> =
            self.lanes.drain(..).map(|lane| (lane.tp, lane.leader)).collect();
        for (tp, offset) in places {
            let known = leaders.get_key_value(&tp);
            let mut lane = Lane::new(known.map_or_else(|| Arc::new(tp), |(tp, _)| tp.clone()), offset);
            lane.leader = known.and_then(|(_, leader)| *leader);
            self.lanes.push(lane);
        }
        // Those of a topic stand together in requests.
        self.lanes.sort_by(|a, b| a.tp.cmp(&b.tp));
        self.turn = 0;
        // An answer under way may be long in coming, and is to another question.
        for broker in self.brokers.values_mut() {
            if broker.connection.as_ref().is_some_and(Connection::is_busy) {
                broker.disconnect(&self.poll);
            }
        }
        if self.lanes.iter().any(|lane| lane.leader.is_none()) {
            self.leaders_due = Some(Instant::now());
        }
    }

    pub(super) fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) {
        for lane in &mut self.lanes {
            if partitions.contains(&lane.tp) {
                lane.paused = paused;
            }
        }
    }

    /// The offset after the last record given out, past such as hold none.
    pub(super) fn position(&self, tp: &TopicPartition) -> Option<i64> {
        let lane = self.lanes.iter().find(|lane| *lane.tp == *tp)?;
        // With nothing left to give out, whatever was fetched holds no further record.
        Some(if lane.is_drained() { lane.fetched_to } else { lane.next })
    }

    pub(super) fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.lanes.iter().map(|lane| ((*lane.tp).clone(), lane.next)).collect()
    }

    pub(super) fn wake_handle(&self) -> WakeHandle {
        let waker = self.waker.clone();
        Arc::new(move || {
            // It can only fail for want of a system resource; the poll then ends with its timeout.
            let _ = waker.wake();
        })
    }

    /// Keeps the memory of a batch for later records.
    pub(super) fn recycle(&mut self, mut records: RecordBatch) {
        if self.batches.len() < SPARES_MAX && records.capacity_bytes() <= SPARE_BATCH_BYTES_MAX {
            records.clear();
            self.batches.push(records);
        }
    }

    /// Gives out what is there, at most `max_records`; waits for the first until the timeout, an error or a wake-up.
    ///
    /// # Errors
    /// Something must be read by librdkafka, from where [`Fetcher::positions`] says.
    pub(super) fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
        give: &mut dyn FnMut(Fetched),
        notice: &mut dyn FnMut(Notice),
    ) -> std::result::Result<(), Unsupported> {
        let deadline = Instant::now() + timeout;
        let (mut woken, mut noticed) = (false, false);
        loop {
            // So that brokers go on sending while records are worked on, as long as there is room.
            if self.waiting_bytes() < WAITING_BYTES_MAX {
                woken |= self.look(Duration::ZERO);
                noticed |= self.receive(notice)?;
                self.ask();
            }
            if self.give_out(max_records, give)? > 0 || woken || noticed {
                return Ok(());
            }
            let positions_before = self.lanes.iter().map(|lane| lane.fetched_to).sum::<i64>();
            noticed |= self.receive(notice)?;
            noticed |= self.ask_for_leaders(notice);
            self.connect();
            self.ask();
            if self.lanes.iter().any(Lane::has_records) {
                continue;
            }
            // Offsets without records count for those who wait for a position.
            let moved = self.lanes.iter().map(|lane| lane.fetched_to).sum::<i64>() != positions_before;
            let now = Instant::now();
            if noticed || moved || now >= deadline {
                return Ok(());
            }
            let wait = self.next_due(now).map_or(deadline, |due| due.min(deadline)).saturating_duration_since(now);
            // Less than a millisecond would be none.
            woken = self.look(wait.max(Duration::from_millis(1)));
        }
    }

    /// Bytes that have arrived and were not given out yet.
    fn waiting_bytes(&self) -> usize {
        self.lanes.iter().map(Lane::waiting_bytes).sum()
    }

    /// Takes records of one partition after the other.
    fn give_out(&mut self, max_records: usize, give: &mut dyn FnMut(Fetched)) -> std::result::Result<usize, Unsupported> {
        let (count, mut taken) = (self.lanes.len(), 0);
        for _ in 0..count {
            let index = self.turn % count;
            let lane = &mut self.lanes[index];
            while taken < max_records && lane.has_records() {
                let mut records = self.batches.pop().unwrap_or_default();
                let found = lane.take(max_records - taken, &mut records, &mut self.responses);
                taken += found.map_err(|why| unsupported(&lane.tp, why))?;
                match records.is_empty() {
                    true => self.batches.push(records),
                    false => give(Fetched { tp: lane.tp.clone(), records }),
                }
            }
            if taken >= max_records {
                break;
            }
            self.turn = (index + 1) % count;
        }
        self.responses.retain(|bytes| bytes.len() <= SPARE_RESPONSE_BYTES_MAX);
        self.responses.truncate(SPARES_MAX);
        Ok(taken)
    }

    /// Reads what brokers have sent; true if there was something to tell.
    fn receive(&mut self, notice: &mut dyn FnMut(Notice)) -> std::result::Result<bool, Unsupported> {
        let mut noticed = false;
        let ids: Vec<i32> = self.brokers.keys().copied().collect();
        for id in ids {
            let Some(broker) = self.brokers.get_mut(&id) else { continue };
            let Some(connection) = &mut broker.connection else { continue };
            match connection.receive(&mut self.responses) {
                Ok(None) => {}
                Ok(Some(response)) => {
                    (broker.retry_at, broker.pause) = (Instant::now(), RETRY_FIRST);
                    let asked = std::mem::take(&mut broker.asked);
                    match self.accept(response, &asked, notice) {
                        Ok(told) => noticed |= told,
                        Err(Refused::Unsupported(why)) => return Err(why),
                        Err(Refused::Malformed) => self.lose(id, &Malformed.into())?,
                    }
                }
                Err(trouble) => self.lose(id, &trouble)?,
            }
        }
        Ok(noticed)
    }

    fn accept(
        &mut self,
        response: Response,
        asked: &[(Arc<TopicPartition>, i64)],
        notice: &mut dyn FnMut(Notice),
    ) -> std::result::Result<bool, Refused> {
        let start = response.body.start;
        let bytes = Arc::new(response.bytes);
        let (error, answers) = read_fetch(&bytes[response.body])?;
        if error != 0 {
            // Of the whole request, as when the broker is overloaded: everything is asked again.
            self.rest(asked.iter().map(|(tp, _)| &**tp));
            return Ok(false);
        }
        let mut noticed = false;
        for answer in answers {
            let place = asked.iter().find(|(tp, _)| *tp.topic == *answer.topic && tp.partition == answer.partition);
            let Some((tp, offset)) = place else { continue };
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.tp == *tp && lane.fetched_to == *offset) else { continue };
            let records = start + answer.records.start..start + answer.records.end;
            if answer.error == 0 {
                let added = lane.add(&bytes, records, answer.aborted);
                added.map_err(|why| Refused::Unsupported(unsupported(&lane.tp, why)))?;
                continue;
            }
            noticed |= self.refused(&tp.clone(), &answer, notice);
        }
        if let Some(bytes) = Arc::into_inner(bytes) {
            self.responses.push(bytes);
        }
        Ok(noticed)
    }

    /// A broker did not answer for a partition with records. True if somebody must hear of it.
    fn refused(&mut self, tp: &TopicPartition, answer: &Answer<'_>, notice: &mut dyn FnMut(Notice)) -> bool {
        let code = Code::of_broker(answer.error);
        self.rest([tp]);
        if code == Code::OFFSET_OUT_OF_RANGE {
            return self.reset_offset(tp, notice);
        }
        if code.is_retriable() || code == Code::UNKNOWN_TOPIC_OR_PART {
            tracing::debug!(%tp, error = code.text(), "a broker does not answer for this partition at the moment");
            return false;
        }
        notice(Notice::Failed { tp: Some(tp.clone()), code, text: code.text() });
        true
    }

    /// The records from here on are gone, or not there yet.
    fn reset_offset(&mut self, tp: &TopicPartition, notice: &mut dyn FnMut(Notice)) -> bool {
        let found = self.shared.offsets(std::slice::from_ref(tp), self.reset);
        let Some(lane) = self.lanes.iter_mut().find(|lane| *lane.tp == *tp) else { return false };
        match found.map(|offsets| offsets.first().copied()) {
            Ok(Some(offset)) => {
                tracing::warn!(%tp, wanted = lane.next, offset, "the wanted record does not exist; going on as auto.offset.reset says");
                lane.seek(offset);
                lane.rests_until = None;
                false
            }
            Ok(None) => false,
            Err(error) => {
                let text = error.to_string();
                notice(Notice::Failed { tp: Some(tp.clone()), code: Code::TIMED_OUT, text });
                true
            }
        }
    }

    /// Partitions that are asked for again after a pause, of whoever leads them then.
    fn rest<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let until = Instant::now() + self.leaders_pause;
        for tp in partitions {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| *lane.tp == *tp) {
                (lane.leader, lane.rests_until) = (None, Some(until));
            }
        }
        self.leaders_due = Some(self.leaders_due.map_or(until, |due| due.min(until)));
        self.leaders_pause = (self.leaders_pause * 2).min(RETRY_LONGEST);
    }

    /// Drops the connection to a broker; its partitions may be led by others by now.
    fn lose(&mut self, id: i32, trouble: &Trouble) -> std::result::Result<(), Unsupported> {
        let error = match trouble {
            Trouble::Unsupported => {
                return Err(Unsupported(format!("broker {id} does not know the requests that are used here")));
            }
            Trouble::Network(error) => error,
        };
        let Some(broker) = self.brokers.get_mut(&id) else { return Ok(()) };
        match error.kind() {
            // An idle connection ends like this, as does one of a broker that goes on purpose.
            ErrorKind::UnexpectedEof => tracing::debug!(broker = id, "a broker has ended the connection"),
            _ if broker.pause == RETRY_FIRST => {
                tracing::warn!(broker = id, address = format!("{}:{}", broker.host, broker.port), %error, "lost the connection to a broker; trying again");
            }
            _ => tracing::debug!(broker = id, %error, "still no connection to a broker"),
        }
        broker.disconnect(&self.poll);
        broker.retry_at = Instant::now() + broker.pause;
        broker.pause = (broker.pause * 2).min(RETRY_LONGEST);
        let led: Vec<Arc<TopicPartition>> =
            self.lanes.iter().filter(|lane| lane.leader == Some(id)).map(|lane| lane.tp.clone()).collect();
        self.rest(led.iter().map(|tp| &**tp));
        Ok(())
    }

    /// Learns who leads the partitions of which that is not known; true if there was something to tell.
    fn ask_for_leaders(&mut self, notice: &mut dyn FnMut(Notice)) -> bool {
        if self.leaders_due.is_none_or(|due| due > Instant::now()) {
            return false;
        }
        self.leaders_due = None;
        let mut topics: Vec<&str> = self.lanes.iter().filter(|lane| lane.leader.is_none()).map(|lane| &*lane.tp.topic).collect();
        topics.dedup();
        if topics.is_empty() {
            return false;
        }
        let found = match self.shared.leaders(&topics, LEADERS_TIME_MAX) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(error = error.text, "the cluster does not say who leads which partition");
                self.leaders_due = Some(Instant::now() + self.leaders_pause);
                self.leaders_pause = (self.leaders_pause * 2).min(RETRY_LONGEST);
                return false;
            }
        };
        for (id, (host, port)) in found.brokers {
            let broker = self.brokers.entry(id).or_insert_with(|| Broker::new(host.clone(), port));
            if (&broker.host, broker.port) != (&host, port) {
                broker.disconnect(&self.poll);
                *broker = Broker::new(host, port);
            }
        }
        let (mut noticed, mut unknown) = (false, false);
        for lane in self.lanes.iter_mut().filter(|lane| lane.leader.is_none()) {
            match found.partitions.get(&*lane.tp) {
                Some(leader) => {
                    lane.leader = *leader;
                    unknown |= leader.is_none();
                }
                None => {
                    (noticed, unknown) = (true, true);
                    let code = Code::UNKNOWN_TOPIC_OR_PART;
                    notice(Notice::Failed { tp: Some((*lane.tp).clone()), code, text: code.text() });
                }
            }
        }
        match unknown {
            true => {
                self.leaders_due = Some(Instant::now() + self.leaders_pause);
                self.leaders_pause = (self.leaders_pause * 2).min(RETRY_LONGEST);
            }
            false => self.leaders_pause = RETRY_FIRST,
        }
        noticed
    }

    /// Opens connections to the brokers that lead something.
    fn connect(&mut self) {
        let now = Instant::now();
        let mut failed = Vec::new();
        for (id, broker) in &mut self.brokers {
            let leads = self.lanes.iter().any(|lane| lane.leader == Some(*id));
            if broker.connection.is_some() || !leads || broker.retry_at > now {
                continue;
            }
            let token = Token(usize::try_from(*id).unwrap_or(usize::MAX - 1));
            match Connection::open(self.poll.registry(), token, &broker.host, broker.port) {
                Ok(connection) => broker.connection = Some(connection),
                Err(error) => failed.push((*id, error)),
            }
        }
        for (id, error) in failed {
            // A connection that cannot be opened is never one that is unsupported.
            let _ = self.lose(id, &error.into());
        }
    }

    /// Asks each broker that has answered for what may be fetched of it.
    fn ask(&mut self) {
        let now = Instant::now();
        let wait = Duration::from_millis(u64::try_from(self.limits.wait_max_ms).unwrap_or(0));
        let mut failed = Vec::new();
        for (id, broker) in &mut self.brokers {
            let Some(connection) = broker.connection.as_mut().filter(|connection| connection.is_free()) else { continue };
            let may_be_asked =
                |lane: &&mut Lane| lane.leader == Some(*id) && !lane.paused && lane.rests_until.is_none_or(|until| until <= now);
            broker.asked.clear();
            for lane in self.lanes.iter_mut().filter(may_be_asked) {
                lane.rests_until = None;
                broker.asked.push((lane.tp.clone(), lane.fetched_to));
            }
            if broker.asked.is_empty() {
                continue;
            }
            let asked = &broker.asked;
            let wanted: Vec<Wanted<'_>> =
                asked.iter().map(|(tp, offset)| Wanted { topic: &tp.topic, partition: tp.partition, offset: *offset }).collect();
            let correlation = connection.next_correlation();
            let request = fetch_request(correlation, &self.client, self.limits, &wanted);
            if let Err(error) = connection.send(request, wait) {
                failed.push((*id, error));
            }
        }
        for (id, error) in failed {
            let _ = self.lose(id, &error.into());
        }
    }

    /// When there is something to do even if no broker sends anything.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let brokers = self
            .brokers
            .iter()
            .filter(|(id, broker)| broker.connection.is_none() && self.lanes.iter().any(|lane| lane.leader == Some(**id)));
        let rests = self.lanes.iter().filter_map(|lane| lane.rests_until);
        brokers.map(|(_, broker)| broker.retry_at).chain(rests).chain(self.leaders_due).map(|due| due.max(now)).min()
    }

    /// Learns from the system what can be done, waiting for something; true if it was a wake-up.
    fn look(&mut self, timeout: Duration) -> bool {
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout))
            && error.kind() != ErrorKind::Interrupted
        {
            tracing::warn!(%error, "waiting for brokers failed");
            std::thread::sleep(RETRY_FIRST);
        }
        let mut woken = false;
        let mut failed = Vec::new();
        for event in &self.events {
            if event.token() == WAKER {
                woken = true;
                continue;
            }
            let Ok(id) = i32::try_from(event.token().0) else { continue };
            let Some(broker) = self.brokers.get_mut(&id) else { continue };
            if let Some(connection) = &mut broker.connection
                && let Err(trouble) =
                    connection.note(event.is_readable() || event.is_read_closed(), event.is_writable(), &self.client)
            {
                failed.push((id, trouble));
            }
        }
        for (id, trouble) in failed {
            // Only an answer can be unsupported.
            let _ = self.lose(id, &trouble);
        }
        woken
    }
}

impl Broker {
    fn new(host: String, port: u16) -> Broker {
        Broker { host, port, connection: None, asked: Vec::new(), retry_at: Instant::now(), pause: RETRY_FIRST }
    }

    fn disconnect(&mut self, poll: &Poll) {
        self.asked.clear();
        if let Some(connection) = self.connection.take() {
            connection.close(poll.registry());
        }
    }
}

enum Refused {
    Malformed,
    Unsupported(Unsupported),
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Refused {
        Refused::Malformed
    }
}

fn unsupported(tp: &TopicPartition, why: Unreadable) -> Unsupported {
    match why {
        Unreadable::Unknown(what) => Unsupported(format!("{tp} holds records in {what}")),
        Unreadable::Broken(what) => Unsupported(format!("{tp} holds {what}")),
    }
}
