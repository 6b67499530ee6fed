//! Where a body begins and ends: items first, and last expressions whose temporaries borrow an argument, which editions
//! before 2024 drop late.

#![deny(warnings, clippy::all, clippy::pedantic)]

use std::sync::{Arc, Mutex};

use hardening::{Rejected, cached, fallback, hardened, retry, timeout};

#[timeout(1s)]
async fn locked(state: Arc<Mutex<Vec<u8>>>) -> Result<usize, Rejected> {
    std::future::ready(()).await;
    Ok(state.lock().unwrap().len())
}

#[retry(idempotent)]
async fn locked_again(mut state: Arc<Mutex<Vec<u8>>>) -> Result<usize, Rejected> {
    std::future::ready(()).await;
    let _ = Arc::get_mut(&mut state);
    Ok(state.lock().unwrap().len())
}

#[hardened]
async fn matched((state, _): (Arc<Mutex<Vec<u8>>>, u8)) -> usize {
    std::future::ready(()).await;
    match state.lock().unwrap().first() {
        Some(first) => usize::from(*first),
        None => 0,
    }
}

#[fallback(Ok(state.lock().unwrap().len()))]
#[cached(ttl = 1s, key = state.lock().unwrap().len())]
async fn looked_at(state: Arc<Mutex<Vec<u8>>>) -> Result<usize, Rejected> {
    use std::collections::BTreeSet;

    fn count(all: &BTreeSet<u8>) -> usize {
        all.len()
    }

    std::future::ready(()).await;
    Ok(count(&state.lock().unwrap().iter().copied().collect()))
}

struct Shelf(Mutex<Vec<u8>>);

impl Shelf {
    #[timeout(1s)]
    async fn taken(self) -> Result<usize, Rejected> {
        std::future::ready(()).await;
        Ok(self.0.lock().unwrap().len())
    }
}

#[tokio::test]
async fn temporaries_end_before_arguments() {
    let state = Arc::new(Mutex::new(vec![1, 2]));
    assert_eq!(locked(state.clone()).await.unwrap(), 2);
    assert_eq!(locked_again(state.clone()).await.unwrap(), 2);
    assert_eq!(matched((state.clone(), 0)).await, 1);
    assert_eq!(looked_at(state).await.unwrap(), 2);
    assert_eq!(Shelf(Mutex::new(vec![1])).taken().await.unwrap(), 1);
}
