//! What two patterns match together, as far as their form tells.

use std::ops::RangeInclusive;

use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, Pat, Path, RangeLimits, UnOp};

use super::pattern::{Pattern, begins_with, inside, irrefutable};

impl Pattern {
    /// Whether nothing that `other` matches is matched by this one too.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let others = other.alternatives();
        self.alternatives().into_iter().all(|one| others.iter().all(|other| apart(one, other)))
    }

    /// Whether everything that `other` matches is matched by this one too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let ours = self.alternatives();
        self.guard().is_none()
            && other.alternatives().into_iter().all(|other| ours.iter().any(|one| wider(one, other)))
    }
}

/// Patterns over results are apart when one is about an `Ok` and the other about an `Err`, or what is inside is.
fn apart(one: &Pat, other: &Pat) -> bool {
    let about_ok = |pat: &Pat| begins_with(pat, "Ok");
    about_ok(one) != about_ok(other) || inner_apart(inside(one), inside(other))
}

fn wider(one: &Pat, other: &Pat) -> bool {
    let about_ok = |pat: &Pat| begins_with(pat, "Ok");
    about_ok(one) == about_ok(other) && inner_wider(inside(one), inside(other))
}

/// The pattern without what binds or surrounds it.
fn bare(pat: &Pat) -> &Pat {
    match pat {
        Pat::Paren(inner) => bare(&inner.pat),
        Pat::Reference(inner) => bare(&inner.pat),
        Pat::Ident(name) => match &name.subpat {
            Some((_, inner)) => bare(inner),
            None => pat,
        },
        other => other,
    }
}

fn inner_apart(one: &Pat, other: &Pat) -> bool {
    let (one, other) = (bare(one), bare(other));
    match (one, other) {
        (Pat::Or(or), other) => or.cases.iter().all(|case| inner_apart(case, other)),
        (one, Pat::Or(or)) => or.cases.iter().all(|case| inner_apart(one, case)),
        (Pat::Lit(one), Pat::Lit(other)) => literals_differ(one, other),
        (Pat::Range(_) | Pat::Lit(_), Pat::Range(_) | Pat::Lit(_)) => match (values(one), values(other)) {
            (Some(one), Some(other)) => one.end() < other.start() || other.end() < one.start(),
            _ => false,
        },
        (Pat::Tuple(one), Pat::Tuple(other)) => elements_apart(one.elems.iter(), other.elems.iter()),
        (Pat::TupleStruct(one), Pat::TupleStruct(other)) if same(&one.path, &other.path) => {
            elements_apart(one.elems.iter(), other.elems.iter())
        }
        (Pat::Struct(one), Pat::Struct(other)) if same(&one.path, &other.path) => {
            one.fields.iter().any(|field| {
                let same =
                    other.fields.iter().find(|candidate| words(&candidate.member) == words(&field.member));
                same.is_some_and(|same| inner_apart(&field.pat, &same.pat))
            })
        }
        _ => match (path(one), path(other)) {
            (Some(one), Some(other)) => other_variants(one, other),
            _ => false,
        },
    }
}

fn inner_wider(one: &Pat, other: &Pat) -> bool {
    if irrefutable(one) {
        return true;
    }
    let (one, other) = (bare(one), bare(other));
    match (one, other) {
        (one, Pat::Or(or)) => or.cases.iter().all(|case| inner_wider(one, case)),
        (Pat::Or(or), other) => or.cases.iter().any(|case| inner_wider(case, other)),
        (Pat::TupleStruct(one), Pat::TupleStruct(other)) if same(&one.path, &other.path) => {
            let rest = |pat: &Pat| matches!(pat, Pat::Rest(_));
            (one.elems.len() == 1 && one.elems.iter().all(rest))
                || (one.elems.len() == other.elems.len()
                    && !one.elems.iter().chain(&other.elems).any(rest)
                    && one.elems.iter().zip(&other.elems).all(|(one, other)| inner_wider(one, other)))
        }
        (Pat::Struct(one), other) if one.fields.is_empty() && one.rest.is_some() => {
            path(other).is_some_and(|other| same(other, &one.path))
        }
        (Pat::Range(_), Pat::Range(_) | Pat::Lit(_)) => match (values(one), values(other)) {
            (Some(one), Some(other)) => one.start() <= other.start() && other.end() <= one.end(),
            _ => words(one) == words(other),
        },
        // The same words match the same.
        (one, other) => words(one) == words(other),
    }
}

fn elements_apart<'p>(
    one: impl ExactSizeIterator<Item = &'p Pat> + Clone,
    other: impl ExactSizeIterator<Item = &'p Pat> + Clone,
) -> bool {
    let rest = |pat: &Pat| matches!(pat, Pat::Rest(_));
    one.len() == other.len()
        && !one.clone().chain(other.clone()).any(rest)
        && one.zip(other).any(|(one, other)| inner_apart(one, other))
}

/// As it is written.
fn words(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

fn same(one: &Path, other: &Path) -> bool {
    words(one) == words(other)
}

fn path(pat: &Pat) -> Option<&Path> {
    match pat {
        Pat::Path(path) if path.qself.is_none() => Some(&path.path),
        Pat::TupleStruct(tuple) if tuple.qself.is_none() => Some(&tuple.path),
        Pat::Struct(fields) if fields.qself.is_none() => Some(&fields.path),
        _ => None,
    }
}

/// Whether two paths are different variants of one enum: they differ in their last name alone. A name of capitals is a constant,
/// which may be equal to anything.
fn other_variants(one: &Path, other: &Path) -> bool {
    let parts = |path: &Path| {
        let mut names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let last = names.pop();
        (names, last.filter(|last| last.contains(char::is_lowercase) || last.len() == 1))
    };
    let ((of_one, one), (of_other, other)) = (parts(one), parts(other));
    let (Some(one), Some(other)) = (one, other) else { return false };
    !of_one.is_empty() && of_one == of_other && one != other
}

/// The values that a literal or a range of literals matches. The two patterns that are compared are of one type, so numbers and
/// characters need not be told apart.
fn values(pat: &Pat) -> Option<RangeInclusive<i128>> {
    let Pat::Range(range) = pat else {
        let Pat::Lit(literal) = pat else { return None };
        return value(&Expr::Lit(literal.clone())).map(|value| value..=value);
    };
    let start = range.start.as_deref().map_or(Some(i128::MIN), value)?;
    let end = range.end.as_deref().map_or(Some(i128::MAX), value)?;
    let open = range.end.is_some() && matches!(range.limits, RangeLimits::HalfOpen(_));
    Some(start..=if open { end.checked_sub(1)? } else { end })
}

fn value(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Unary(negative) if matches!(negative.op, UnOp::Neg(_)) => value(&negative.expr)?.checked_neg(),
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            Lit::Char(character) => Some(i128::from(u32::from(character.value()))),
            Lit::Byte(byte) => Some(i128::from(byte.value())),
            _ => None,
        },
        _ => None,
    }
}

fn literals_differ(one: &ExprLit, other: &ExprLit) -> bool {
    match (&one.lit, &other.lit) {
        (Lit::Int(one), Lit::Int(other)) => one.base10_digits() != other.base10_digits(),
        (Lit::Str(one), Lit::Str(other)) => one.value() != other.value(),
        (Lit::Bool(one), Lit::Bool(other)) => one.value != other.value,
        (Lit::Char(one), Lit::Char(other)) => one.value() != other.value(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Pattern {
        syn::parse::Parser::parse_str(|input: syn::parse::ParseStream| Pattern::read("on", input), text)
            .unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn patterns_are_apart_where_their_form_proves_it() {
        for (one, other, apart) in [
            ("Error::F", "Error::X", true),
            ("Err(Error::F)", "Error::X", true),
            ("Error::F(_)", "Error::X { .. }", true),
            ("Error::F | Error::G", "Error::X | Err(Error::Y)", true),
            ("Error::F | Error::G", "Error::X | Error::G", false),
            ("Ok(_)", "Error::X", true),
            ("Ok(Option::None) | Error::F", "Error::X", true),
            ("Ok(Option::None)", "Ok(_)", false),
            ("_", "Error::X", false),
            ("Error::F", "Error::F", false),
            ("Error::F(1)", "Error::F(2)", true),
            ("Error::F(1 | 3)", "Error::F(2)", true),
            ("Error::F(1..=3)", "Error::F(2)", false),
            ("Error::F(1..=3)", "Error::F(7)", true),
            ("Error::F(1..=3)", "Error::F(3..=7)", false),
            ("Error::F(1..3)", "Error::F(3..=7)", true),
            ("Error::F(..3)", "Error::F(3..)", true),
            ("Error::F(-3..=-1)", "Error::F(0..)", true),
            ("Error::F('a'..='f')", "Error::F('g')", true),
            ("Error::F(0x10..=0x1f)", "Error::F(32)", true),
            ("Error::F(LEAST..=3)", "Error::F(7)", false),
            ("Error::F(1, _)", "Error::F(2, ..)", false),
            ("Error::F(1, _)", "Error::F(2, _)", true),
            ("Error::F { code: 1, .. }", "Error::F { code: 2, .. }", true),
            ("Error::F { code: 1, .. }", "Error::F { other: 2, .. }", false),
            ("Error::F(\"a\")", "Error::F(\"b\")", true),
            ("Error::Io(e @ Kind::A(_))", "Error::Io(Kind::B)", true),
            ("Error::GONE", "Error::LOST", false),
            ("Self::F", "Error::X", false),
            ("crate::Error::F", "Error::X", false),
            ("Error::F if strange()", "Error::X", true),
            ("error if error.is_lost()", "Error::X", false),
            ("lost!()", "Error::X", false),
        ] {
            assert_eq!(read(one).excludes(&read(other)), apart, "{one} and {other}");
            assert_eq!(read(other).excludes(&read(one)), apart, "{other} and {one}");
        }
    }

    #[test]
    fn a_pattern_covers_what_its_form_proves() {
        for (one, other, covers) in [
            ("_", "Error::X", true),
            ("Err(_)", "Error::X | Error::Y", true),
            ("_", "Ok(_)", false),
            ("_", "Ok(_) | Error::X", false),
            ("Ok(_) | _", "Ok(Option::None) | Error::X", true),
            ("Error::X", "Error::X", true),
            ("Error::X | Error::Y", "Error::Y", true),
            ("Error::Y", "Error::X | Error::Y", false),
            ("Error::X(_)", "Error::X(7)", true),
            ("Error::X(..)", "Error::X(7, 8)", true),
            ("Error::X { .. }", "Error::X(7)", true),
            ("Error::X { .. }", "Error::X { code: 7 }", true),
            ("Error::X(7)", "Error::X(_)", false),
            ("Error::X(_, 1)", "Error::X(2, 1)", true),
            ("Error::X(_, 1)", "Error::X(2, _)", false),
            ("Error::X(1 | 2)", "Error::X(1)", true),
            ("Error::X(1)", "Error::X(1 | 2)", false),
            ("Error::X(0..=9)", "Error::X(5)", true),
            ("Error::X(0..=9)", "Error::X(5..=9 | 1..3)", true),
            ("Error::X(0..=9)", "Error::X(5..=10)", false),
            ("Error::X(0..9)", "Error::X(9)", false),
            ("Error::X(LEAST..)", "Error::X(LEAST..)", true),
            ("Error::X if sometimes()", "Error::X", false),
            ("Error::X", "Error::X if sometimes()", true),
            ("Error::X", "Error::Y", false),
        ] {
            assert_eq!(read(one).covers(&read(other)), covers, "{one} and {other}");
        }
    }
}
