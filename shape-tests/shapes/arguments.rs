// Arguments: by value, by reference, by pattern, and under names of the expansion's own.

//# none
//# pairs
//# call: shape()
#[attributes]
pub async fn shape() -> Result<u32, Error> {
    pause().await;
    Ok(1)
}

//# owned_string
//# pairs
//# call: shape("a".to_owned())
//# key: text
//# fallback: Ok(text.len())
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# borrowed_str
//# call: shape("a")
//# key: text
//# fallback: Ok(text.len())
#[attributes]
pub async fn shape(text: &str) -> Result<usize, Error> {
    pause().await;
    Ok(text.len())
}

//# exclusive_vec
//# pairs
//# call: shape(&mut vec![1])
//# not hedged: two bodies cannot both have the `&mut` argument
#[attributes]
pub async fn shape(list: &mut Vec<u32>) -> Result<usize, Error> {
    list.push(1);
    pause().await;
    Ok(list.len())
}

//# several
//# pairs
//# call: shape("a".to_owned(), &2, vec![3])
//# key: (text, number)
//# fallback: Ok(text.len() + list.len())
#[attributes]
pub async fn shape(text: String, number: &u32, list: Vec<u32>) -> Result<usize, Error> {
    pause().await;
    Ok(text.len() + usize::from(*number > 0) + list.into_iter().count())
}

//# mutable
//# pairs
//# call: shape("a".to_owned(), 1)
//# key: text
#[attributes]
pub async fn shape(mut text: String, mut left: u32) -> Result<usize, Error> {
    text.push('a');
    left += 1;
    pause().await;
    Ok(text.len() + left as usize)
}

//# tuple_pattern
//# call: shape(("a".to_owned(), 1))
//# key: text
//# fallback: Ok(text.len())
#[attributes]
pub async fn shape((text, mut number): (String, u32)) -> Result<usize, Error> {
    number += 1;
    pause().await;
    Ok(consume(text) + number as usize)
}

//# extractor
//# pairs
//# call: shape(Json(Order::default()))
//# key: order.id
//# fallback: Ok(order.lines.len())
#[attributes]
pub async fn shape(Json(order): Json<Order>) -> Result<usize, Error> {
    pause().await;
    Ok(consume_order(order))
}

//# struct_pattern_with_rest
//# call: shape(Order::default())
//# key: id
//# fallback: Ok(lines.len())
#[attributes]
pub async fn shape(Order { id, mut lines, .. }: Order) -> Result<usize, Error> {
    lines.push(id.to_string());
    pause().await;
    Ok(lines.into_iter().count())
}

//# nested_pattern
//# pairs
//# call: shape((Json(Order::default()), [1, 2, 3]), (1, (2, "a".to_owned())))
//# key: (id, first)
//# fallback: Ok(text.len())
#[attributes]
pub async fn shape(
    (Json(Order { id, lines: all, .. }), [first, ..]): (Json<Order>, [u64; 3]),
    (_, (number, text)): (u32, (u64, String)),
) -> Result<usize, Error> {
    pause().await;
    Ok(all.len() + consume(text) + (id + first + number) as usize)
}

//# ref_pattern
//# pairs
//# call: shape("a".to_owned(), (1, "b".to_owned()))
//# key: text
#[attributes]
pub async fn shape(ref text: String, (number, ref other): (u32, String)) -> Result<usize, Error> {
    pause().await;
    Ok(text.len() + number as usize + other.len())
}

//# ref_mut_pattern
//# call: shape(1, ("a".to_owned(), 2))
//# key: *number
//# not hedged: two bodies cannot both have what a `ref mut` binds
#[attributes]
pub async fn shape(ref mut number: u32, (ref mut text, other): (String, u32)) -> Result<usize, Error> {
    *number += other;
    text.push('a');
    pause().await;
    Ok(text.len() + *number as usize)
}

//# reference_pattern
//# call: shape(&1, &(2, 3))
//# key: number
#[attributes]
pub async fn shape(&number: &u32, &(left, right): &(u32, u32)) -> Result<u32, Error> {
    pause().await;
    Ok(number + left + right)
}

//# at_pattern
//# call: shape([1, 2])
#[attributes]
pub async fn shape(all @ [first, _]: [u32; 2]) -> Result<u32, Error> {
    pause().await;
    Ok(all.iter().sum::<u32>() + first)
}

//# wildcard
//# pairs
//# call: shape(Unique(1), "a".to_owned(), Unique(2))
#[attributes]
pub async fn shape(_: Unique, text: String, _: Unique) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# unused_not_clone
//# call: shape(Unique(1), 2)
#[attributes]
pub async fn shape(_unique: Unique, number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# used_not_clone
//# pairs
//# call: shape(Unique(1))
//# not retry, hedged: the body uses up `unique`, which is not `Clone`
#[attributes]
pub async fn shape(unique: Unique) -> Result<u32, Error> {
    pause().await;
    let Unique(number) = unique;
    Ok(number)
}

//# tuple_of_exclusive
//# call: shape((&mut 1, &mut vec![]))
//# not hedged: two bodies cannot both have the `&mut` arguments
#[attributes]
pub async fn shape((count, names): (&mut u32, &mut Vec<String>)) -> Result<u32, Error> {
    *count += 1;
    names.push(String::new());
    pause().await;
    Ok(*count)
}

//# raw_identifiers
//# pairs
//# call: r#match("a".to_owned(), 1, &mut 2)
//# key: r#type
//# not hedged: two bodies cannot both have the `&mut` argument
#[attributes]
pub async fn r#match(r#type: String, mut r#loop: u32, r#fn: &mut u32) -> Result<usize, Error> {
    r#loop += 1;
    *r#fn += r#loop;
    pause().await;
    Ok(consume(r#type))
}

//# names_of_our_locals
//# pairs
//# call: shape(1, 2, 3, 4, 5, 6, 7, 8)
//# key: (key, held)
//# fallback: Ok(call + outcome + settled)
#[attributes]
pub async fn shape(
    call: u32,
    outcome: u32,
    settled: u32,
    held: u32,
    ticket: u32,
    key: u32,
    charges: u32,
    verdict: u32,
) -> Result<u32, Error> {
    pause().await;
    Ok(call + outcome + settled + held + ticket + key + charges + verdict)
}

//# more_names_of_our_locals
//# call: shape("a".to_owned(), 2, 3, 4, 5, 6, 7, 8)
//# key: (this, body)
#[attributes]
pub async fn shape(
    this: String,
    result: u32,
    load: u32,
    answer: u32,
    negative: u32,
    body: u32,
    wanted: u32,
    cx: u32,
) -> Result<u32, Error> {
    pause().await;
    drop(this);
    Ok(result + load + answer + negative + body + wanted + cx)
}

//# argument_named_error
//# call: shape(1)
//# key: error
//# fallback: Ok(1)
#[attributes]
pub async fn shape(error: u32) -> Result<u32, Error> {
    pause().await;
    Ok(error)
}

//# names_of_context_keys
//# call: shape("a".to_owned(), 1, "c")
//# key: (tenant, route)
#[attributes]
pub async fn shape(tenant: String, route: u32, client_ip: &str) -> Result<usize, Error> {
    pause().await;
    Ok(consume(tenant) + route as usize + client_ip.len())
}

//# configured_arguments
//# pairs
//# call: shape("a".to_owned(), 1)
//# key: kept
//# fallback: Ok(kept.len())
#[attributes]
pub async fn shape(
    #[cfg(all())] kept: String,
    #[cfg(any())] left_out: Missing,
    #[cfg(not(any()))] number: u32,
) -> Result<usize, Error> {
    pause().await;
    Ok(consume(kept) + number as usize)
}

//# attributes_on_arguments
//# call: shape("a".to_owned(), 1)
//# key: text
#[attributes]
pub async fn shape(
    #[allow(unused_mut)] mut text: String,
    #[cfg_attr(all(), allow(unused_variables))] number: u32,
) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# format_captures
//# pairs
//# call: shape("a".to_owned(), 1)
//# key: text
//# fallback: Ok(format!("{text} {number}"))
#[attributes]
pub async fn shape(text: String, number: u32) -> Result<String, Error> {
    pause().await;
    Ok(format!("{text:>4} {number} {{text}}"))
}

//# phantom
//# call: shape(PhantomData, PhantomData)
//# auto: !Sync
#[attributes]
pub async fn shape(kind: PhantomData<Cell<u32>>, _other: PhantomData<fn() -> Rc<u32>>) -> Result<usize, Error> {
    pause().await;
    Ok(std::mem::size_of_val(&kind))
}

//# conditional_by_cfg_attr
//# call: shape(1)
#[attributes]
pub async fn shape(number: u32, #[cfg_attr(all(), cfg(any()))] gone: Missing) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# levels_of_lints_on_arguments
//# call: shape("a".to_owned(), 1, 2, "b".to_owned(), "c".to_owned())
#[deny(warnings)]
#[attributes]
pub async fn shape(
    #[allow(unused_mut)] mut text: String,
    #[expect(unused_variables)] number: u32,
    #[cfg_attr(all(), allow(unused_mut))] mut count: u32,
    #[expect(unused_variables, reason = "kept for later")] later: String,
    #[expect(unused_mut)] mut other: String,
) -> Result<usize, Error> {
    pause().await;
    Ok(text.len() + count as usize + other.len())
}
