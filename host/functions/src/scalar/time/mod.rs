//! Functions of dates and times, one a file, and Java's date and time patterns: [`pattern`] reads one, `format` writes and
//! `parse` reads values with it, [`zone`] knows the time zones.

mod convert_tz;
mod dateadd;
mod datesub;
mod datetostring;
mod format;
mod format_date;
mod format_time;
mod format_timestamp;
mod from_days;
mod from_unixtime;
mod interval;
mod parse;
mod parse_date;
mod parse_time;
mod parse_timestamp;
pub mod pattern;
mod stringtodate;
mod stringtotimestamp;
mod timeadd;
mod timestamp_text;
mod timestampadd;
mod timestampsub;
mod timestamptostring;
mod timesub;
mod unix_date;
mod unix_timestamp;
pub mod zone;

pub use pattern::Pattern;
pub use zone::Zone;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        convert_tz::definition(),
        dateadd::definition(),
        datesub::definition(),
        datetostring::definition(),
        format_date::definition(),
        format_time::definition(),
        format_timestamp::definition(),
        from_days::definition(),
        from_unixtime::definition(),
        parse_date::definition(),
        parse_time::definition(),
        parse_timestamp::definition(),
        stringtodate::definition(),
        stringtotimestamp::definition(),
        timeadd::definition(),
        timestampadd::definition(),
        timestampsub::definition(),
        timestamptostring::definition(),
        timesub::definition(),
        unix_date::definition(),
        unix_timestamp::definition(),
    ]
}
