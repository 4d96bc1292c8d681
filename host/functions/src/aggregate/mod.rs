//! Aggregate functions, one a file: many rows in, one value out. The other files hold what several of them share.

mod attr;
mod avg;
mod by_offset;
mod collect_list;
mod collect_set;
mod collected;
mod comparable;
mod correlation;
mod count;
mod count_distinct;
mod deviation;
mod earliest_by_offset;
mod extreme;
mod histogram;
mod latest_by_offset;
mod max;
mod min;
mod sketch;
mod state;
mod stddev_samp;
mod stddev_sample;
mod sum;
mod sum_list;
mod top;
mod topk;
mod topkdistinct;

use crate::AggregateDefinition;

/// Every aggregate function.
pub fn definitions() -> Vec<AggregateDefinition> {
    vec![
        attr::definition(),
        avg::definition(),
        collect_list::definition(),
        collect_set::definition(),
        correlation::definition(),
        count::definition(),
        count_distinct::definition(),
        earliest_by_offset::definition(),
        histogram::definition(),
        latest_by_offset::definition(),
        max::definition(),
        min::definition(),
        stddev_samp::definition(),
        stddev_sample::definition(),
        sum::definition(),
        sum_list::definition(),
        topk::definition(),
        topkdistinct::definition(),
    ]
}

#[cfg(test)]
mod tests;
