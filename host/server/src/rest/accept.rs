//! Content negotiation.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// What a route can answer with.
pub struct Offer<'a, T> {
    /// Media types and what each means.
    pub types: &'a [(&'a str, T)],
    /// Without an Accept header.
    pub default: T,
    /// For `*/*`.
    pub wildcard: T,
}

/// The client's best choice among the offered types; `None` if it takes none of them.
pub fn choose<T: Copy>(headers: &HeaderMap, offer: &Offer<'_, T>) -> Option<T> {
    let mut best: Option<(f32, T)> = None;
    let mut any = false;
    for range in headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        any = true;
        let quality = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        let meant = match name {
            "*/*" | "*" | "application/*" => Some(offer.wildcard),
            _ => offer.types.iter().find(|(offered, _)| name.eq_ignore_ascii_case(offered)).map(|(_, meaning)| *meaning),
        };
        if let Some(meant) = meant
            && quality > best.map_or(0.0, |(q, _)| q)
        {
            best = Some((quality, meant));
        }
    }
    if any { best.map(|(_, meant)| meant) } else { Some(offer.default) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_best_offered_type_wins() {
        let offer = Offer { types: &[("application/json", 'j'), ("application/x", 'x')], default: 'd', wildcard: 'w' };
        for (accept, wanted) in [
            (None, Some('d')),
            (Some("application/json"), Some('j')),
            (Some("application/x"), Some('x')),
            (Some("*/*"), Some('w')),
            (Some("text/html"), None),
            (Some("text/html, application/json;q=0.5"), Some('j')),
            (Some("application/json;q=0.4, application/x;q=0.5"), Some('x')),
            (Some("application/json, application/x"), Some('j')),
            (Some("application/json;q=0"), None),
            (Some("application/json; charset=utf-8"), Some('j')),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(choose(&headers, &offer), wanted, "{accept:?}");
        }
    }
}
