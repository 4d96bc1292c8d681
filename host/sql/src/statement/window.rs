//! `WINDOW TUMBLING | HOPPING | SESSION (…)`.

use crate::ast::{Window, WindowKind};
use crate::keywords::TIME_UNITS;
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// What follows WINDOW.
pub(super) fn window(p: &mut Parser) -> Parsing<Window> {
    let start = p.start();
    // A window may have a name, which nothing uses.
    if p.is_name() && matches!(p.peek_at(1), TokenKind::Word { .. }) {
        p.advance();
    }
    let kind = if p.take("TUMBLING") {
        p.expect_symbol(Symbol::OpenParen, "'(' after TUMBLING")?;
        p.expect("SIZE", "of the window")?;
        WindowKind::Tumbling { size_ms: p.duration("the window's size")? }
    } else if p.take("HOPPING") {
        p.expect_symbol(Symbol::OpenParen, "'(' after HOPPING")?;
        p.expect("SIZE", "of the window")?;
        let size_ms = p.duration("the window's size")?;
        p.expect_symbol(Symbol::Comma, "',' and ADVANCE BY after the size of a hopping window")?;
        p.expect("ADVANCE", "after the size of a hopping window")?;
        p.expect("BY", "after ADVANCE")?;
        WindowKind::Hopping { size_ms, advance_ms: p.duration("the window's advance")? }
    } else if p.take("SESSION") {
        p.expect_symbol(Symbol::OpenParen, "'(' after SESSION")?;
        WindowKind::Session { gap_ms: p.duration("the session's gap")? }
    } else {
        return Err(p.expected_words(&["TUMBLING", "HOPPING", "SESSION"], "after WINDOW"));
    };
    let mut retention_ms = None;
    let mut grace_ms = None;
    while p.take_symbol(Symbol::Comma) {
        if retention_ms.is_none() && grace_ms.is_none() && p.take("RETENTION") {
            retention_ms = Some(p.duration("the retention")?);
        } else if grace_ms.is_none() && p.take("GRACE") {
            p.expect("PERIOD", "after GRACE")?;
            grace_ms = Some(p.duration("the grace period")?);
        } else {
            return Err(p.expected("RETENTION, then GRACE PERIOD, each at most once"));
        }
    }
    p.expect_symbol(Symbol::CloseParen, "',' or ')' in the window")?;
    Ok(Window { kind, retention_ms, grace_ms, span: p.span_from(start) })
}

/// With ksqlDB's spaces.
pub(super) fn format(out: &mut String, window: &Window) {
    out.push_str(&match window.kind {
        WindowKind::Tumbling { size_ms } => format!(" TUMBLING ( SIZE {}", duration_text(size_ms)),
        WindowKind::Hopping { size_ms, advance_ms } => {
            format!(" HOPPING ( SIZE {} , ADVANCE BY {}", duration_text(size_ms), duration_text(advance_ms))
        }
        WindowKind::Session { gap_ms } => format!(" SESSION ( {}", duration_text(gap_ms)),
    });
    if let Some(retention_ms) = window.retention_ms {
        out.push_str(&format!(" , RETENTION {}", duration_text(retention_ms)));
    }
    if let Some(grace_ms) = window.grace_ms {
        out.push_str(&format!(" , GRACE PERIOD {}", duration_text(grace_ms)));
    }
    out.push_str(" ) ");
}

/// The duration in the largest unit that divides it.
pub(super) fn duration_text(ms: i64) -> String {
    if ms == 0 {
        return "0 SECONDS".into();
    }
    TIME_UNITS
        .iter()
        .find(|(_, _, unit_ms)| ms % unit_ms == 0)
        .map_or_else(|| format!("{ms} MILLISECONDS"), |(_, unit, unit_ms)| format!("{} {unit}", ms / unit_ms))
}
