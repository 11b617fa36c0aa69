//! A component that does on command what a component must not do. The tests load it in a function's place, to see that
//! the runtime outlives it.

use std::{cell::Cell, hint::black_box, time::Duration};

use twin_capabilities::Clock;
use twin_functions::{Context, Request, Response, reply};
use twin_guest::Wit;

/// What is allocated at once, in bytes.
const PIECE: usize = 16 << 20;
/// How long `/sleep` takes.
const SLEEP: Duration = Duration::from_secs(1);
/// As good as never: 35 years.
const FOREVER: Duration = Duration::from_millis(1 << 40);

thread_local! {
    /// Calls that this instance has had.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// Calls that are under way in this instance.
    static UNDER_WAY: Cell<u32> = const { Cell::new(0) };
}

async fn handle(context: &Context<Wit>, request: Request) -> Response {
    if request.path == "/look" {
        return look();
    }
    let call = CALLS.get() + 1;
    CALLS.set(call);
    UNDER_WAY.set(UNDER_WAY.get() + 1);
    match request.path.as_str() {
        // The second is what the runtime asks an instance in order to see whether it answers.
        "/ok" | "/healthz" => {}
        "/sleep" => context.capabilities().sleep(SLEEP).await,
        "/spin" => spin(),
        "/hog" => hog(),
        "/forever" => context.capabilities().sleep(FOREVER).await,
        // `/trap`, and any other path.
        _ => std::process::abort(),
    }
    let under_way = UNDER_WAY.replace(UNDER_WAY.get() - 1);
    let body = format!(r#"{{"call":{call},"under_way":{under_way}}}"#);
    reply::json(200, body.into_bytes())
}

/// Says how much it sees of the machine.
fn look() -> Response {
    let variables = std::env::vars_os().count();
    let arguments = std::env::args_os().count();
    let files = ["/", ".", "/etc/passwd", "/proc/self/environ"]
        .iter()
        .filter(|path| std::fs::metadata(path).is_ok())
        .count();
    let body = format!(r#"{{"variables":{variables},"arguments":{arguments},"files":{files}}}"#);
    reply::json(200, body.into_bytes())
}

fn spin() {
    loop {
        black_box(());
    }
}

fn hog() {
    loop {
        let piece = Vec::<u8>::with_capacity(PIECE);
        std::mem::forget(black_box(piece));
    }
}

twin_guest::export_function!(handle);
