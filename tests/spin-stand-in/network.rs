//! Requests out: to whom the manifest permits, over plain HTTP on a connection of its own each.

use std::{mem, sync::Arc};

use http_body_util::BodyExt;
use hyper::{Request, Response, Uri, client::conn::http1};
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks, io::TokioIo};

use crate::manifest::App;

/// The way to whom a component may call.
pub(crate) struct Network(pub(crate) Arc<App>);

type Ending = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Network {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Ending,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Ending)>> + Send> {
        let uri = request.uri();
        let host = uri.scheme_str().zip(uri.authority());
        let host = host.map(|(scheme, authority)| format!("{scheme}://{authority}"));
        let permitted = host.is_some_and(|host| self.0.hosts.contains(&host));
        Box::new(async move {
            if !permitted {
                return Err(Error::HttpRequestDenied);
            }
            let nothing_follows: Ending = Box::new(async { Ok(()) });
            Ok((exchange(request).await?, nothing_follows))
        })
    }
}

async fn exchange(mut request: Request<WasiBody>) -> Result<Response<WasiBody>> {
    let parts = mem::take(request.uri_mut()).into_parts();
    let (Some(authority), Some(path)) = (parts.authority, parts.path_and_query) else {
        return Err(Error::HttpRequestUriInvalid);
    };
    *request.uri_mut() = Uri::from(path);
    let stream = TcpStream::connect(authority.as_str()).await;
    let stream = stream.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}
