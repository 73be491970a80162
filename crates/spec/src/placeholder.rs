//! `{{name}}` in commands and environment values. `\{{` stands for itself.

/// The names that may stand between double braces.
pub const KNOWN: &str = "job, workflow, shard, shards, attempt, context.KEY";
const PLAIN: [&str; 5] = ["job", "workflow", "shard", "shards", "attempt"];

/// A piece of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// The name between double braces.
    Name(&'a str),
}

/// The pieces of a template, in order. Double braces around anything but a name are text.
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        rest = split_one(rest, at, &mut pieces);
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

fn split_one<'a>(rest: &'a str, at: usize, pieces: &mut Vec<Piece<'a>>) -> &'a str {
    let (before, from) = rest.split_at(at);
    if let Some(kept) = before.strip_suffix('\\') {
        pieces.extend([Piece::Text(kept), Piece::Text(&from[..2])]);
        return &from[2..];
    }
    pieces.push(Piece::Text(before));
    let inner = from[2..].find("}}").map(|end| &from[2..2 + end]).filter(|inner| is_name(inner));
    match inner {
        Some(name) => {
            pieces.push(Piece::Name(name));
            &from[4 + name.len()..]
        }
        None => {
            pieces.push(Piece::Text(&from[..2]));
            &from[2..]
        }
    }
}

fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.chars().all(known)
}

/// Names in a template that mean nothing.
pub fn unknown(template: &str) -> Vec<&str> {
    let meaningless = |name: &&str| !PLAIN.contains(name) && !name.starts_with("context.");
    pieces(template).into_iter().filter_map(name_of).filter(meaningless).collect()
}

fn name_of(piece: Piece<'_>) -> Option<&str> {
    match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    }
}

/// Fills a template in. `lookup` gives a name's value; the first name without one is the error.
pub fn fill(template: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name(name) => out.push_str(&lookup(name).ok_or_else(|| name.to_owned())?),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_a_name_between_double_braces_is_replaced() {
        let lookup = |name: &str| (name != "context.none").then(|| format!("<{name}>"));
        let cases = [
            ("a {{shard}} b", Ok("a <shard> b")),
            (r"\{{shard}}", Ok("{{shard}}")),
            ("${HOME} {{ shard }} {x} {{}}", Ok("${HOME} {{ shard }} {x} {{}}")),
            ("{{context.a-b}}{{job}}", Ok("<context.a-b><job>")),
            ("{{context.none}}", Err("context.none")),
            ("{{shard", Ok("{{shard")),
        ];
        for (template, wanted) in cases {
            assert_eq!(
                fill(template, lookup),
                wanted.map(str::to_owned).map_err(str::to_owned),
                "{template}"
            );
        }
        assert_eq!(unknown("{{sharp}} {{shard}} {{context.x}}"), ["sharp"]);
    }
}
