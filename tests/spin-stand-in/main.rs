//! A stand-in for Spin, for machines without it: serves one component of a manifest over HTTP. Its interfaces for the
//! adapter are as strict as Spin's. It accepts the arguments that the tests pass to `spin`.

mod bindings;
mod database;
mod manifest;
mod network;
mod platform;
mod variables;

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Parser;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use tokio::net::TcpListener;
use wasmtime::Result;
use wasmtime_wasi_http::{Error, WasiBody, handler::ProxyHandler, io::TokioIo};

use crate::{manifest::App, platform::Instances};

/// The supported part of Spin's command line.
#[derive(Parser)]
enum Command {
    /// Serves a component until it is killed.
    Up {
        /// For Spin, which would print messages otherwise.
        #[arg(long)]
        quiet: bool,
        /// The manifest.
        #[arg(long)]
        from: PathBuf,
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// The folder of the database, which other processes use, too.
        #[arg(long)]
        state_dir: PathBuf,
        /// The component.
        #[arg(long)]
        component_id: String,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Command::Up {
        quiet: _,
        from,
        listen,
        state_dir,
        component_id,
    } = Command::parse();
    let app = App::read(&from, &component_id, listen, &state_dir);
    let app = Arc::new(app);
    let handler = ProxyHandler::new(Instances::new(Arc::clone(&app))?);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (connection, _) = listener.accept().await?;
        let (app, handler) = (Arc::clone(&app), handler.clone());
        let service = service_fn(move |request| answer(Arc::clone(&app), handler.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(connection);
    }
}

/// The component's reply; 500 if its instance has ended without one, 404 if the app has no such route.
async fn answer(
    app: Arc<App>,
    handler: ProxyHandler<Instances>,
    request: Request<Incoming>,
) -> Result<Response<WasiBody>, Infallible> {
    if !app.takes(request.uri().path()) {
        return Ok(bare(StatusCode::NOT_FOUND));
    }
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    Ok(handler.handle((), request).await.unwrap_or_else(|error| {
        eprintln!("no answer: {error:?}");
        bare(StatusCode::INTERNAL_SERVER_ERROR)
    }))
}

fn bare(status: StatusCode) -> Response<WasiBody> {
    let nothing = Empty::new().map_err(Error::from).boxed_unsync();
    let mut response = Response::new(nothing);
    *response.status_mut() = status;
    response
}
