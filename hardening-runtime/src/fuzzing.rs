//! Inputs for parsers of what strangers send: seeds of the right form, and what a random generator with a known seed makes of them.
//!
//! Each parser has a module `fuzz` whose tests give seeds, the words of its grammar, and properties that hold whatever comes. They
//! run over a few thousand inputs with all other tests, and over as many as `HARDENING_FUZZ_INPUTS` says by `cargo xtask fuzz`.

use std::cell::RefCell;

use fastrand::Rng;

use crate::clock;

/// Inputs of each parser where the environment does not say how many.
const USUAL: u64 = 5_000;
/// Inputs that are changed further; the rest of the pool are seeds, which stay.
const POOL: usize = 256;
/// The longest input, in bytes.
const LONGEST: usize = 4096;

/// Bytes that mean something to some parser.
const TELLING: &[u8] = b"\0\t\n\r \"#%&'()*+,-./09:;<=>?@AZ[\\]^_`afz{|}~\x7f\x80\xc3\xff";

/// Has `property` look at every input; what it asserts is shown with the input that breaks it.
pub(crate) fn run(name: &str, seeds: &[&[u8]], words: &[&[u8]], mut property: impl FnMut(&[u8])) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let asked = number("HARDENING_FUZZ_INPUTS");
    let (inputs, began) = (asked.unwrap_or(USUAL), clock::now());
    let seed = number("HARDENING_FUZZ_SEED").unwrap_or(13);
    let mut maker = Maker { random: Rng::with_seed(seed), seeds, words, pool: Vec::new() };
    let shown = Shown { name, seed, input: RefCell::default() };
    let mut look = |input: &[u8]| {
        input.clone_into(&mut shown.input.borrow_mut());
        property(input);
    };
    for seed in seeds.iter().chain([&&b""[..]]) {
        look(seed);
    }
    for _ in 0..inputs {
        look(&maker.next());
    }
    if asked.is_some() {
        let seconds = (clock::now() - began) / 1_000_000_000;
        println!("{name}: {inputs} inputs from seed {seed} in {seconds} s, every property holds");
    }
}

/// The same for texts: an input that is no UTF-8 is read as far as it is.
pub(crate) fn run_text(name: &str, seeds: &[&str], words: &[&str], mut property: impl FnMut(&str)) {
    let [seeds, words] =
        [seeds, words].map(|texts| texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
    run(name, &seeds, &words, |input| property(&String::from_utf8_lossy(input)));
}

/// Shows the input of a property that does not hold.
struct Shown<'n> {
    name: &'n str,
    seed: u64,
    input: RefCell<Vec<u8>>,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{} (HARDENING_FUZZ_SEED={}): b\"{}\"",
                self.name,
                self.seed,
                self.input.borrow().escape_ascii()
            );
        }
    }
}

/// Makes inputs.
struct Maker<'s> {
    random: Rng,
    seeds: &'s [&'s [u8]],
    words: &'s [&'s [u8]],
    /// Inputs that were made before: what is changed again and again gets further from the seeds.
    pool: Vec<Vec<u8>>,
}

impl Maker<'_> {
    fn next(&mut self) -> Vec<u8> {
        let mut input = self.known();
        for _ in 0..=self.random.usize(..5) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        if self.random.u8(..) < 24 {
            if self.pool.len() < POOL {
                self.pool.push(input.clone());
            } else {
                let at = self.random.usize(..POOL);
                input.clone_into(&mut self.pool[at]);
            }
        }
        input
    }

    /// A seed, an input of before, or words in any order.
    fn known(&mut self) -> Vec<u8> {
        match self.random.u8(..8) {
            0 => (0..self.random.usize(..8)).flat_map(|_| self.word()).collect(),
            1..4 if !self.pool.is_empty() => self.pool[self.random.usize(..self.pool.len())].clone(),
            _ => self.seeds[self.random.usize(..self.seeds.len())].to_vec(),
        }
    }

    fn word(&mut self) -> Vec<u8> {
        if self.words.is_empty() || self.random.u8(..4) == 0 {
            return vec![self.byte()];
        }
        self.words[self.random.usize(..self.words.len())].to_vec()
    }

    fn byte(&mut self) -> u8 {
        if self.random.bool() { TELLING[self.random.usize(..TELLING.len())] } else { self.random.u8(..) }
    }

    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.random.usize(..=input.len());
        let longest = (input.len() - from).min(32);
        from..from + self.random.usize(..=longest)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(..=input.len());
        match self.random.u8(..10) {
            0 if at < input.len() => input[at] ^= 1 << self.random.u8(..8),
            1 | 2 if at < input.len() => input[at] = self.byte(),
            3 => drop(input.splice(at..at, self.word())),
            4 => {
                let (range, word) = (self.range(input), self.word());
                drop(input.splice(range, word));
            }
            5 => {
                let range = self.range(input);
                drop(input.drain(range));
            }
            // Lists and nests grow.
            6 => {
                let (range, times) = (self.range(input), 1 << self.random.u8(..8));
                let part = input[range].repeat(times);
                drop(input.splice(at..at, part.into_iter().take(LONGEST)));
            }
            7 => {
                let other = self.known();
                let range = self.range(&other);
                drop(input.splice(at..at, other[range].iter().copied()));
            }
            8 if self.random.u8(..4) == 0 => input.truncate(at),
            _ => {
                let byte = self.byte();
                input.insert(at, byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_bounded_of_every_kind_and_the_same_each_time() {
        let all = || {
            let mut inputs = Vec::new();
            run("all", &[b"for=192.0.2.1"], &[b"for=", b"\"", b";"], |input| inputs.push(input.to_vec()));
            inputs
        };
        let inputs = all();
        assert_eq!(inputs, all());
        assert!(inputs.iter().all(|input| input.len() <= LONGEST));
        let share = |holds: fn(&[u8]) -> bool| {
            inputs.iter().filter(|input| holds(input)).count() * 100 / inputs.len()
        };
        assert!(share(|input| input.starts_with(b"for=")) > 20, "many are nearly right");
        assert!(share(|input| input.len() > 300) > 0, "some are long");
        assert!(share(|input| !input.is_ascii()) > 10, "some are no text");
        assert!(share(<[u8]>::is_empty) < 5, "few are empty");
    }
}
