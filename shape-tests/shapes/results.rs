// What is returned: results under their own names, errors of every kind, opaque values, nothing.

//# nothing
//# call: shape(&mut 1)
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(count: &mut u32) {
    pause().await;
    *count += 1;
}

//# plain_value
//# pairs
//# call: shape("a".to_owned())
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(text: String) -> usize {
    pause().await;
    consume(text)
}

//# never
//# pairs
//# call: shape(Unique(1))
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(unique: Unique) -> ! {
    let held = unique;
    loop {
        pause().await;
        std::hint::black_box(&held);
    }
}

//# unit_type
//# call: shape(true)
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(now: bool) -> () {
    if now {
        return;
    }
    pause().await
}

//# option
//# call: shape(Cell::new(1))
//# only hardened: a policy answers a `Result`
//# auto: !Sync
#[attributes]
pub async fn shape(cell: Cell<u32>) -> Option<u32> {
    pause().await;
    Some(cell.get()).filter(|number| *number > 0)?.checked_add(1)
}

//# opaque_value
//# call: shape(1)
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(by: u32) -> impl Fn(u32) -> u32 + Clone {
    pause().await;
    move |number| number + by
}

//# reference_counted
//# call: shape(1)
//# only hardened: a policy answers a `Result`
#[attributes]
pub async fn shape(number: u32) -> Rc<u32> {
    pause().await;
    Rc::new(number)
}

//# diverging_result
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    panic!("{number}")
}

//# endless_result
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Error> {
    loop {
        pause().await;
        std::hint::black_box(number);
    }
}

//# unit_result
//# call: shape(1)
//# fallback: Ok(())
#[attributes]
pub async fn shape(number: u32) -> Result<(), Error> {
    if number == 0 {
        return Err(Error::NotFound);
    }
    pause().await;
    Ok(())
}

//# infallible
//# call: shape(1)
//# fallback: Err(error.clone())
//# not idempotent: what cannot be had cannot be written by serde
#[attributes]
pub async fn shape(number: u32) -> Result<std::convert::Infallible, Error> {
    pause().await;
    Err(if number == 0 { Error::NotFound } else { Error::Other("none".to_owned()) })
}

//# alias
//# pairs
//# call: shape(1)
//# before: pub type Answer<T> = Result<T, Error>;
#[attributes]
pub async fn shape(number: u32) -> Answer<u32> {
    pause().await;
    Ok(number)
}

//# alias_without_parameters
//# call: shape(1)
//# before: pub type Answer = Result<u32, Error>;
#[attributes]
pub async fn shape(number: u32) -> Answer {
    pause().await;
    Ok(number)
}

//# our_alias
//# call: shape(1)
//# not idempotent: `BoxError` cannot be given again
#[attributes]
pub async fn shape(number: u32) -> hardening::Result<u32> {
    pause().await;
    if number == 0 { Err("none")? } else { Ok(number) }
}

//# rejected
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<u32, hardening::Rejected> {
    pause().await;
    Ok(number)
}

//# io_result
//# call: shape("a")
//# not idempotent: `io::Error` cannot be given again
#[attributes]
pub async fn shape(name: &str) -> std::io::Result<usize> {
    pause().await;
    let number: u32 = name.parse().map_err(std::io::Error::other)?;
    Ok(number as usize)
}

//# boxed_error
//# pairs
//# call: shape(1)
//# not idempotent: `Box<dyn Error>` cannot be given again
//# keeps: hedged Send
//# keeps: hedged Sync
#[attributes]
pub async fn shape(number: u32) -> Result<u32, Box<dyn std::error::Error>> {
    pause().await;
    if number == 0 { Err("none".into()) } else { Ok(number) }
}

//# boxed_error_that_is_sent
//# call: shape("1")
//# not idempotent: `Box<dyn Error + Send + Sync>` cannot be given again
#[attributes]
pub async fn shape(number: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync + 'static>> {
    pause().await;
    let number = number.parse::<u32>()?;
    Ok(number)
}

//# error_of_any_kind
//# call: shape("1")
//# not idempotent: the error is no type that serde writes
//# before: #[derive(Debug)] pub struct Any(#[allow(dead_code)] Box<dyn std::error::Error + Send + Sync>);
//# before: impl<E: std::error::Error + Send + Sync + 'static> From<E> for Any { fn from(error: E) -> Self { Self(Box::new(error)) } }
#[attributes]
pub async fn shape(number: &str) -> Result<u32, Any> {
    pause().await;
    let number = number.parse::<u32>()?;
    Ok(number)
}

//# error_that_is_not_sent
//# pairs
//# call: shape("1")
//# not idempotent: the error is no type that serde writes
//# before: #[derive(Debug)] pub struct Local(#[allow(dead_code)] Rc<str>);
//# before: impl From<hardening::Rejected> for Local { fn from(_: hardening::Rejected) -> Self { Self("".into()) } }
//# keeps: hedged Send
//# keeps: hedged Sync
#[attributes]
pub async fn shape(number: &str) -> Result<u32, Local> {
    pause().await;
    number.parse().map_err(|_| Local("number".into()))
}

//# value_that_is_not_sync
//# call: shape(1)
//# fallback: Ok(Cell::new(1))
//# not cached: `Cell` is not `Sync`
//# keeps: idempotent Sync
#[attributes]
pub async fn shape(number: u32) -> Result<Cell<u32>, Error> {
    pause().await;
    Ok(Cell::new(number))
}

//# value_that_is_not_sent
//# call: shape(1)
//# fallback: Ok(Rc::new(1))
//# not cached: `Rc` is not `Send`
//# not idempotent: `Rc` is no type that serde writes here
#[attributes]
pub async fn shape(number: u32) -> Result<Rc<u32>, Error> {
    pause().await;
    Ok(Rc::new(number))
}

//# opaque_inside
//# call: shape(1)
//# fallback: Err(error.clone())
//# not idempotent: an opaque value cannot be given again
#[attributes]
pub async fn shape(by: u32) -> Result<impl Fn(u32) -> u32, Error> {
    pause().await;
    Ok(move |number| number + by)
}

//# opaque_response
//# call: shape("a".to_owned())
//# fallback: Err(error.clone())
//# not idempotent: an opaque value cannot be given again
#[attributes]
pub async fn shape(text: String) -> Result<impl axum::response::IntoResponse, Error> {
    pause().await;
    Ok(([("x-length", consume(text).to_string())], "text"))
}

//# response
//# pairs
//# call: shape("a".to_owned())
//# key: text
//# fallback: Ok(().into_response())
//# not cached: a response is not `Clone`
//# keeps: idempotent Sync
#[attributes]
pub async fn shape(text: String) -> Result<axum::response::Response, Error> {
    pause().await;
    Ok(text.into_response())
}

//# boxed_trait_object
//# call: shape("a")
//# fallback: Ok(Box::new(str::to_owned))
//# not cached: a boxed closure is not `Clone`
//# not idempotent: a boxed closure cannot be given again
#[attributes]
pub async fn shape(prefix: &str) -> Result<Box<dyn Fn(&str) -> String + Send + '_>, Error> {
    pause().await;
    Ok(Box::new(move |text| format!("{prefix}{text}")))
}

//# tuple_of_many
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32) -> Result<(u32, String, Vec<Order>), Error> {
    pause().await;
    Ok((number, number.to_string(), vec![Order::default()]))
}

//# inferred_collection
//# call: shape(vec![1])
#[attributes]
pub async fn shape(numbers: Vec<u32>) -> Result<Vec<String>, Error> {
    pause().await;
    Ok(numbers.iter().map(ToString::to_string).collect())
}

//# inferred_error
//# call: shape("1")
#[attributes]
pub async fn shape(number: &str) -> Result<Vec<u32>, Error> {
    pause().await;
    number.split(',').map(|part| part.parse::<u32>().map_err(|_| Error::NotFound)).collect()
}

//# coerced_value
//# call: shape([1, 2, 3])
//# fallback: Ok(Box::new([]))
#[attributes]
pub async fn shape(numbers: [u32; 3]) -> Result<Box<[u32]>, Error> {
    pause().await;
    Ok(Box::new(numbers))
}

//# defaulted_integer
//# call: shape()
#[attributes]
pub async fn shape() -> Result<u8, Error> {
    pause().await;
    let number = 3;
    Ok(number)
}

//# own_type_named_result
//# call: shape(1)
//# only hardened: a `Result` of the user's own is none
#[derive(Clone, Copy)]
pub struct Result {
    pub count: u32,
}
#[attributes]
pub async fn shape(number: u32) -> Result {
    pause().await;
    Result { count: number }
}
