//! The time of the filter grows with the length of a text, whatever stands in it: counted in bytes that are looked at.

use super::{scan, steps, words};

/// What makes the filter look further than at one byte.
const PARTS: &[&str] = &[
    "a",
    "://",
    "://a:b/",
    "://a/@",
    "-eyJ",
    ".eyJabcdefgh",
    "eyJabcdefgh-",
    "=",
    "\"token\",",
    "bearer ",
    "-----BEGIN ",
    ":[",
    "password\\",
    "<password ",
    "<password><![CDATA[",
    "password%3D",
    "%3A%2F%2F",
    "%3A%2F%2Fa%40",
    "a%3D",
    "token=%22",
    "token=\\u0022",
    "cookie=;    ",
    "cookie=; ",
    "Digest username=a, ",
    "authorization=Digest, ",
    "\\u0022",
    "password\\u003d",
    " --token",
    "--",
    "cookie: a=\"",
    "cookie=;",
    "bearer\t",
    "token: ",
    "response=\\",
    "&quot;token&quot;:",
    "\"",
    "'",
    "%",
    "\\",
    "<password>",
    "<",
    "&",
    "&lt;",
    "&lt;password&gt;",
    "%3Cpassword%3E",
    "(",
    "password(",
    "password('",
    "token(\"",
    "token=(",
    "token={",
    "token=''",
    "token='\\'",
    "token=\"\"",
    "@",
    "a@",
    "a:b@",
    "a:b@h/",
    "_",
    "ghp_",
    "ghp_a",
    "sk-",
    "npm_",
    "-u",
    "-u ",
    "-u a",
    " -u '",
    " -u '\n",
    " -u a:",
    "--user ",
    " --user=",
    "AUTH ",
    "AUTH a",
    "NTLM ",
    "NTLM a",
    "Negotiate\t",
    "password ",
    "password is ",
    "passwordpassword",
    "password was set to ",
    "by '",
    "identified by ",
    "identified by '",
    "by\t",
    "name=",
    "name=\"password\"",
    "name=\"password\"\n\n",
    "name=\"password\"\\r\\n\\r\\n",
    "value=",
    "name=\"token\" value=",
    "value=name=",
    "value:",
    "</a>",
    "</",
    "password</",
    "<key>password</key>",
    "<a name=\"password\"",
    "<a name=\"password\">",
    "token: |\n ",
    "token: |",
    "token: |\n  a\n",
    "token: >\n",
    "token: !a ",
    "token: !",
    "token= ",
    "token =",
    "token ==",
    "token:= \\",
    "token=\\\\",
    "token:\t\t",
    "%5C%22",
    "token=%22%5C",
    "token%3D%22%5C%22",
    "token\\x3d",
    "&#61;",
    "token&#61;",
    "%25",
    "p%61",
    "%70%61%73%73%77%6f%72%64=",
    "user[password]=",
    "api key ",
    "key=",
    "key: ",
    "a key=",
    "basic a",
    "basic  ",
    "bearer \"",
    "bearer [",
    "[redacted]",
    "cookie: [redacted];",
    "token=[redacted]",
    "token=[redacted]a",
    "secret://",
    "token=secret://",
    "token: secret://a/",
    "token=${",
    "token=${A}",
    "token: ***",
    "token: the ",
    "`token`: a ",
    "\"token\",\"value\":",
    "\",\"",
    "\",  ",
    "\",\\\\",
    "password\n",
    "é",
    "password=é",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN X-----",
    "-----END ",
    "Bearer%20",
    "bearer+",
    "+",
    "bearer %20",
    "cookie%3D",
    "cookie%3A%20",
    "authorization\\u003a ",
    "authorization: Digest ",
    "hawk ",
    "authorization=hawk ,",
    "response%3D",
    "response: ",
    "0",
    "response=00000000000000000000000000000000",
    "token=\"\\",
    "{\"name\":\"password\",",
    "&equals;",
    "1",
    "password1",
    "token",
    "token_",
    "token-",
    "...",
    "eyJ",
];

/// The most that one byte of a text may cost, be it looked at as a part of a name, a label and a value.
const MOST: usize = 200;

fn cost(text: &str) -> usize {
    steps::taken();
    let _ = scan::told(text, &words::is_secret).len();
    steps::taken()
}

/// Where each byte cost in proportion to the length, it would be more than `MOST` in a text of this length.
const LONG: usize = 64 << 10;

#[track_caller]
fn is_linear(text: &str, what: &str) {
    let cost = cost(text);
    assert!(cost <= MOST * text.len(), "{what}: {cost} for {} bytes", text.len());
}

fn repeated(part: &str, bytes: usize) -> String {
    part.repeat(bytes / part.len())
}

#[test]
fn a_long_text_costs_in_proportion_to_its_length() {
    for part in PARTS {
        is_linear(&repeated(part, LONG), part);
    }
}

/// Few, since each takes its time; a thousand times as many were looked at once.
const ROUNDS: usize = 60;

#[test]
fn a_long_text_of_any_parts_costs_in_proportion_to_its_length() {
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..ROUNDS {
        let mut any = || PARTS[random.usize(..PARTS.len())];
        let part = [any(), any(), any()].concat();
        is_linear(&repeated(&part, LONG), &part);
        // One of them often, and then another often.
        let (one, other) = (any(), any());
        is_linear(&(repeated(one, LONG / 2) + &repeated(other, LONG / 2)), &format!("{one} and {other}"));
    }
}
