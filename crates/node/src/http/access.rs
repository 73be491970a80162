//! Who may do what over HTTP: bearer tokens with roles.

use axum::http::{HeaderMap, Method, StatusCode, header};

use super::Problem;

/// What a token allows; each role includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AccessRole {
    /// Reads.
    Viewer,
    /// Submits, cancels and deletes jobs.
    Submitter,
    /// Drains nodes, moves groups, removes members.
    Operator,
}

impl AccessRole {
    /// The role of its name in the configuration.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Submitter, Self::Operator].into_iter().find(|role| role.name() == name)
    }

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
        }
    }
}

/// One token of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Who uses it, for the audit line.
    pub name: String,
    /// What it allows.
    pub role: AccessRole,
    /// The secret.
    pub token: String,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessToken({}, {})", self.name, self.role.name())
    }
}

/// The tokens of a node; without any, everybody may do everything.
#[derive(Clone, Debug, Default)]
pub struct Access {
    tokens: Vec<AccessToken>,
}

/// Who makes a request, in its extensions: the name of its token, or `anyone` where none is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller(pub String);

impl Caller {
    /// The token's name; `None` where none is needed.
    pub fn name(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|name| *name != ANYONE)
    }
}

/// Who calls where no token is needed.
const ANYONE: &str = "anyone";

/// Paths that are read without a token: by probes, by scrapers, and the page that asks for the token.
const OPEN: [&str; 5] = ["/", "/livez", "/readyz", "/health", "/metrics"];

impl Access {
    /// Lets in the holders of these tokens.
    pub const fn new(tokens: Vec<AccessToken>) -> Self {
        Self { tokens }
    }

    /// Judges a request; gives the token's name for the audit line.
    pub(super) fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<&str, Problem> {
        if self.tokens.is_empty() || OPEN.contains(&path) {
            return Ok(ANYONE);
        }
        let Some(given) = bearer(headers) else { return Err(unknown("a bearer token is needed")) };
        let known = self.tokens.iter().find(|token| is_equal(token.token.as_bytes(), given.as_bytes()));
        let Some(known) = known else { return Err(unknown("this token is not known here")) };
        let needed = needed(method, path);
        match known.role >= needed {
            true => Ok(&known.name),
            false => Err(forbidden(needed)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn unknown(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", format!("{why}: send `Authorization: Bearer …`"))
}

fn forbidden(needed: AccessRole) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        format!("this needs a token with the role {}", needed.name()),
    )
}

fn needed(method: &Method, path: &str) -> AccessRole {
    let is_read = method == Method::GET || method == Method::HEAD;
    match (is_read, path.starts_with("/v1/jobs")) {
        (true, _) => AccessRole::Viewer,
        (false, true) => AccessRole::Submitter,
        (false, false) => AccessRole::Operator,
    }
}

/// Compares every byte, so that the time taken does not tell how many were right.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |so_far, (a, b)| so_far | (a ^ b));
    one.len() == other.len() && differing == 0
}
