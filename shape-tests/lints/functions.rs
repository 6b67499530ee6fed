//! Deliberate lints: in signatures, in bodies, of the compiler and of clippy.

use hardening::Rejected;

#[attributes]
pub async fn unneeded_mut_argument(mut number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn unneeded_mut_in_a_pattern((mut left, right): (u32, u32)) -> Result<u32, Rejected> {
    pause().await;
    Ok(left + right)
}

#[attributes]
pub async fn unneeded_mut_local(number: u32) -> Result<u32, Rejected> {
    let mut sum = number + 1;
    pause().await;
    Ok(sum)
}

#[attributes]
pub async fn unused_argument(number: u32, other: String) -> Result<u32, Rejected> {
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn unused_in_patterns((left, right): (u32, u32), Pair { first, second }: Pair) -> Result<u32, Rejected> {
    pause().await;
    Ok(left + second)
}

#[attributes]
pub async fn unused_local(number: u32) -> Result<u32, Rejected> {
    let unused = number + 1;
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn assigned_and_never_used(mut number: u32) -> Result<u32, Rejected> {
    pause().await;
    let result = Ok(number);
    number = 3;
    result
}

#[attributes]
pub async fn overwritten_before_it_is_read(mut number: u32) -> Result<u32, Rejected> {
    number = 3;
    pause().await;
    let mut other = 1;
    other = number;
    Ok(other)
}

#[attributes]
pub async fn unused_must_use(number: u32) -> Result<u32, Rejected> {
    answer();
    number.wrapping_add(1);
    pause();
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn unused_value(number: u32) -> Result<u32, Rejected> {
    number == 1;
    number;
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn unreachable(number: u32) -> Result<u32, Rejected> {
    pause().await;
    return Ok(number);
    answer().ok();
}

#[attributes]
pub async fn unreachable_after_a_panic(number: u32) -> Result<u32, Rejected> {
    pause().await;
    panic!("{}", number);
    Ok(number)
}

#[attributes]
pub async fn needless_return(number: u32) -> Result<u32, Rejected> {
    pause().await;
    return Ok(number);
}

#[attributes]
pub async fn needless_return_in_branches(number: u32) -> Result<u32, Rejected> {
    pause().await;
    if number > 1 {
        return Ok(number);
    } else {
        return Ok(1);
    }
}

#[attributes]
pub async fn let_and_return(number: u32) -> Result<u32, Rejected> {
    pause().await;
    let result = Ok(number);
    result
}

#[attributes]
pub async fn implicit_return(number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(number)
}

#[attributes]
pub async fn shadowed(number: u32, text: String) -> Result<u32, Rejected> {
    let number = number;
    let text = text.len();
    pause().await;
    let number = number + 1;
    let text = 7;
    Ok(number + text)
}

#[attributes]
pub async fn passed_by_value(text: String, list: Vec<u32>) -> Result<u32, Rejected> {
    pause().await;
    let _length = text.len();
    Ok(list.iter().sum())
}

#[attributes]
pub async fn panics(numbers: &[u32], text: &str) -> Result<u32, Rejected> {
    pause().await;
    let number: u32 = text.parse().unwrap();
    let other: u32 = text.parse().expect("a number");
    Ok(numbers[0] + number + other)
}

#[attributes]
pub async fn question_mark(number: u32) -> Result<u32, Rejected> {
    pause().await;
    let other = answer()?;
    Ok(number + other)
}

#[attributes]
pub async fn needless_question_mark(number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(answer()?)
}

#[attributes]
pub async fn single_use_lifetime<'a>(text: &'a str) -> Result<u32, Rejected> {
    pause().await;
    Ok(u32::try_from(text.len()).unwrap_or(0))
}

#[attributes]
pub async fn needless_lifetime<'view>(view: View<'view>) -> Result<u32, Rejected> {
    pause().await;
    Ok(view.number + u32::from(view.text.is_empty()))
}

#[attributes]
pub async fn unit_binding(number: u32) -> Result<u32, Rejected> {
    let unit = pause().await;
    let _kept = unit;
    Ok(number)
}

#[attributes]
pub async fn qualified(number: u32) -> core::result::Result<u32, hardening::Rejected> {
    pause().await;
    core::result::Result::Ok(std::convert::identity::<u32>(number))
}

#[attributes]
pub async fn casts(number: u32, wide: u64) -> Result<u32, Rejected> {
    pause().await;
    Ok(number as u32 + wide as u32)
}

#[attributes]
pub async fn redundant(text: &str, number: u32) -> Result<u32, Rejected> {
    pause().await;
    let length = text.to_string().clone().len();
    if number == 1 && number == 1 {
        return Ok(0);
    }
    Ok(number + (length as u32) * 1)
}

#[attributes]
pub async fn without_an_await(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[attributes]
pub async fn matched(number: Option<u32>) -> Result<u32, Rejected> {
    pause().await;
    match number {
        Some(number) => Ok(number),
        _ => Ok(0),
    }
}

#[attributes]
pub async fn single_match(number: Option<u32>) -> Result<u32, Rejected> {
    match number {
        Some(number) => pause().await,
        None => (),
    }
    if let Some(ref number) = number {
        return Ok(*number);
    }
    Ok(1)
}

#[attributes]
pub async fn loops(numbers: Vec<u32>) -> Result<u32, Rejected> {
    let mut sum = 0;
    for at in 0..numbers.len() {
        sum += numbers[at];
    }
    loop {
        pause().await;
        break;
    }
    while let Some(number) = numbers.iter().next() {
        return Ok(*number);
    }
    Ok(sum)
}

#[attributes]
pub async fn items(number: u32) -> Result<u32, Rejected> {
    pause().await;
    fn unused_item() {}
    const UNUSED: u32 = 1;
    use std::collections::HashMap;
    struct not_camel(u32);
    let NotSnake = not_camel(number);
    Ok(NotSnake.0)
}

#[attributes]
pub async fn unused_parentheses(number: u32) -> Result<u32, Rejected> {
    pause().await;
    if (number > 1) {
        return Ok((number));
    }
    Ok({ 1 })
}

#[attributes]
pub async fn unused_labels(number: u32) -> Result<u32, Rejected> {
    'unused: loop {
        pause().await;
        if number > 0 {
            break;
        }
    }
    Ok(number)
}

#[attributes]
pub async fn macros(number: u32) -> Result<u32, Rejected> {
    pause().await;
    println!("{}", number);
    dbg!(number);
    todo!()
}

#[attributes]
pub async fn many(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: bool, i: bool) -> Result<u32, Rejected> {
    pause().await;
    Ok(a + b + c + d + e + f + g + u32::from(h) + u32::from(i))
}

#[attributes]
pub async fn large_result(number: u32) -> Result<Option<Option<u32>>, Rejected> {
    pause().await;
    Ok(Some(Some(number)))
}

#[attributes]
pub async fn levels_at_arguments(
    #[allow(unused_mut)] mut number: u32,
    #[expect(unused_variables)] other: u32,
    #[warn(unused_variables)] third: String,
    mut fourth: String,
) -> Result<usize, Rejected> {
    pause().await;
    Ok(number as usize + fourth.len())
}

#[attributes]
#[allow(unused_variables, unused_mut)]
pub async fn allowed(mut number: u32, other: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(1)
}

#[attributes]
#[expect(unused_variables)]
pub async fn expected(number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(1)
}

#[attributes]
#[expect(unused_variables)]
pub async fn expected_and_not_there(number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(number)
}

#[observed]
pub async fn value(mut number: u32, unused: u32) -> u32 {
    pause().await;
    return number;
}

#[observed]
pub async fn nothing(number: u32) {
    let number = number;
    let unused = 1;
    pause().await;
}

#[observed]
pub async fn shared(number: std::rc::Rc<u32>) -> u32 {
    pause().await;
    *number
}

/// Documented.
#[attributes]
pub async fn documented(number: u32) -> Result<u32, Rejected> {
    pause().await;
    if number == 0 { panic!("none") } else { Ok(number) }
}

#[derive(Clone)]
pub struct Shop {
    id: u32,
}

impl Shop {
    #[attributes]
    pub async fn unused_self(&self, mut number: u32) -> Result<u32, Rejected> {
        pause().await;
        Ok(number)
    }

    #[attributes]
    pub async fn owned(mut self) -> Result<u32, Rejected> {
        pause().await;
        return Ok(self.id);
    }

    #[attributes]
    pub async fn passed_by_value(&self, text: String) -> Result<u32, Rejected> {
        pause().await;
        let id = self.id;
        let id = id + u32::from(text.is_empty());
        Ok(id)
    }
}

async fn never_used(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[attributes]
async fn never_used_either(number: u32) -> Result<u32, Rejected> {
    pause().await;
    Ok(number)
}

#[derive(Clone)]
pub struct Pair {
    first: u32,
    second: u32,
}

#[derive(Clone)]
pub struct View<'a> {
    text: &'a str,
    number: u32,
}

pub const KEY: u32 = 7;

async fn pause() {
    tokio::task::yield_now().await;
}

fn answer() -> Result<u32, Rejected> {
    Ok(1)
}
