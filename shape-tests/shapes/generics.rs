// Generic functions: types, constants, lifetimes, closures.

//# of_send
//# call: shape(Unique(1))
//# not retry, hedged: `T` is not `Clone`, and the body uses up `value`
#[attributes]
pub async fn shape<T: Send>(value: T) -> Result<usize, Error> {
    pause().await;
    let size = std::mem::size_of_val(&value);
    drop(value);
    Ok(size)
}

//# of_send_not_sync
//# pairs
//# call: shape(Cell::new(1))
//# not retry, hedged: `T` is not `Clone`, and the body uses up `value`
//# auto: !Sync
#[attributes]
pub async fn shape<T: Send>(value: T) -> Result<usize, Error> {
    pause().await;
    drop(value);
    Ok(1)
}

//# of_send_in_an_exclusive_borrow
//# call: shape(&mut Cell::new(1))
//# not hedged: two bodies cannot both have the `&mut` argument
//# auto: !Sync
#[attributes]
pub async fn shape<T: Send>(value: &mut T) -> Result<usize, Error> {
    pause().await;
    Ok(std::mem::size_of_val(value))
}

//# of_send_and_clone
//# pairs
//# call: shape("a".to_owned())
//# key: std::mem::size_of_val(&value)
#[attributes]
pub async fn shape<T: Send + Clone>(value: T) -> Result<usize, Error> {
    pause().await;
    drop(value);
    Ok(1)
}

//# of_anything
//# call: shape(Rc::new(1))
//# auto: !Send !Sync
#[attributes]
pub async fn shape<T: Clone>(value: T) -> Result<usize, Error> {
    pause().await;
    drop(value);
    Ok(1)
}

//# returning_a_parameter
//# pairs
//# call: shape(Order::default())
//# fallback: Err(error.clone())
#[attributes]
pub async fn shape<T>(value: T) -> Result<T, Error>
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    pause().await;
    Ok(value)
}

//# generic_error
//# call: shape::<Error>(1)
#[attributes]
pub async fn shape<E>(number: u32) -> Result<u32, E>
where
    E: From<hardening::Rejected> + From<Error> + Clone + serde::Serialize + serde::de::DeserializeOwned,
{
    pause().await;
    if number == 0 { Err(Error::NotFound.into()) } else { Ok(number) }
}

//# const_generic
//# pairs
//# call: shape([1, 2])
#[attributes]
pub async fn shape<const N: usize>(numbers: [u32; N]) -> Result<usize, Error> {
    pause().await;
    Ok(numbers.iter().sum::<u32>() as usize + N)
}

//# const_generic_of_a_type
//# call: shape::<3, true, _>("a".to_owned())
#[attributes]
pub async fn shape<const N: usize, const B: bool, T: Clone + Send>(value: T) -> Result<usize, Error> {
    pause().await;
    let all: [T; N] = std::array::from_fn(|_| value.clone());
    Ok(if B { all.len() } else { 0 })
}

//# named_lifetime
//# call: shape("a", "b")
#[attributes]
pub async fn shape<'a>(left: &'a str, right: &'a str) -> Result<u32, Error> {
    pause().await;
    Ok(if std::ptr::eq(left, right) { 1 } else { 2 })
}

//# two_lifetimes
//# call: shape(&vec!["a".to_owned()], "b")
//# not cached: a borrowed result is not `'static`
//# not idempotent: a borrowed result cannot be given again
#[attributes]
pub async fn shape<'list, 'b: 'list>(list: &'list [String], other: &'b str) -> Result<&'list str, Error> {
    pause().await;
    Ok(list.first().map_or(other, |first| first))
}

//# elided_lifetime
//# pairs
//# call: shape("a", 1)
//# not cached: a borrowed result is not `'static`
//# not idempotent: a borrowed result cannot be given again
//# fallback: Ok(text)
#[attributes]
pub async fn shape(text: &str, from: usize) -> Result<&str, Error> {
    pause().await;
    Ok(text.get(from..).unwrap_or(text))
}

//# anonymous_lifetime
//# call: shape("a", true)
//# not cached: a borrowed result is not `'static`
//# fallback: Ok(text.into())
#[attributes]
pub async fn shape(text: &str, upper: bool) -> Result<Cow<'_, str>, Error> {
    pause().await;
    Ok(if upper { text.to_uppercase().into() } else { text.into() })
}

//# lifetime_in_a_type
//# pairs
//# call: shape(View { text: "a" }, Cow::Borrowed("b"))
//# key: view.text
//# before: #[derive(Clone)] pub struct View<'a> { text: &'a str }
#[attributes]
pub async fn shape(view: View<'_>, other: Cow<'_, str>) -> Result<usize, Error> {
    pause().await;
    Ok(view.text.len() + other.into_owned().len())
}

//# borrowed_exclusively_and_returned
//# pairs
//# call: shape(&mut vec![1])
//# not retry: the returned value borrows from the `&mut` argument that the next attempt needs
//# not hedged: two bodies cannot both have the `&mut` argument
//# not cached: a borrowed result is not `'static`
//# not idempotent: a borrowed result cannot be given again
//# not fallback: no other value than the argument can be had, which the body holds
#[attributes]
pub async fn shape(list: &mut [u32]) -> Result<&mut u32, Error> {
    pause().await;
    list.first_mut().ok_or(Error::NotFound)
}

//# static_reference
//# call: shape("a")
#[attributes]
pub async fn shape(text: &'static str) -> Result<usize, Error> {
    pause().await;
    Ok(text.len())
}

//# higher_ranked
//# pairs
//# call: shape(str::trim, &["a"])
#[attributes]
pub async fn shape<F>(read: F, texts: &[&str]) -> Result<usize, Error>
where
    F: for<'a> Fn(&'a str) -> &'a str + Clone,
{
    pause().await;
    Ok(texts.iter().map(|text| read(text).len()).sum())
}

//# higher_ranked_behind_a_pointer
//# call: shape(&|text| text.len(), "a")
#[attributes]
pub async fn shape(read: &(dyn for<'a> Fn(&'a str) -> usize + Send + Sync), text: &str) -> Result<usize, Error> {
    pause().await;
    Ok(read(text))
}

//# function_pointer
//# call: shape(str::len, "a")
#[attributes]
pub async fn shape(read: for<'a> fn(&'a str) -> usize, text: &str) -> Result<usize, Error> {
    pause().await;
    Ok(read(text))
}

//# where_clause
//# call: shape(vec![1_u32], 2)
//# key: number
#[attributes]
pub async fn shape<I, N>(numbers: I, number: N) -> Result<usize, Error>
where
    I: IntoIterator<Item = N> + Clone,
    for<'a> &'a N: std::ops::Add<u32>,
    N: Eq + Copy + std::hash::Hash + ToOwned<Owned = N> + Send + Sync + 'static,
{
    pause().await;
    Ok(numbers.into_iter().filter(|other| *other == number).count())
}

//# impl_trait_argument
//# pairs
//# call: shape("a")
#[attributes]
pub async fn shape(text: impl Into<String> + Clone) -> Result<usize, Error> {
    pause().await;
    let text: String = text.into();
    Ok(text.len())
}

//# impl_trait_not_clone
//# call: shape(Unique(1))
//# before: trait Number { fn number(self) -> u32; } impl Number for Unique { fn number(self) -> u32 { self.0 } }
//# not retry, hedged: the body uses up `value`, which is not `Clone`
#[attributes]
async fn shape(value: impl Number) -> Result<u32, Error> {
    pause().await;
    Ok(value.number())
}

//# closure_once
//# pairs
//# call: shape({ let cell = Cell::new(1); move || cell.into_inner() })
//# not retry, hedged: the body uses up `make`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(make: impl FnOnce() -> u32 + Send) -> Result<u32, Error> {
    pause().await;
    Ok(make())
}

//# closure_mut
//# call: shape(|| ())
//# not retry, hedged: the body mentions `then`, which is not `Clone`
#[attributes]
pub async fn shape(mut then: impl FnMut()) -> Result<u32, Error> {
    then();
    pause().await;
    then();
    Ok(1)
}

//# asynchronous_closure
//# call: shape(async |number: u32| number)
#[attributes]
pub async fn shape(then: impl AsyncFn(u32) -> u32 + Clone) -> Result<u32, Error> {
    Ok(then(1).await + then(2).await)
}

//# future_argument
//# call: shape(async { 1 })
//# not retry, hedged: the body uses up `future`, which is not `Clone`
#[attributes]
pub async fn shape(future: impl Future<Output = u32>) -> Result<u32, Error> {
    Ok(future.await)
}

//# pinned_future_argument
//# call: shape(Box::pin(async { 1 }))
//# not retry, hedged: the body uses up `future`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(future: Pin<Box<dyn Future<Output = u32> + Send>>) -> Result<u32, Error> {
    Ok(future.await)
}

//# explicit_captures
//# call: shape("a", PhantomData::<Cell<u32>>)
//# auto: !Sync
#[attributes]
pub async fn shape<T: Send>(text: &str, kind: PhantomData<T>) -> Result<usize, Error> {
    pause().await;
    let kind: PhantomData<T> = kind;
    Ok(text.len() + std::mem::size_of_val(&kind))
}
