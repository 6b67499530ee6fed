// Methods of traits: native asynchronous ones, default bodies, and under `#[async_trait]`.

//# trait_method
//# pairs
//# call: Shop::default().shape("a".to_owned())
//# key: (self.id, sku)
//# fallback: Ok(sku.len() as u64)
trait Prices { async fn shape(&self, sku: String) -> Result<u64, Error>; }
#[derive(Default)]
struct Shop { id: u64 }
impl Prices for Shop {
    #[attributes]
    async fn shape(&self, sku: String) -> Result<u64, Error> {
        pause().await;
        Ok(self.id + consume(sku) as u64)
    }
}

//# trait_method_owned
//# call: Shop::default().shape()
//# key: self.id
trait Prices { async fn shape(self) -> Result<u64, Error>; }
#[derive(Clone, Default)]
struct Shop { id: u64 }
impl Prices for Shop {
    #[attributes]
    async fn shape(mut self) -> Result<u64, Error> {
        self.id += 1;
        pause().await;
        Ok(self.id)
    }
}

//# trait_method_exclusive
//# call: Shop(Cell::new(1)).shape(2)
//# not hedged: two bodies cannot both have `&mut self`
//# auto: !Sync
trait Prices { async fn shape(&mut self, to: u32) -> Result<u32, Error>; }
struct Shop(Cell<u32>);
impl Prices for Shop {
    #[attributes]
    async fn shape(&mut self, to: u32) -> Result<u32, Error> {
        pause().await;
        Ok(self.0.replace(to))
    }
}

//# trait_method_declared_as_a_future
//# call: Shop.shape("a")
trait Prices { fn shape(&self, sku: &str) -> impl Future<Output = Result<usize, Error>> + Send; }
struct Shop;
impl Prices for Shop {
    #[attributes]
    async fn shape(&self, sku: &str) -> Result<usize, Error> {
        pause().await;
        Ok(sku.len())
    }
}

//# trait_default_method
//# pairs
//# call: Shop.shape("a")
trait Prices {
    async fn price(&self, sku: &str) -> Result<usize, Error>;
    #[attributes]
    async fn shape(&self, sku: &str) -> Result<usize, Error> {
        Ok(self.price(sku).await? * 2)
    }
}
struct Shop;
impl Prices for Shop {
    async fn price(&self, sku: &str) -> Result<usize, Error> {
        pause().await;
        Ok(sku.len())
    }
}

//# trait_default_method_owned
//# call: Shop.shape(&1)
//# not retry, hedged: `Self` is not `Clone`
trait Prices: Sized {
    fn id(self) -> u32;
    #[attributes]
    async fn shape(self, other: &u32) -> Result<u32, Error> {
        pause().await;
        Ok(self.id() + *other)
    }
}
struct Shop;
impl Prices for Shop { fn id(self) -> u32 { 1 } }

//# generic_trait_impl
//# call: <Shelf<u32> as Store<u32>>::shape(&Shelf(vec![]), 1)
trait Store<T> { type Key; async fn shape(&self, key: Self::Key) -> Result<Vec<T>, Error>; }
struct Shelf<T>(Vec<T>);
impl<T> Store<T> for Shelf<T>
where
    T: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    type Key = u32;
    #[attributes]
    async fn shape(&self, key: Self::Key) -> Result<Vec<T>, Error> {
        pause().await;
        let mut all = self.0.clone();
        all.truncate(key as usize);
        Ok(all)
    }
}

//# async_trait_shared
//# pairs
//# call: Shop { id: 1 }.shape("a".to_owned(), "b")
//# key: (self.id, sku)
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(&self, sku: String, other: &str) -> Result<usize, Error>; }
struct Shop { id: u64 }
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(&self, sku: String, other: &str) -> Result<usize, Error> {
        pause().await;
        Ok(consume(sku) + other.len() + self.id as usize)
    }
}

//# async_trait_exclusive
//# pairs
//# call: Shop { cell: Cell::new(1) }.shape(&mut 2)
//# not hedged: two bodies cannot both have the `&mut` arguments
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(&mut self, to: &mut u32) -> Result<u32, Error>; }
struct Shop { cell: Cell<u32> }
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(&mut self, to: &mut u32) -> Result<u32, Error> {
        *to += 1;
        pause().await;
        Ok(self.cell.replace(*to))
    }
}

//# async_trait_owned
//# pairs
//# call: Shop { id: 1 }.shape()
//# key: self.id
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(self) -> Result<u64, Error>; }
#[derive(Clone)]
struct Shop { id: u64 }
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(mut self) -> Result<u64, Error> {
        self.id += 1;
        pause().await;
        Ok(self.id)
    }
}

//# async_trait_arc
//# call: Arc::new(Shop { id: 1 }).shape()
//# key: self.id
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(self: Arc<Self>) -> Result<u64, Error>; }
struct Shop { id: u64 }
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(self: Arc<Self>) -> Result<u64, Error> {
        pause().await;
        Ok(self.id)
    }
}

//# async_trait_boxed
//# call: Box::new(Shop { id: 1 }).shape()
//# key: self.id
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(self: Box<Self>) -> Result<u64, Error>; }
#[derive(Clone)]
struct Shop { id: u64 }
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(self: Box<Self>) -> Result<u64, Error> {
        pause().await;
        Ok(self.id)
    }
}

//# async_trait_associated
//# call: Shop::shape("a")
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(sku: &str) -> Result<usize, Error>; }
struct Shop;
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(sku: &str) -> Result<usize, Error> {
        pause().await;
        Ok(sku.len())
    }
}

//# async_trait_default_method
//# call: Shop.shape("a".to_owned())
//# auto: !Sync Unpin
#[async_trait]
trait Prices: Sync {
    #[attributes]
    async fn shape(&self, sku: String) -> Result<usize, Error> {
        pause().await;
        Ok(consume(sku))
    }
}
struct Shop;
impl Prices for Shop {}

//# async_trait_generic
//# call: Shop.shape(Cell::new(1), "a")
//# not retry, hedged: the body uses up `value`, which is not `Clone`
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape<'a, T: Send + 'a>(&'a self, value: T, sku: &'a str) -> Result<usize, Error>; }
struct Shop;
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape<'a, T: Send + 'a>(&'a self, value: T, sku: &'a str) -> Result<usize, Error> {
        pause().await;
        drop(value);
        Ok(sku.len())
    }
}

//# async_trait_pattern
//# call: Shop.shape((1, "a".to_owned()), Json(Order::default()))
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(&self, pair: (u32, String), order: Json<Order>) -> Result<usize, Error>; }
struct Shop;
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(&self, (number, text): (u32, String), Json(order): Json<Order>) -> Result<usize, Error> {
        pause().await;
        Ok(consume(text) + number as usize + consume_order(order))
    }
}

//# async_trait_local
//# call: Shop.shape()
//# auto: !Send !Sync Unpin
#[async_trait(?Send)]
trait Prices { async fn shape(&self) -> Result<u32, Error>; }
struct Shop;
#[async_trait(?Send)]
impl Prices for Shop {
    #[attributes]
    async fn shape(&self) -> Result<u32, Error> {
        let held = Rc::new(1);
        pause().await;
        Ok(*held)
    }
}

//# async_trait_pattern_in_a_key
//# call: Shop.shape((Order::default(), "a".to_owned()), Json(Order::default()), 1)
//# key: (id, order.id)
//# auto: !Sync Unpin
#[async_trait]
trait Prices { async fn shape(&self, pair: (Order, String), order: Json<Order>, _: u32) -> Result<usize, Error>; }
struct Shop;
#[async_trait]
impl Prices for Shop {
    #[attributes]
    async fn shape(
        &self,
        (Order { id, lines, .. }, mut text): (Order, String),
        Json(order): Json<Order>,
        _: u32,
    ) -> Result<usize, Error> {
        pause().await;
        text.push('b');
        Ok(consume(text) + lines.len() + id as usize + consume_order(order))
    }
}
