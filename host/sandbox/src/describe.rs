//! What a component says of itself.

use std::fmt;

use calzone_functions::FunctionKind;

use crate::SandboxError;
use crate::limits::Limits;
use crate::signature::SignatureText;

/// What is in a component.
#[derive(Clone, Debug, Default)]
pub struct Description {
    pub author: String,
    pub version: String,
    pub functions: Vec<FunctionDescription>,
    pub stages: Vec<StageDescription>,
    pub error_policies: Vec<ErrorPolicyDescription>,
    /// Set if it answers HTTP requests.
    pub endpoint: Option<EndpointDescription>,
    /// What it imports and so needs to be granted.
    pub wants: Vec<Capability>,
}

/// What one interface of functions says.
pub(crate) struct Described {
    pub(crate) author: String,
    pub(crate) version: String,
    pub(crate) functions: Vec<FunctionDescription>,
}

/// The functions of one name.
#[derive(Clone, Debug)]
pub struct FunctionDescription {
    pub kind: FunctionKind,
    /// As the component writes it.
    pub name: String,
    pub doc: String,
    pub signatures: Vec<SignatureDescription>,
}

/// One overload.
#[derive(Clone, Debug)]
pub struct SignatureDescription {
    /// As the component writes it: `mask(varchar) -> varchar`.
    pub text: String,
    pub doc: String,
    pub signature: SignatureText,
    /// Of an aggregate function: can it be used on tables?
    pub can_retract: bool,
}

#[derive(Clone, Debug)]
pub struct StageDescription {
    pub name: String,
    pub doc: String,
    pub settings: Vec<SettingDescription>,
}

#[derive(Clone, Debug)]
pub struct ErrorPolicyDescription {
    pub name: String,
    pub doc: String,
    pub settings: Vec<SettingDescription>,
}

/// What answers HTTP requests.
#[derive(Clone, Debug, Default)]
pub struct EndpointDescription {
    pub doc: String,
    pub settings: Vec<SettingDescription>,
    /// What it says that it answers; none for a standard HTTP handler, which does not say.
    pub routes: Vec<RouteDescription>,
}

/// Requests that an endpoint answers.
#[derive(Clone, Debug)]
pub struct RouteDescription {
    pub method: String,
    /// `/order/{id}`
    pub path: String,
    pub doc: String,
}

/// A setting that CONFIG may give.
#[derive(Clone, Debug)]
pub struct SettingDescription {
    pub key: String,
    pub doc: String,
    /// None: it must be given.
    pub default: Option<String>,
}

/// The settings given, and the defaults of the others. The error says which one is missing.
pub(crate) fn complete_settings(
    known: &[SettingDescription],
    given: &[(String, String)],
) -> Result<Vec<(String, String)>, String> {
    let mut settings = given.to_vec();
    for setting in known {
        if settings.iter().any(|(key, _)| key.eq_ignore_ascii_case(&setting.key)) {
            continue;
        }
        match &setting.default {
            Some(default) => settings.push((setting.key.clone(), default.clone())),
            None => return Err(format!("CONFIG must give {} ({})", setting.key, setting.doc)),
        }
    }
    Ok(settings)
}

/// What a plugin may be granted in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Random numbers, the same ones when a record is processed again.
    Random,
    /// The time of day.
    Clock,
    /// Lines in the server's log.
    Log,
    /// A store of its own.
    KeyValue,
    /// Requests to a place.
    Http,
    /// Writing rows to the streams and tables named in the grant; for endpoints.
    Insert,
    /// Asking the tables and streams named in the grant; for endpoints.
    Query,
}

/// As it is written in GRANT.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::Random => "RANDOM",
            Capability::Clock => "CLOCK",
            Capability::Log => "LOG",
            Capability::KeyValue => "KEY VALUE",
            Capability::Http => "HTTP TO 'host:port'",
            Capability::Insert => "INSERT ON STREAM …",
            Capability::Query => "QUERY ON TABLE …",
        })
    }
}

impl Description {
    /// The function of that name; case does not matter.
    pub fn function(&self, name: &str) -> Option<&FunctionDescription> {
        self.functions.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The stage of that name; case does not matter.
    pub fn stage(&self, name: &str) -> Option<&StageDescription> {
        self.stages.iter().find(|s| s.name.eq_ignore_ascii_case(name))
    }

    /// The error policy of that name; case does not matter.
    pub fn error_policy(&self, name: &str) -> Option<&ErrorPolicyDescription> {
        self.error_policies.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Refuses a component whose description nobody could use.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), SandboxError> {
        let reject = |text: String| Err(SandboxError::Rejected(format!("the component describes itself wrongly: {text}")));
        let is_empty = self.functions.is_empty() && self.stages.is_empty() && self.error_policies.is_empty();
        if is_empty && self.endpoint.is_none() {
            return reject("it has neither a function nor a stage nor an endpoint nor an error policy".to_owned());
        }
        let names = self.functions.iter().map(|f| ("function", &f.name)).chain(self.stages.iter().map(|s| ("stage", &s.name)));
        let names = names.chain(self.error_policies.iter().map(|p| ("error policy", &p.name)));
        let mut seen = std::collections::HashSet::new();
        for (kind, name) in names {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !plain || name.is_empty() || name.len() > limits.message_bytes || name.starts_with(|c: char| c.is_ascii_digit()) {
                let name = crate::limits::cut(name, 100);
                return reject(format!("`{name}` is no name of a {kind}: letters, digits and _ make one"));
            }
            if !seen.insert((kind, name.to_ascii_uppercase())) {
                return reject(format!("there are two {kind}s `{name}`"));
            }
        }
        for function in &self.functions {
            if function.signatures.is_empty() {
                return reject(format!("function `{}` has no signature", function.name));
            }
            for signature in &function.signatures {
                if !signature.signature.name.eq_ignore_ascii_case(&function.name) {
                    return reject(format!("function `{}` has the signature `{}`", function.name, signature.text));
                }
            }
        }
        Ok(())
    }
}
