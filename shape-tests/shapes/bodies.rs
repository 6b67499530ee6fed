// Bodies: control flow, items, shadowing, nested blocks, and what is held across an await.

//# early_return
//# pairs
//# call: shape("a".to_owned())
//# key: text
//# fallback: Ok(text.len())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    if text.is_empty() {
        return Err(Error::NotFound);
    }
    pause().await;
    if text.len() > 3 {
        return Ok(consume(text));
    }
    Ok(0)
}

//# only_a_return
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    return Ok(number);
}

//# question_mark
//# pairs
//# call: shape("1")
#[attributes]
pub async fn shape(text: &str) -> Result<u32, Error> {
    let number: u32 = text.parse()?;
    pause().await;
    let other = text.parse::<u32>()?;
    Ok(number + other)
}

//# empty_with_todo
//# call: shape(1)
#[attributes]
pub async fn shape(_number: u32) -> Result<u32, Error> {
    todo!()
}

//# labelled_blocks
//# call: shape(vec![1, 2])
#[attributes]
pub async fn shape(numbers: Vec<u32>) -> Result<u32, Error> {
    let first = 'found: {
        for number in &numbers {
            pause().await;
            if *number > 1 {
                break 'found *number;
            }
        }
        return Err(Error::NotFound);
    };
    Ok(first)
}

//# loops_with_values
//# pairs
//# call: shape(3)
#[attributes]
pub async fn shape(mut left: u32) -> Result<u32, Error> {
    let found = 'outer: loop {
        loop {
            pause().await;
            left -= 1;
            if left == 1 {
                continue 'outer;
            }
            if left == 0 {
                break 'outer 7;
            }
        }
    };
    Ok(found)
}

//# let_else
//# call: shape(Some("a".to_owned()))
#[attributes]
pub async fn shape(text: Option<String>) -> Result<usize, Error> {
    let Some(text) = text else { return Err(Error::NotFound) };
    pause().await;
    if let Some(first) = text.chars().next()
        && first.is_alphabetic()
    {
        return Ok(1);
    }
    Ok(consume(text))
}

//# nested_blocks
//# pairs
//# call: shape("a".to_owned(), 2)
//# key: text
#[attributes]
pub async fn shape(text: String, number: u32) -> Result<usize, Error> {
    let inner = async { Ok::<_, Error>(text.len()) };
    let other = async move {
        pause().await;
        number as usize
    };
    Ok(inner.await? + other.await)
}

//# closures
//# call: shape("a".to_owned(), 2)
#[attributes]
pub async fn shape(text: String, number: u32) -> Result<usize, Error> {
    let add = |more: u32| text.len() + (number + more) as usize;
    let sum = add(1);
    pause().await;
    let take = move || consume(text);
    Ok(take() + sum)
}

//# asynchronous_closures
//# call: shape("a".to_owned())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    let then = async |more: usize| {
        pause().await;
        text.len() + more
    };
    Ok(then(1).await)
}

//# local_items
//# pairs
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    use std::collections::BTreeMap as Map;
    const LIMIT: u32 = 3;
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    struct Local(u32);
    impl Local {
        fn get(&self) -> u32 {
            self.0
        }
    }
    enum Kind {
        One,
    }
    macro_rules! double {
        ($e:expr) => {
            $e * 2
        };
    }
    fn helper(number: u32) -> u32 {
        number + LIMIT
    }
    async fn other(number: u32) -> Result<u32, Error> {
        pause().await;
        Ok(number)
    }
    let mut map = Map::new();
    map.insert(number, Kind::One);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let Some(Kind::One) = map.get(&number) else { return Err(Error::NotFound) };
    Ok(double!(helper(other(number).await?)) + Local(1).get())
}

//# items_named_like_ours
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    static SITE: u32 = 1;
    static TASK: u32 = 2;
    const CHECK: u32 = 3;
    mod __private {
        pub const NUMBER: u32 = 4;
    }
    fn refusable() -> u32 {
        5
    }
    pause().await;
    Ok(number + SITE + TASK + CHECK + __private::NUMBER + refusable())
}

//# shadowed_arguments
//# pairs
//# call: shape("a".to_owned(), 1)
//# key: text
#[attributes]
pub async fn shape(text: String, number: u32) -> Result<usize, Error> {
    let text = text.len();
    let number = { let number = number + 1; number };
    pause().await;
    let text = move || text;
    Ok(text() + number as usize)
}

//# locals_named_like_ours
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    let call = number;
    let outcome = call + 1;
    let body = outcome;
    let (settled, held, ticket) = (1, 2, 3);
    pause().await;
    let result = call + body + settled + held + ticket;
    Ok(result)
}

//# held_across_an_await
//# call: shape("a".to_owned())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    let part = text.as_str();
    pause().await;
    let parts: Vec<&str> = part.split(',').collect();
    pause().await;
    Ok(parts.len())
}

//# exclusive_borrow_across_an_await
//# call: shape(vec![1])
#[attributes]
pub async fn shape(mut list: Vec<u32>) -> Result<usize, Error> {
    let last = list.last_mut();
    pause().await;
    if let Some(last) = last {
        *last += 1;
    }
    Ok(list.len())
}

//# local_cell_across_an_await
//# call: shape(1)
//# auto: !Sync
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    let cell = Cell::new(number);
    pause().await;
    cell.set(2);
    Ok(cell.get())
}

//# local_rc_across_an_await
//# call: shape(1)
//# auto: !Send !Sync
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    let shared = Rc::new(number);
    pause().await;
    Ok(*shared)
}

//# local_rc_between_awaits
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    let sum = {
        let shared = Rc::new(number);
        *shared + 1
    };
    pause().await;
    Ok(sum)
}

//# recursion
//# pairs
//# call: shape(2)
//# key: left
//# fallback: Ok(left)
//# auto: !Sync
#[attributes]
pub async fn shape(left: u32) -> Result<u32, Error> {
    pause().await;
    if left == 0 {
        return Ok(0);
    }
    Ok(boxed(left - 1).await? + 1)
}
fn boxed(left: u32) -> Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>> {
    Box::pin(shape(left))
}

//# plain_recursion
//# call: shape(2)
#[attributes]
pub async fn shape(left: u32) -> Result<u32, Error> {
    if left == 0 {
        return Ok(0);
    }
    Ok(Box::pin(shape(left - 1)).await? + 1)
}

//# joined
//# call: shape("a".to_owned())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    let (left, right) = tokio::join!(async { text.len() }, async { text.len() + 1 });
    Ok(left + right)
}

//# selected
//# call: shape("a".to_owned())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    tokio::select! {
        () = pause() => Ok(text.len()),
        () = std::future::ready(()) => Err(Error::NotFound),
    }
}

//# spawned
//# call: shape("a".to_owned())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    let task = tokio::spawn(async move {
        pause().await;
        text.len()
    });
    task.await.map_err(|_| Error::NotFound)
}

//# macros_of_the_library
//# call: shape(1, "a")
#[attributes]
pub async fn shape(number: u32, text: &str) -> Result<u32, Error> {
    assert!(number > 0, "{number}");
    assert_eq!(text.len(), 1, "{text} has {number}");
    pause().await;
    if matches!(text, "a" | "b") {
        return Ok(number);
    }
    Err(Error::Other(format!("{text}{number:?}{0}", 1)))
}

//# unsafe_function
//# call: unsafe { shape(1) }
#[attributes]
pub async unsafe fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# restricted_visibility
//# call: shape(1)
#[attributes]
pub(in super::super) async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# moved_in_a_branch
//# call: shape("a".to_owned(), true)
#[attributes]
pub async fn shape(text: String, now: bool) -> Result<usize, Error> {
    if now {
        drop(text);
        pause().await;
        return Ok(0);
    }
    pause().await;
    Ok(text.len())
}

//# partly_moved
//# call: shape(Order::default())
#[attributes]
pub async fn shape(order: Order) -> Result<usize, Error> {
    let lines = order.lines;
    pause().await;
    Ok(lines.into_iter().count() + order.id as usize)
}

//# partly_moved_into_a_closure
//# call: shape(Order::default())
#[attributes]
pub async fn shape(order: Order) -> Result<usize, Error> {
    let take = move || order.lines;
    pause().await;
    Ok(take().len())
}

//# assigned_later
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<String, Error> {
    let text;
    if number > 1 {
        text = "many";
    } else {
        text = "one";
    }
    pause().await;
    Ok(text.to_owned())
}
