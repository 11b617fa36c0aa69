//! Outgoing requests: to hosts that the manifest permits, over plain HTTP, each on its own connection.
//!
//! As in Spin, `self.alt` is this app, and `X.spin.internal` is its component X. No other component runs here, and a
//! request to a component that is not running ends the instance that sent it.

use std::{mem, sync::Arc};

use http_body_util::BodyExt;
use hyper::{Request, Response, Uri, client::conn::http1};
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks, io::TokioIo};

use crate::manifest::App;

/// Sends requests to the hosts that a component may call.
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
        let host = host.map(|(scheme, authority)| match authority.host() {
            "self.alt" => format!("{scheme}://self"),
            _ => format!("{scheme}://{authority}"),
        });
        let permitted = host.is_some_and(|host| self.0.hosts.contains(&host));
        let app = Arc::clone(&self.0);
        Box::new(async move {
            if !permitted {
                return Err(Error::HttpRequestDenied);
            }
            let authority = match request.uri().host() {
                Some("self.alt") => app.address.to_string(),
                Some(host) if host.ends_with(".spin.internal") => {
                    // A panic ends an instance as Spin's trap does.
                    panic!("unknown routing destination: {host}");
                }
                _ => request
                    .uri()
                    .authority()
                    .map(ToString::to_string)
                    .ok_or(Error::HttpRequestUriInvalid)?,
            };
            let nothing_follows: Ending = Box::new(async { Ok(()) });
            Ok((exchange(&authority, request).await?, nothing_follows))
        })
    }
}

async fn exchange(authority: &str, mut request: Request<WasiBody>) -> Result<Response<WasiBody>> {
    let path = mem::take(request.uri_mut()).into_parts().path_and_query;
    *request.uri_mut() = Uri::from(path.ok_or(Error::HttpRequestUriInvalid)?);
    let stream = TcpStream::connect(authority).await;
    let stream = stream.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}
