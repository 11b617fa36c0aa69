//! A component that misbehaves on command. The tests load it instead of a function, to show that the runtime survives it.

use std::{cell::Cell, hint::black_box, time::Duration};

use twin_capabilities::Clock;
use twin_functions::{Context, Request, Response, reply};
use twin_guest::Wit;

/// The size of one allocation, in bytes.
const PIECE: usize = 16 << 20;
/// How long `/sleep` takes.
const SLEEP: Duration = Duration::from_secs(1);
/// Practically for ever: 35 years.
const FOREVER: Duration = Duration::from_millis(1 << 40);

thread_local! {
    /// The number of calls that this instance has had.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// The number of calls in progress in this instance.
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
        // The runtime requests the second path to check whether an instance answers.
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

/// Reports how much of the machine it can see.
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
