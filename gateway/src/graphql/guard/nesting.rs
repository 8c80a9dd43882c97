//! How deep a document nests, counted before anything that calls itself reads it.

use async_graphql::ServerError;

use super::NESTING_MAX;

/// Refuses a document whose brackets are nested too deep. What is in strings and comments does not count.
pub(super) fn check(document: &str) -> Result<(), ServerError> {
    let bytes = document.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => at = end_of_line(bytes, at),
            b'"' => at = end_of_string(bytes, at).ok_or_else(|| refused("a text in it has no end".to_owned()))?,
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(refused(format!("its brackets are nested deeper than {NESTING_MAX}")));
        }
        at += 1;
    }
    Ok(())
}

fn refused(why: String) -> ServerError {
    ServerError::new(format!("the document cannot be read: {why}"), None)
}

/// Where the line ends.
fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |length| from + length)
}

/// The last byte of the string that begins at `from`; `None`: it has no end.
fn end_of_string(bytes: &[u8], from: usize) -> Option<usize> {
    let is_block = bytes[from..].starts_with(b"\"\"\"");
    let mut at = from + if is_block { 3 } else { 1 };
    loop {
        let rest = bytes.get(at..)?;
        match *rest.first()? {
            b'\\' if is_block && rest.starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !is_block => at += 2,
            b'"' if is_block && rest.starts_with(b"\"\"\"") => return Some(at + 2),
            b'"' if !is_block => return Some(at),
            b'\n' | b'\r' if !is_block => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(open: &str, close: &str, levels: usize) -> String {
        format!("{{ tasks(first: {}1{}) {{ nodes {{ name }} }} }}", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn a_document_may_nest_so_deep_and_no_deeper() {
        for (open, close) in [("[", "]"), ("{a:", "}")] {
            assert!(check(&nested(open, close, NESTING_MAX - 2)).is_ok());
            for levels in [NESTING_MAX - 1, 30_000] {
                let error = check(&nested(open, close, levels)).expect_err("too deep").message;
                assert!(error.contains("deeper than 64"), "{error}");
            }
        }
    }

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let many = "[".repeat(1000);
        for document in [
            format!("{{ a(b: \"{many}\") }}"),
            format!("{{ a(b: \"\\\"{many}\") }}"),
            format!("{{ a(b: \"\"\"\n{many}\\\"\"\"{many}\"\"\") }}"),
            format!("# {many}\n{{ a }}"),
        ] {
            assert!(check(&document).is_ok(), "{document}");
        }
    }

    #[test]
    fn a_text_without_an_end_hides_nothing() {
        let many = "[".repeat(1000);
        for document in [
            format!("{{ a(b: \"\"\"x\" {many}"),
            format!("{{ a(b: \"x\n{many}"),
            format!("{{ a(b: \"\" {many}"),
            "{ a(b: \"\\".to_owned(),
        ] {
            assert!(check(&document).is_err(), "{document}");
        }
    }
}
