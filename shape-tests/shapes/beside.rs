// Other macros beside the attributes: above, below, around.

//# instrumented_above
//# pairs
//# call: shape("a".to_owned())
//# key: text
#[tracing::instrument(skip_all, fields(text = %text))]
#[attributes]
pub async fn shape(text: String) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# instrumented_below
//# pairs
//# call: shape("a".to_owned())
//# key: text
#[attributes]
#[tracing::instrument(skip_all, err(Debug))]
pub async fn shape(text: String) -> Result<usize, Error> {
    pause().await;
    Ok(consume(text))
}

//# instrumented_method
//# call: Shop::default().shape("a")
//# key: self.id
#[derive(Debug, Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    #[tracing::instrument(ret)]
    pub async fn shape(&self, sku: &str) -> Result<u64, Error> {
        pause().await;
        Ok(self.id + sku.len() as u64)
    }
}

//# tokio_test
//# call: async { pause().await }
#[attributes]
#[tokio::test(start_paused = true)]
async fn shape() -> Result<(), Error> {
    pause().await;
    Ok(())
}

//# documented
//# call: shape(1)
/// Above.
#[attributes]
/// Below.
#[doc = "By hand."]
#[doc(alias = "figure")]
#[must_use = "a number"]
#[inline]
#[cold]
#[track_caller]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# configured
//# call: shape(1)
#[cfg(all())]
#[attributes]
#[cfg_attr(all(), inline)]
#[allow(clippy::unused_async)]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# configured_away
//# call: async { pause().await }
#[attributes]
#[cfg(any())]
pub async fn shape(missing: Missing) -> Result<Missing, Missing> {
    missing
}

//# deprecated
//# call: shape(1)
#[attributes]
#[deprecated = "ask another"]
pub async fn shape(number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# produced_by_a_macro
//# pairs
//# call: shape("a".to_owned())
macro_rules! functions {
    ($name:ident, $argument:ident: $ty:ty => $output:ty, $body:block) => {
        #[attributes]
        pub async fn $name($argument: $ty) -> $output $body
    };
}
functions!(shape, text: String => Result<usize, Error>, {
    pause().await;
    Ok(consume(text))
});

//# arguments_of_a_macro
//# call: shape("a".to_owned(), 2)
macro_rules! functions {
    ($($name:ident: $ty:ty),* => $value:expr) => {
        #[attributes]
        pub async fn shape($($name: $ty),*) -> Result<usize, Error> {
            let call = 1;
            pause().await;
            Ok($value + call)
        }
    };
}
functions!(text: String, call: u32 => consume(text) + call as usize);

//# whole_item_through_a_macro
//# call: shape("a".to_owned())
//# key: text
macro_rules! pass {
    ($item:item) => {
        $item
    };
}
pass! {
    #[attributes]
    pub async fn shape(text: String) -> Result<usize, Error> {
        pause().await;
        Ok(consume(text))
    }
}

//# attributes_through_a_macro
//# call: shape("a".to_owned())
macro_rules! annotated {
    ($(#[$attribute:meta])* $visibility:vis async fn $name:ident($($arguments:tt)*) -> $output:ty $body:block) => {
        $(#[$attribute])*
        $visibility async fn $name($($arguments)*) -> $output $body
    };
}
annotated! {
    #[attributes]
    pub async fn shape(text: String) -> Result<usize, Error> {
        pause().await;
        Ok(consume(text))
    }
}

//# methods_of_a_macro
//# call: Shop { id: 1 }.shape("a".to_owned())
macro_rules! methods {
    ($ty:ty { $($body:tt)* }) => {
        impl $ty {
            #[attributes]
            pub async fn shape(&self, text: String) -> Result<usize, Error> {
                pause().await;
                $($body)*
            }
        }
    };
}
#[derive(Clone)]
pub struct Shop { id: usize }
methods!(Shop { Ok(1) });
impl Shop {
    pub fn id(&self) -> usize { self.id }
}

//# handler
//# call: shape(axum::extract::Query(1), Json(Order::default()))
//# key: number
//# fallback: Ok(Json(order))
//# not idempotent: axum's `Json` is no type that serde writes
#[attributes]
pub async fn shape(axum::extract::Query(number): axum::extract::Query<u64>, Json(order): Json<Order>) -> Result<Json<Order>, Error> {
    pause().await;
    Ok(Json(Order { id: number, ..order }))
}

//# routed_handler
//# call: async { let _: axum::Router = axum::Router::new().route("/", axum::routing::post(shape)); pause().await }
//# not retry, hedged: the body uses up `request`, which is not `Clone`
//# fallback: Ok(().into_response())
//# not cached: a response is not `Clone`
#[attributes]
pub async fn shape(request: Request) -> Result<axum::response::Response, hardening::Rejected> {
    pause().await;
    let (_, body) = request.into_parts();
    Ok(body.into_response())
}
