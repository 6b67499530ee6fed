//! Names of fields as lines have them: each is quoted, and looked at for secrets, once for each thread.

use crate::telemetry::redact;

/// Members of every line; a field of the same name gets a prefix.
const OURS: [&str; 4] = ["time", "level", "target", "spans"];

/// How many names a thread keeps. Each has one of a few places, and the last one that needs the last of them has it.
const KEPT: usize = 1 << KEPT_BITS;
const KEPT_BITS: u32 = 6;
const PLACES: usize = 4;

/// What is known of a name.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// `"name":`, unless it has to be called otherwise.
    pub(super) json: Option<Box<[u8]>>,
    /// Whether its value must not be told.
    pub(super) secret: bool,
}

impl Known {
    #[cold]
    fn new(name: &'static str) -> Self {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        let plain = !is_ours(name) && name.bytes().all(letters);
        let json = plain.then(|| format!("\"{name}\":").into_bytes().into());
        Self { name, json, secret: redact::is_secret(name) }
    }
}

/// Where a name is looked for first, by where it lies in memory.
fn first_place(name: &'static str) -> usize {
    let mixed = (name.as_ptr().addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - KEPT_BITS)) as usize
}

/// The names of the last lines. Names of fields are literals of the program.
#[derive(Debug, Default)]
pub(super) struct Names {
    kept: Vec<Option<Known>>,
    /// How many names of secrets there were when these were looked at.
    secrets: usize,
}

impl Names {
    pub(super) fn of(&mut self, name: &'static str) -> &Known {
        let secrets = redact::names();
        if self.kept.is_empty() || self.secrets != secrets {
            self.kept = vec![None; KEPT];
            self.secrets = secrets;
        }
        let first = first_place(name);
        let places = first..first + PLACES;
        let is_free =
            |place: &Option<Known>| place.as_ref().is_none_or(|known| std::ptr::eq(known.name, name));
        let at = places.clone().find(|at| is_free(&self.kept[at % KEPT])).unwrap_or(places.end - 1) % KEPT;
        let place = &mut self.kept[at];
        if !is_free(place) {
            *place = None;
        }
        place.get_or_insert_with(|| Known::new(name))
    }
}

/// Whether every line has a member of this name.
pub(super) fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_the_name_of_a_secret_is_looked_at_anew() {
        let mut names = Names::default();
        assert!(!names.of("shoe_size_of_the_king").secret);
        redact::add_name("of_the_king");
        assert!(names.of("shoe_size_of_the_king").secret);
        assert!(!names.of("shoe_size").secret);
    }

    #[test]
    fn more_names_than_are_kept_stay_apart() {
        let mut names = Names::default();
        let all: Vec<&'static str> = (0..2 * KEPT).map(|number| &*format!("name{number}").leak()).collect();
        for _ in 0..2 {
            for name in &all {
                let json = names.of(name).json.as_deref();
                assert_eq!(json, Some(format!("\"{name}\":").as_bytes()));
            }
        }
        for odd in ["level", "a\"b"] {
            assert_eq!(names.of(odd).json, None, "{odd}");
        }
    }
}
