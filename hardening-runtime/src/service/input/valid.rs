//! Rules of types, checked before a handler runs.

use axum::extract::{FromRequest, FromRequestParts, Request};
use garde::Validate;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::json::{self, Json};
use super::super::problem::Problem;
use super::super::words::short_name;
use super::{Form, Path, Query};

/// The most fields that one answer names.
const MOST: usize = 50;

/// Input that keeps the rules of its type: around [`Json`], [`Query`], [`Path`] or [`Form`].
///
/// What breaks them is 422 with problem+json that names each field and says why. See `garde` for the rules.
///
/// ```
/// use hardening_runtime::service::Json;
/// use hardening_runtime::service::input::Valid;
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// #[serde(deny_unknown_fields)]
/// struct Order {
///     #[garde(length(min = 1, max = 40))]
///     sku: String,
///     #[garde(range(min = 1, max = 100))]
///     quantity: u32,
/// }
///
/// async fn order(Valid(Json(order)): Valid<Json<Order>>) -> String {
///     format!("{} of {}", order.quantity, order.sku)
/// }
/// # axum::Router::<()>::new().route("/", axum::routing::post(order));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Valid<T>(pub T);

impl<T, S> FromRequest<S> for Valid<Json<T>>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = json::body(request, state).await?;
        let value: T = json::read(&body)?;
        check(&value, || serde_json::from_slice(&body).unwrap_or_default())?;
        Ok(Self(Json(value)))
    }
}

impl<T, S> FromRequest<S> for Valid<Form<T>>
where
    T: DeserializeOwned + Validate,
    T::Context: Default,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Form(value): Form<T> = Form::from_request(request, state).await?;
        check(&value, Value::default)?;
        Ok(Self(Form(value)))
    }
}

macro_rules! of_parts {
    ($($extractor:ident)*) => {$(
        impl<T, S> FromRequestParts<S> for Valid<$extractor<T>>
        where
            T: DeserializeOwned + Send + Validate,
            T::Context: Default,
            S: Send + Sync,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let $extractor(value): $extractor<T> = $extractor::from_request_parts(parts, state).await?;
                check(&value, Value::default)?;
                Ok(Self($extractor(value)))
            }
        }
    )*};
}

of_parts! { Query Path }

fn check<T>(value: &T, sent: impl FnOnce() -> Value) -> Result<(), Problem>
where
    T: Validate,
    T::Context: Default,
{
    let Err(report) = value.validate() else { return Ok(()) };
    let sent = sent();
    let broken = report.into_inner();
    let more = broken.len().saturating_sub(MOST);
    let mut problem = Problem::validation();
    if more > 0 {
        problem = problem.detail(format!("{more} more fields are wrong."));
    }
    for (path, error) in broken.into_iter().take(MOST) {
        let field = short_name(&as_sent(&path.to_string(), &sent));
        problem = if field.is_empty() && more == 0 {
            problem.detail(error.message().to_owned())
        } else {
            problem.field(field, error.message())
        };
    }
    Err(problem)
}

/// The path as the client wrote it: a rule knows the field by its name in the code, and serde may have renamed all of a
/// type's fields to another case.
fn as_sent(path: &str, sent: &Value) -> String {
    let (mut told, mut at) = (String::with_capacity(path.len()), Some(sent));
    for part in path.split('.') {
        let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        let object = at.and_then(Value::as_object);
        let key = object.and_then(|object| {
            object.get_key_value(name).or_else(|| object.iter().find(|(key, _)| plain(key).eq(plain(name))))
        });
        if !told.is_empty() {
            told.push('.');
        }
        told.push_str(key.map_or(name, |(key, _)| key));
        told.push_str(indexes);
        at = key.map(|(_, value)| value);
        for index in indexes.split(['[', ']']).filter(|index| !index.is_empty()) {
            at = at.and_then(|list| list.get(index.parse::<usize>().ok()?));
        }
    }
    told
}

/// The letters and digits of a name, whatever its case.
fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_named_as_they_were_sent() {
        let sent =
            json!({"unitPrice": 1, "LINES": [{"skuCode": 1}, [{"max-size": 1}]], "a_b": {"a_b": 1, "aB": 2}});
        for (path, told) in [
            ("unit_price", "unitPrice"),
            ("lines[0].sku_code", "LINES[0].skuCode"),
            ("lines[1][0].max_size", "LINES[1][0].max-size"),
            ("a_b.a_b", "a_b.a_b"),
            ("absent_one.other", "absent_one.other"),
            ("lines[9].sku_code", "LINES[9].sku_code"),
            ("", ""),
        ] {
            assert_eq!(as_sent(path, &sent), told);
        }
    }
}
