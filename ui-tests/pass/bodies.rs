//! What a body may hold: `?`, `return`, labels, closures, nested items, macros.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::{circuit_breaker, deadline, retry, timeout};

use crate::error::{Error, pause};

#[timeout(1s)]
async fn question_mark(text: &str) -> Result<u32, Error> {
    pause().await;
    let number: u32 = text.trim().parse()?;
    Ok(number)
}

#[retry(on = Error::NotFound, idempotent)]
async fn early_return(text: &str) -> Result<u32, Error> {
    pause().await;
    if text.is_empty() {
        return Ok(0);
    }
    for (at, letter) in text.chars().enumerate() {
        if letter == 'x' {
            return Err(Error::Busy { seconds: at as u64 });
        }
    }
    Ok(1)
}

#[deadline(1s)]
async fn closures(texts: &[&str]) -> Result<Vec<u32>, Error> {
    pause().await;
    let parse = |text: &str| -> Result<u32, Error> {
        let number = text.parse::<u32>()?;
        if number == 0 {
            return Err(Error::NotFound);
        }
        Ok(number)
    };
    texts.iter().map(|text| parse(text)).collect()
}

#[circuit_breaker]
async fn blocks(texts: &[&str]) -> Result<u32, Error> {
    let inner = async {
        let first = texts.first().ok_or(Error::NotFound)?;
        pause().await;
        let number: u32 = first.parse()?;
        Ok::<_, Error>(number)
    };
    let number = match inner.await {
        Ok(number) => number,
        Err(Error::NotFound) => return Ok(0),
        Err(error) => return Err(error),
    };
    let rest = async move {
        pause().await;
        number + 1
    };
    Ok(rest.await)
}

#[retry(idempotent)]
async fn labels(rows: Vec<Vec<u32>>) -> Result<u32, Error> {
    let mut found = None;
    'rows: for row in rows {
        for number in row {
            pause().await;
            if number > 9 {
                found = Some(number);
                break 'rows;
            }
            if number == 0 {
                continue 'rows;
            }
        }
    }
    found.ok_or(Error::NotFound)
}

#[timeout(1s)]
async fn items(number: u32) -> Result<u32, Error> {
    const FACTOR: u32 = 2;
    struct Doubled(u32);
    impl Doubled {
        fn get(&self) -> u32 {
            self.0
        }
    }
    fn double(number: u32) -> Doubled {
        Doubled(number * FACTOR)
    }
    pause().await;
    Ok(double(number).get())
}

#[retry(idempotent)]
async fn macros(number: Option<u32>) -> Result<String, Error> {
    pause().await;
    let Some(number) = number else { return Err(Error::NotFound) };
    assert!(matches!(number, 1..=9), "out of range: {number}");
    let text = [number; 2].iter().map(u32::to_string).collect::<String>();
    Ok(text)
}

#[retry(idempotent)]
async fn tail_match(number: u32) -> Result<&'static str, Error> {
    pause().await;
    match number {
        0 => Err(Error::NotFound),
        1 => Ok("one"),
        _ => Ok("many"),
    }
}

#[timeout(1s)]
async fn always_fails(text: &str) -> Result<u32, Error> {
    pause().await;
    Err(Error::Busy { seconds: text.len() as u64 })
}

#[timeout(1s)]
async fn panics_by_contract(text: &str) -> Result<u32, Error> {
    pause().await;
    unreachable!("never with {text}")
}

#[timeout(1s)]
async fn joined() -> Result<(u32, u32), Error> {
    let (one, two) = tokio::join!(question_mark("1"), question_mark("2"));
    Ok((one?, two?))
}

#[retry(idempotent)]
async fn temporaries(lock: &tokio::sync::Mutex<Vec<u32>>) -> Result<usize, Error> {
    pause().await;
    lock.lock().await.push(1);
    Ok(lock.lock().await.len())
}

#[tokio::test(start_paused = true)]
async fn bodies_mean_what_they_say() {
    assert_eq!(question_mark("7").await, Ok(7));
    assert!(matches!(question_mark("seven").await, Err(Error::Number(_))));
    assert_eq!(early_return("").await, Ok(0));
    assert_eq!(early_return("ax").await, Err(Error::Busy { seconds: 1 }));
    assert_eq!(closures(&["1", "2"]).await, Ok(vec![1, 2]));
    assert_eq!(closures(&["0"]).await, Err(Error::NotFound));
    assert_eq!(blocks(&[]).await, Ok(0));
    assert_eq!(blocks(&["4"]).await, Ok(5));
    assert_eq!(labels(vec![vec![1, 0, 50], vec![2, 12]]).await, Ok(12));
    assert_eq!(items(4).await, Ok(8));
    assert_eq!(macros(Some(3)).await.unwrap(), "33");
    assert_eq!(tail_match(1).await, Ok("one"));
    assert_eq!(always_fails("ab").await, Err(Error::Busy { seconds: 2 }));
    assert_eq!(joined().await, Ok((1, 2)));
    assert_eq!(temporaries(&tokio::sync::Mutex::new(vec![])).await, Ok(1));
    assert!(tokio::spawn(panics_by_contract("a")).await.is_err_and(|error| error.is_panic()));
}
