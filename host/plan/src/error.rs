//! Why a statement is refused.

use calzone_sql::Span;

/// A statement that cannot be planned. `Display` is a sentence for the user: what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    pub message: String,
    /// Where in the statement's text.
    pub span: Option<Span>,
    pub kind: PlanErrorKind,
}

/// What the caller answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanErrorKind {
    /// The statement is wrong for this catalog.
    Statement,
    /// A topic does not exist, and the statement does not say how to make it.
    MissingTopic,
    /// A format needs a schema registry.
    SchemaRegistry,
    /// The statement needs a setting that is switched off.
    Disabled,
}

/// What every planning function gives.
pub type Result<T> = std::result::Result<T, PlanError>;

impl PlanError {
    pub fn new(message: impl Into<String>) -> PlanError {
        PlanError { message: message.into(), span: None, kind: PlanErrorKind::Statement }
    }

    /// An error about the part of the statement at `span`.
    pub fn at(span: Span, message: impl Into<String>) -> PlanError {
        PlanError { message: message.into(), span: Some(span), kind: PlanErrorKind::Statement }
    }

    pub fn of_kind(kind: PlanErrorKind, message: impl Into<String>) -> PlanError {
        PlanError { message: message.into(), span: None, kind }
    }

    /// Puts what the error is about before its message: `In WHERE: …`.
    pub(crate) fn within(mut self, clause: &str) -> PlanError {
        self.message = format!("In {clause}: {}", self.message);
        self
    }

    /// Remembers a place, unless a more precise one is known already.
    pub(crate) fn or_at(mut self, span: Span) -> PlanError {
        self.span.get_or_insert(span);
        self
    }

    /// The message, and below it the line of `text` that it is about with a caret under the place.
    pub fn render(&self, text: &str) -> String {
        match self.span {
            Some(span) => format!("{}\n{}", self.message, calzone_sql::excerpt(text, span)),
            None => self.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let text = "SELECT a,\n  böb FROM s;";
        let start = text.find("böb").expect("in the text");
        let error = PlanError::at(Span::new(start, start + "böb".len()), "There is no column BÖB.");
        assert!(error.render(text).starts_with("There is no column BÖB.\n") && error.render(text).contains('^'));
        assert!(PlanError::at(Span::new(900, 950), "Beyond.").render("x").starts_with("Beyond."));
    }
}
