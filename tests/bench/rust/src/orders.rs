//! The inputs, the same in each run: orders of about 223 bytes of JSON, and what they are joined with.

use std::io::Write;

pub const USERS: u64 = 1000;
const ITEMS: u64 = 500;
/// Event times advance by so many records a second.
const RECORDS_PER_SECOND: i64 = 5000;

/// What the queries read of an order.
pub struct Order {
    pub number: i64,
    pub user: u64,
    pub item: u64,
    /// Hundredths.
    pub price: u64,
    pub region: u64,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// For the columns that no query reads.
    noise: u64,
}

/// A small generator of well spread bits (splitmix64).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((self.next() >> 32) * limit) >> 32
    }
}

/// The first `count` orders, of so many users; the first has the time `base_ms`.
pub fn orders(count: i64, base_ms: i64, users: u64) -> impl Iterator<Item = Order> {
    let mut generator = Generator(42);
    (0..count).map(move |number| {
        let (user, price, region) = (generator.below(users), generator.below(10_000) + 1, generator.below(10));
        let noise = generator.next();
        Order { number, user, item: noise % ITEMS, price, region, time: base_ms + number * 1000 / RECORDS_PER_SECOND, noise }
    })
}

impl Order {
    pub fn write_key(&self, out: &mut Vec<u8>) {
        write!(out, "User_{}", self.user).expect("a vector takes everything");
    }

    /// The key of a topic of orders by their number, and of their payments.
    pub fn write_number_key(&self, out: &mut Vec<u8>) {
        write!(out, "Order_{}", self.number).expect("a vector takes everything");
    }

    /// What was paid for the order, `PAID_AFTER_MS` later.
    pub fn write_payment(&self, out: &mut Vec<u8>) {
        write!(out, r#"{{"amount":{}.{:02},"method":"Method_{}"}}"#, self.price / 100, self.price % 100, self.payment_method())
            .expect("a vector takes everything");
    }

    pub fn payment_method(&self) -> u64 {
        (self.noise >> 16) % 20
    }

    /// The order with `columns` more, which no query reads, before its own.
    pub fn write_wide_value(&self, columns: u64, out: &mut Vec<u8>) {
        out.push(b'{');
        for column in 0..columns {
            let number = self.noise.rotate_left(column as u32) % 100_000;
            write!(out, r#""extra{column}":"text {number}","#).expect("a vector takes everything");
        }
        let at = out.len();
        self.write_value(out);
        out.remove(at);
    }

    pub fn write_value(&self, out: &mut Vec<u8>) {
        let n = self.noise;
        write!(
            out,
            concat!(
                r#"{{"orderid":{},"userid":"User_{}","itemid":"Item_{}","price":{}.{:02},"quantity":{},"region":"Region_{}","#,
                r#""ordertime":{},"address":{{"street":"{} Market Street","city":"City_{}","state":"State_{}","zip":"{:05}"}}}}"#
            ),
            self.number,
            self.user,
            self.item,
            self.price / 100,
            self.price % 100,
            1 + (n >> 16) % 20,
            self.region,
            self.time,
            1 + (n >> 24) % 9999,
            (n >> 40) % 100,
            (n >> 48) % 50,
            (n >> 20) % 100_000
        )
        .expect("a vector takes everything");
    }
}

/// How much later than an order its payment is.
pub const PAID_AFTER_MS: i64 = 300_000;

/// The key of a user.
pub fn write_user_key(user: u64, out: &mut Vec<u8>) {
    write!(out, "User_{user}").expect("a vector takes everything");
}

/// A row of the table that orders are joined with.
pub fn write_user(user: u64, out: &mut Vec<u8>) {
    write!(out, r#"{{"name":"Name of user {user}","level":{},"city":"City_{}"}}"#, user % 10, user % 97)
        .expect("a vector takes everything");
}
