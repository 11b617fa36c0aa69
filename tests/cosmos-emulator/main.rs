//! Microsoft's in-memory emulator of Cosmos DB, behind a small HTTP server: `cosmos-emulator --port 8081`.
//!
//! For tests of `twin-azure` (`TWIN_TEST_COSMOS=http://127.0.0.1:8081`). The emulator accepts any key, and never removes what has
//! expired. It listens on this machine only, and everything is gone when it ends. `--throttle` makes it answer 429 as an account
//! does that has too few request units.

use std::{error::Error, net::Ipv4Addr, sync::Arc};

use azure_core::http::{Method, Request as AzureRequest};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lexopt::{Arg, Parser, ValueExt};
use tokio::net::TcpListener;
use url::Url;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (port, throttles) = arguments()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    let region = VirtualRegion::new("Local", base.clone());
    // As an account should have it that several hosts use: docs/clouds.md.
    let account = VirtualAccountConfig::new(vec![region])?
        .with_consistency(ConsistencyLevel::Strong)
        .with_throttling_enabled(throttles);
    let emulator = Arc::new(InMemoryEmulatorHttpClient::new(account));
    println!("{base}");
    loop {
        let (connection, _) = listener.accept().await?;
        let (emulator, base) = (Arc::clone(&emulator), base.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&emulator, &base, request));
            let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // A client that goes away is no failure of the server.
            let _ = served.await;
        });
    }
}

/// The port, any free one without it, and whether to throttle.
fn arguments() -> Result<(u16, bool), lexopt::Error> {
    let (mut port, mut throttles) = (0, false);
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("port") => port = arguments.value()?.parse()?,
            Arg::Long("throttle") => throttles = true,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok((port, throttles))
}

/// Hands a request to the emulator, and its answer back.
async fn answer(
    emulator: &InMemoryEmulatorHttpClient,
    base: &Url,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let (head, body) = request.into_parts();
    let mut url = base.clone();
    url.set_path(head.uri.path().trim_end_matches('/'));
    url.set_query(head.uri.query());
    let method: Method = head.method.as_str().parse()?;
    let mut asked = AzureRequest::new(url, method);
    for (name, value) in &head.headers {
        asked.insert_header(name.as_str().to_owned(), value.to_str()?.to_owned());
    }
    asked.set_body(body.collect().await?.to_bytes());
    let answered = emulator.execute_request(&asked).await?;
    let answered = answered.try_into_raw_response().await?;
    let mut response = Response::builder().status(u16::from(answered.status()));
    for (name, value) in answered.headers().iter() {
        response = response.header(name.as_str(), value.as_str());
    }
    Ok(response.body(Full::new(Bytes::copy_from_slice(answered.body().as_ref())))?)
}
