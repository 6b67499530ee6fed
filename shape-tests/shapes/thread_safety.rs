// Arguments that are not `Sync`, not `Send`, or neither.

//# request
//# pairs
//# call: shape(Request::default())
//# not retry, hedged: the body uses up `request`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(request: Request) -> Result<usize, Error> {
    pause().await;
    let (parts, body) = request.into_parts();
    pause().await;
    drop(body);
    Ok(parts.headers.len())
}

//# borrowed_request_body
//# call: shape(Request::default())
//# not retry, hedged: the body uses up `request`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(mut request: Request) -> Result<usize, Error> {
    request.headers_mut().clear();
    pause().await;
    Ok(request.headers().len())
}

//# boxed_closure
//# pairs
//# call: shape(Box::new(|| ()))
//# not retry, hedged: the body mentions `then`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(then: Box<dyn Fn() + Send>) -> Result<u32, Error> {
    pause().await;
    then();
    Ok(1)
}

//# boxed_closure_once
//# call: shape(Box::new(|| 1))
//# not retry, hedged: the body uses up `make`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(make: Box<dyn FnOnce() -> u32 + Send>) -> Result<u32, Error> {
    pause().await;
    Ok(make())
}

//# unmentioned_not_sync
//# call: shape(Box::new(|| ()), 1)
//# auto: !Sync
#[attributes]
pub async fn shape(_then: Box<dyn Fn() + Send>, number: u32) -> Result<u32, Error> {
    pause().await;
    Ok(number)
}

//# cell
//# call: shape(Cell::new(1))
//# auto: !Sync
#[attributes]
pub async fn shape(cell: Cell<u32>) -> Result<u32, Error> {
    pause().await;
    cell.set(cell.get() + 1);
    Ok(cell.get())
}

//# exclusive_cell
//# pairs
//# call: shape(&mut Cell::new(1))
//# not hedged: two bodies cannot both have the `&mut` argument
//# auto: !Sync
#[attributes]
pub async fn shape(cell: &mut Cell<u32>) -> Result<u32, Error> {
    cell.set(2);
    pause().await;
    Ok(cell.get())
}

//# reference_counted
//# pairs
//# call: shape(Rc::new(1))
//# auto: !Send !Sync
#[attributes]
pub async fn shape(shared: Rc<u32>) -> Result<u32, Error> {
    pause().await;
    Ok(*shared)
}

//# borrow_of_cell
//# call: shape(&Cell::new(1))
//# auto: !Send !Sync
#[attributes]
pub async fn shape(cell: &Cell<u32>) -> Result<u32, Error> {
    pause().await;
    Ok(cell.get())
}

//# channel_receiver
//# call: shape(std::sync::mpsc::channel().1)
//# not retry, hedged: the body uses up `receiver`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(receiver: std::sync::mpsc::Receiver<u32>) -> Result<usize, Error> {
    pause().await;
    Ok(receiver.into_iter().count())
}

//# request_by_reference
//# pairs
//# call: shape(Request::default())
//# not retry, hedged: the body mentions `request`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(request: Request) -> Result<usize, Error> {
    pause().await;
    Ok(request.headers().len())
}

//# generic_by_reference
//# pairs
//# call: shape(Cell::new(1))
//# not retry, hedged: the body mentions `value`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape<T: Send>(value: T) -> Result<usize, Error> {
    pause().await;
    Ok(std::mem::size_of_val(&value))
}

//# owned_self_by_reference
//# call: Shop(Cell::new(1)).shape()
//# not retry, hedged: the body mentions `self`, which is not `Clone`
//# auto: !Sync
pub struct Shop(Cell<u32>);
impl Shop {
    #[attributes]
    pub async fn shape(self) -> Result<u32, Error> {
        pause().await;
        Ok(self.0.get())
    }
}

//# closure_once_and_twice
//# call: shape({ let cell = Cell::new(1); move || cell.get() }, Cell::new(2))
//# not retry, hedged: the body mentions `make`, which is not `Clone`
//# auto: !Sync
#[attributes]
pub async fn shape(make: impl Fn() -> u32 + Send, cell: Cell<u32>) -> Result<u32, Error> {
    let first = make();
    pause().await;
    Ok(first + make() + cell.get())
}
