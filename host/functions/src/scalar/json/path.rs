//! The subset of JSONPath that EXTRACTJSONFIELD takes: `$`, `.name`, `['name']` and `[0]`.

/// Reads a path into its steps: names, and positions as decimal text.
pub fn read(path: &str) -> Result<Vec<String>, String> {
    let fault = |reason: &str| format!("The JSON path '{path}' is not valid: {reason}. Write it like $.name[0]['other name'].");
    let mut rest = path.strip_prefix('$').ok_or_else(|| fault("it must begin with '$'"))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err(fault("a name is empty"));
            }
            steps.push(name[..end].to_owned());
            rest = &name[end..];
        } else if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (step, after) = match quote {
                Some(quote) => inside[1..].split_once(quote).ok_or_else(|| fault("a quote is not closed"))?,
                None => inside.split_at(inside.find(']').ok_or_else(|| fault("']' is missing"))?),
            };
            if quote.is_none() && step.parse::<i64>().is_err() {
                return Err(fault("a position within [] must be a number"));
            }
            steps.push(step.to_owned());
            rest = after.strip_prefix(']').ok_or_else(|| fault("']' is missing"))?;
        } else {
            return Err(fault("'.' or '[' is missing"));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn steps_of_all_kinds() {
        assert_eq!(read("$.a-b[0]['c d'][\"e]\"].f"), Ok(["a-b", "0", "c d", "e]", "f"].map(str::to_owned).to_vec()));
        assert_eq!(read("$"), Ok(Vec::new()));
        for fault in ["a", "$a", "$.", "$.a.", "$[", "$[a]", "$['a]", "$['a'"] {
            assert!(read(fault).is_err(), "{fault}");
        }
    }
}
