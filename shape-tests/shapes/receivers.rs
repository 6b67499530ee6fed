// Methods: every receiver, in inherent and generic impls, in traits, and under `#[async_trait]`.

//# shared
//# pairs
//# call: Shop::default().shape("a")
//# key: (self.id, sku)
//# fallback: Ok(self.id)
#[derive(Clone, Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(&self, sku: &str) -> Result<u64, Error> {
        pause().await;
        Ok(self.id + sku.len() as u64)
    }
}

//# owned
//# call: Shop::default().shape()
//# key: self.id
//# fallback: Ok(self.name.len())
#[derive(Clone, Default)]
pub struct Shop { id: u64, name: String }
impl Shop {
    #[attributes]
    pub async fn shape(self) -> Result<usize, Error> {
        pause().await;
        let Self { id, name } = self;
        Ok(consume(name) + id as usize)
    }
}

//# owned_mutable
//# pairs
//# call: Shop::default().shape()
//# key: self.id
#[derive(Clone, Default)]
pub struct Shop { id: u64, name: String }
impl Shop {
    #[attributes]
    pub async fn shape(mut self) -> Result<usize, Error> {
        self.name.push('a');
        self.id += 1;
        pause().await;
        Ok(self.name.len())
    }
}

//# owned_not_clone
//# call: Shop { cell: Cell::new(1) }.shape()
//# not retry, hedged: the body uses up `self`, which is not `Clone`
//# auto: !Sync
pub struct Shop { cell: Cell<u32> }
impl Shop {
    #[attributes]
    pub async fn shape(self) -> Result<u32, Error> {
        pause().await;
        Ok(self.cell.into_inner())
    }
}

//# owned_unmentioned
//# call: Shop { cell: Cell::new(1) }.shape(1)
//# auto: !Sync
pub struct Shop { cell: Cell<u32> }
impl Shop {
    #[attributes]
    pub async fn shape(self, number: u32) -> Result<u32, Error> {
        pause().await;
        Ok(number)
    }
}

//# exclusive
//# call: Shop::default().shape("a".to_owned())
//# key: self.id
//# not hedged: two bodies cannot both have `&mut self`
#[derive(Default)]
pub struct Shop { id: u64, names: Vec<String> }
impl Shop {
    #[attributes]
    pub async fn shape(&mut self, name: String) -> Result<usize, Error> {
        self.names.push(name);
        pause().await;
        Ok(self.names.len())
    }
}

//# exclusive_not_sync
//# pairs
//# call: Shop { cell: Cell::new(1) }.shape()
//# not hedged: two bodies cannot both have `&mut self`
//# auto: !Sync
pub struct Shop { cell: Cell<u32> }
impl Shop {
    #[attributes]
    pub async fn shape(&mut self) -> Result<u32, Error> {
        self.cell.set(2);
        pause().await;
        Ok(self.cell.get())
    }
}

//# exclusive_unmentioned_not_sync
//# call: Shop { cell: Cell::new(1) }.shape(1)
//# not hedged: two bodies cannot both have `&mut self`
//# auto: !Sync
pub struct Shop { cell: Cell<u32> }
impl Shop {
    #[attributes]
    pub async fn shape(&mut self, number: u32) -> Result<u32, Error> {
        pause().await;
        Ok(number)
    }
}

//# typed
//# call: Shop::default().shape(&Shop::default())
//# key: self.id
#[derive(Clone, Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(self: Self, other: &Self) -> Result<u64, Error> {
        pause().await;
        Ok(self.id + other.id)
    }
}

//# typed_exclusive
//# call: Shop::default().shape()
//# key: self.id
//# not hedged: two bodies cannot both have `&mut self`
#[derive(Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(self: &mut Self) -> Result<u64, Error> {
        self.id += 1;
        pause().await;
        Ok(self.id)
    }
}

//# arc
//# pairs
//# call: Arc::new(Shop::default()).shape()
//# key: self.id
#[derive(Default)]
pub struct Shop { id: u64, other: Unique }
impl Shop {
    #[attributes]
    pub async fn shape(self: Arc<Self>) -> Result<u64, Error> {
        pause().await;
        Ok(self.id + u64::from(self.other.0))
    }
}

//# boxed
//# pairs
//# call: Box::new(Shop::default()).shape()
//# key: self.id
#[derive(Clone, Default)]
pub struct Shop { id: u64, name: String }
impl Shop {
    #[attributes]
    pub async fn shape(self: Box<Self>) -> Result<usize, Error> {
        pause().await;
        let Self { name, .. } = *self;
        Ok(name.len())
    }
}

//# rc
//# call: Rc::new(Shop::default()).shape()
//# key: self.id
//# auto: !Send !Sync
#[derive(Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(self: Rc<Self>) -> Result<u64, Error> {
        pause().await;
        Ok(self.id)
    }
}

//# pinned
//# pairs
//# call: Pin::new(&mut Shop::default()).shape()
//# key: self.id
//# not retry: a pinned `&mut` cannot be copied for another attempt
//# not hedged: two bodies cannot both have `Pin<&mut Self>`
#[derive(Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(self: Pin<&mut Self>) -> Result<u64, Error> {
        pause().await;
        let this = self.get_mut();
        this.id += 1;
        Ok(this.id)
    }
}

//# associated
//# call: Shop::shape("a".to_owned())
//# key: text
//# fallback: Ok(text.len())
pub struct Shop;
impl Shop {
    #[attributes]
    pub async fn shape(text: String) -> Result<usize, Error> {
        pause().await;
        Ok(consume(text))
    }
}

//# self_as_a_type
//# call: Shop::shape(Shop::default())
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Shop { id: u64 }
impl Shop {
    const FIRST: u64 = 1;
    #[attributes]
    pub async fn shape(mut shop: Self) -> Result<Self, Error> {
        shop.id += Self::FIRST;
        pause().await;
        Ok(Self { ..shop })
    }
}

//# generic_impl
//# pairs
//# call: Shelf::<Unique> { items: vec![] }.shape(Unique(1))
//# not retry: the body uses up `item`, which is not `Clone`
//# not hedged: two bodies cannot both have `&mut self`
pub struct Shelf<T> { items: Vec<T> }
impl<T: Send> Shelf<T> {
    #[attributes]
    pub async fn shape(&mut self, item: T) -> Result<usize, Error> {
        pause().await;
        self.items.push(item);
        Ok(self.items.len())
    }
}

//# generic_impl_with_lifetimes
//# call: View::<str, 2> { items: &mut [1, 2], kind: PhantomData }.shape(&mut [3, 4])
//# not hedged: two bodies cannot both have the `&mut` arguments
pub struct View<'a, T: ?Sized, const N: usize> { items: &'a mut [u32; N], kind: PhantomData<T> }
impl<'a, T: ?Sized + Sync, const N: usize> View<'a, T, N> {
    #[attributes]
    pub async fn shape<'b>(&'b mut self, other: &mut [u32; N]) -> Result<usize, Error> where 'a: 'b {
        pause().await;
        self.items.swap_with_slice(other);
        Ok(self.items.len())
    }
}

//# returning_a_borrow_of_self
//# call: Shop::default().shape("a")
//# not cached: a borrowed result is not `'static`
//# not idempotent: a borrowed result cannot be given again
//# fallback: Ok(&self.name)
#[derive(Default)]
pub struct Shop { name: String }
impl Shop {
    #[attributes]
    pub async fn shape(&self, _other: &str) -> Result<&str, Error> {
        pause().await;
        Ok(&self.name)
    }
}

//# format_captures_self
//# call: Shop(1).shape()
//# key: self.0
pub struct Shop(u64);
impl std::fmt::Display for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("shop") }
}
impl Shop {
    #[attributes]
    pub async fn shape(&self) -> Result<String, Error> {
        pause().await;
        Ok(format!("{self} {{self}}"))
    }
}

//# format_captures_owned_self
//# pairs
//# call: Shop(1).shape()
//# key: self.0
//# not retry: a format string cannot name the attempt's copy of `self`
#[derive(Clone)]
pub struct Shop(u64);
impl std::fmt::Display for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("shop") }
}
impl Shop {
    #[attributes]
    pub async fn shape(self) -> Result<String, Error> {
        pause().await;
        Ok(format!("{self}"))
    }
}

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
