// Methods: every receiver, in inherent and generic impls.

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

//# owned_beside_imports
//# pairs
//# call: Shop::default().shape()
//# key: self.id
#[derive(Clone, Default)]
pub struct Shop { id: u64 }
impl Shop {
    #[attributes]
    pub async fn shape(self) -> Result<String, Error> {
        use std::fmt::{self, Write as _};
        pub(self) struct Shown(u64);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
        pause().await;
        let mut text = String::new();
        let _ = write!(text, "{}", Shown(self.id));
        Ok(text)
    }
}

//# imports_are_no_mention
//# call: Shop(Unique(1)).shape(Unique(2))
pub struct Shop(Unique);
pub mod unique { pub const ONE: u32 = 1; pub fn unique() {} }
impl Shop {
    #[attributes]
    #[allow(unused_imports, unused_variables)]
    pub async fn shape(self, unique: Unique) -> Result<u32, Error> {
        use self::unique::{self as other, unique};
        use std::fmt::{self};
        pause().await;
        Ok(other::ONE)
    }
}
