//! Signatures that the compiler itself has refused, and read on: what is said of them again would be a second error.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Whether a function is written as only other languages write one: words in front of `fn` in another order, a keyword as its
/// name, arguments without type or comma, with a default or with `self` behind another, a return type without `->`. The
/// compiler reports each of these before it calls an attribute.
pub(crate) fn by_compiler(item: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    let Some(at) = tokens.iter().position(|token| is_name(token, "fn")) else { return false };
    let (before, after) = (&tokens[..at], &tokens[at + 1..]);
    let mut angles = Angles::default();
    // Behind the name and what it is generic over.
    let arguments = after.iter().position(|token| {
        angles.pass(token);
        angles.depth == 0 && is_parentheses(token)
    });
    let Some(arguments) = arguments else { return false };
    let TokenTree::Group(list) = &after[arguments] else { return false };
    let (name, behind) = (&after[0], &after[arguments + 1..]);
    in_other_order(before)
        || syn::parse2::<syn::Ident>(name.clone().into()).is_err()
        || split(list.stream()).iter().enumerate().any(|(at, argument)| is_broken(at, argument))
        || without_arrow(behind)
}

fn is_parentheses(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

/// Whether the words in front of `fn` stand in another order than the compiler's.
fn in_other_order(before: &[TokenTree]) -> bool {
    const ORDER: [&str; 6] = ["pub", "default", "const", "async", "unsafe", "extern"];
    let words = before.iter().filter_map(|token| match token {
        TokenTree::Ident(word) => ORDER.iter().position(|known| word == known),
        _ => None,
    });
    !words.is_sorted()
}

/// `=> T` or `: T` instead of `-> T`.
fn without_arrow(behind: &[TokenTree]) -> bool {
    match behind {
        [TokenTree::Punct(first), TokenTree::Punct(second), ..] if first.spacing() == Spacing::Joint => {
            first.as_char() == '=' && second.as_char() == '>'
        }
        [TokenTree::Punct(first), ..] => first.as_char() == ':',
        _ => false,
    }
}

/// How many angle brackets are open.
#[derive(Default)]
struct Angles {
    depth: i32,
    /// The punctuation that the next one belongs to.
    joint: Option<char>,
}

impl Angles {
    /// Goes on behind `token`, and gives its character if it is punctuation that begins or stands alone.
    fn pass(&mut self, token: &TokenTree) -> Option<char> {
        let TokenTree::Punct(punct) = token else {
            self.joint = None;
            return None;
        };
        match punct.as_char() {
            '<' => self.depth += 1,
            '>' if self.joint != Some('-') => self.depth -= 1,
            _ => {}
        }
        let begins = self.joint.is_none();
        self.joint = (punct.spacing() == Spacing::Joint).then(|| punct.as_char());
        begins.then(|| punct.as_char())
    }
}

/// The arguments between commas that stand in no angle brackets.
fn split(arguments: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    let mut angles = Angles::default();
    for token in arguments {
        if angles.pass(&token) == Some(',') && angles.depth == 0 {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    parts
}

/// An argument without `:`, that is no `self`; one that ends with it; two of them; one with `=`; and a `self` that comes late.
fn is_broken(at: usize, argument: &[TokenTree]) -> bool {
    if argument.is_empty() {
        return false;
    }
    if argument.iter().any(|token| is_name(token, "self")) {
        let late_mut =
            |pair: &[TokenTree]| is_name(&pair[0], "mut") && matches!(&pair[1], TokenTree::Punct(_));
        return at > 0 || argument.windows(2).any(late_mut);
    }
    let mut angles = Angles::default();
    let mut colons = Vec::new();
    for (at, token) in argument.iter().enumerate() {
        match angles.pass(token) {
            Some(':') if angles.depth == 0 && angles.joint.is_none() => colons.push(at),
            Some('=') if angles.depth == 0 => return true,
            _ => {}
        }
    }
    match colons[..] {
        [only] => only + 1 == argument.len(),
        _ => true,
    }
}

fn is_name(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_compiler_refuses_is_told_from_what_it_accepts() {
        for (source, refused) in [
            ("async fn f(n) {}", true),
            ("pub async fn f(&self, mut n, m: u8) {}", true),
            ("async fn f<T: Into<(u8, u8)>>(n: T, m) {}", true),
            ("async fn f(n: u8 m: u8) {}", true),
            ("async fn f(n: ) {}", true),
            ("async fn f(a::B) {}", true),
            ("async fn f(n: u8 = 3) {}", true),
            ("async fn f(n: u8, &self) {}", true),
            ("async fn f(mut &self) {}", true),
            ("async pub fn f() {}", true),
            ("#[a] pub(crate) unsafe async fn f() {}", true),
            ("async fn move() {}", true),
            ("async fn f() => u8 {}", true),
            ("async fn f(): u8 {}", true),
            (
                "pub const async unsafe extern \"C\" fn r#move<'a>(&'a mut self) -> u8 where u8: Copy {}",
                false,
            ),
            ("async fn f(mut self, n: [u8; { 1 + 1 }]) {}", false),
            ("async fn f(n: u8, m: ::std::string::String, ) {}", false),
            ("async fn f(&self) {}", false),
            ("async fn f(self: Box<Self>, n: impl Fn(u8) -> Vec<u8>) {}", false),
            ("async fn f(n: impl Iterator<Item: Into<u8>, Item = u8>) {}", false),
            ("async fn f<F: Fn(u8) -> u8, T: Into<(u8, u8)>>(n: F) {}", false),
            ("async fn f() {}", false),
            ("struct A(u8);", false),
        ] {
            assert_eq!(by_compiler(&source.parse().expect("tokens")), refused, "{source}");
        }
    }
}
