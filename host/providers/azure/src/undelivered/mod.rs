//! What Event Grid could not deliver: blobs in the container that a subscription has for dead letters.

mod list;

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use reqwest::{
    Client, Method, Request,
    header::{AUTHORIZATION, ETAG, IF_MATCH},
};
use tokio::sync::Mutex;
use twin_capabilities::{Failure, Undelivered, UndeliveredQueue, secrets::Secret};
use twin_documents::{Kind, ServiceError};
use url::Url;

use self::list::{Blob, List};
use crate::{
    connection,
    copies::{Place, VERSION},
    error::AzureError,
    http::{self, Answer, Called},
    identity::{Tokens, scope},
};

const READ: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
};
const DELETE: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
};

/// How long a call may take. A blob has the events of an hour, or a part of them.
const LIMIT: Duration = Duration::from_secs(30);
/// Names on a page of the list.
const PAGE: &str = "100";

/// A container of blobs with what was not delivered.
///
/// Blobs are taken without a lease, so two commands may take the same one. Neither loses anything: a blob is removed only as it was
/// read, and one that another command has removed has been handed over. Each blob is taken once for each time that the container is
/// opened.
pub struct UndeliveredBlobs {
    client: Client,
    container: Place,
    tokens: Option<Tokens>,
    names: Mutex<Names>,
}

/// How far the container has been listed.
#[derive(Default)]
struct Names {
    listed: VecDeque<Blob>,
    next: Next,
}

#[derive(Default)]
enum Next {
    #[default]
    First,
    After(String),
    End,
}

impl fmt::Debug for UndeliveredBlobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("UndeliveredBlobs")
            .field(&self.container)
            .finish()
    }
}

impl UndeliveredBlobs {
    /// The container of this URL. With a shared access signature as its query, which must permit to list, read and delete,
    /// `credential` is not used; without both, the caller is who its environment says. Nothing is sent yet.
    ///
    /// # Errors
    /// If it is not a URL, or there is no identity.
    pub fn open(
        container: &Secret,
        credential: Option<Arc<dyn TokenCredential>>,
    ) -> Result<Self, AzureError> {
        let client = http::client()?;
        let container = http::endpoint("container", container.expose())?;
        let tokens = match container.query() {
            Some(_) => None,
            None => {
                let credential = connection::credential(credential, &client)?;
                Some(Tokens::new(credential, scope::STORAGE))
            }
        };
        Ok(Self {
            client,
            container: Place(container),
            tokens,
            names: Mutex::default(),
        })
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        if_match: Option<&str>,
        called: Called,
    ) -> Result<Answer, ServiceError> {
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert("x-ms-version", VERSION);
        if let Some(tag) = if_match {
            headers.insert(IF_MATCH, http::value(tag, called)?);
        }
        if let Some(tokens) = &self.tokens {
            headers.insert(AUTHORIZATION, tokens.bearer(called).await?);
        }
        http::send(&self.client, request, LIMIT, called).await
    }

    /// The next page of the list; `None` at its end.
    async fn list(&self, next: &Next) -> Result<Option<List>, ServiceError> {
        let mut url = self.container.0.clone();
        url.query_pairs_mut()
            .append_pair("restype", "container")
            .append_pair("comp", "list")
            .append_pair("maxresults", PAGE);
        match next {
            Next::First => {}
            Next::After(marker) => {
                url.query_pairs_mut().append_pair("marker", marker);
            }
            Next::End => return Ok(None),
        }
        let answer = self.send(Method::GET, url, None, READ).await?;
        let answer = answer.success(READ)?;
        let list = List::read(&answer.body);
        list.map(Some)
            .ok_or_else(|| failed(READ, "unreadable answer"))
    }

    /// The next blob that is listed; `None` at the end.
    async fn next(&self, names: &mut Names) -> Result<Option<Blob>, ServiceError> {
        loop {
            if let Some(blob) = names.listed.pop_front() {
                return Ok(Some(blob));
            }
            let Some(list) = self.list(&names.next).await? else {
                return Ok(None);
            };
            names.listed.extend(list.blobs);
            names.next = list.marker.map_or(Next::End, Next::After);
        }
    }

    fn url(&self, name: &str) -> Url {
        http::below(&self.container.0, name.split('/'))
    }

    /// The content of a blob and its entity tag; `None` if it is not there any more. One that can never be read has no content, so that it
    /// stays and does not hide those behind it.
    async fn get(&self, name: &str) -> Result<Option<(Bytes, String)>, ServiceError> {
        // In a URL, another blob would be meant.
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Ok(Some(Default::default()));
        }
        let answer = self.send(Method::GET, self.url(name), None, READ).await?;
        if is_gone(&answer) {
            return Ok(None);
        }
        // Such as one that is archived.
        if answer.status.as_u16() == 409 {
            return Ok(Some(Default::default()));
        }
        let answer = answer.success(READ)?;
        let tag = answer.header(ETAG.as_str()).map(str::to_owned);
        let tag = tag.ok_or_else(|| failed(READ, "a blob without an entity tag"))?;
        Ok(Some((answer.body, tag)))
    }
}

/// Whether the blob, and not its container, does not exist.
fn is_gone(answer: &Answer) -> bool {
    answer.status.as_u16() == 404 && answer.header("x-ms-error-code") == Some("BlobNotFound")
}

fn failed(called: Called, code: &str) -> ServiceError {
    ServiceError {
        service: called.service,
        action: called.action,
        code: code.to_owned(),
        kind: Kind::Rejected,
    }
}

#[async_trait]
impl UndeliveredQueue for UndeliveredBlobs {
    /// Blobs cannot be hidden, so there is nothing to hold.
    async fn take(&self, limit: u32, _: Duration) -> Result<Vec<Undelivered>, Failure> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut names = self.names.lock().await;
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(blob) = self.next(&mut names).await? else {
                break;
            };
            let read = match self.get(&blob.name).await {
                Ok(read) => read,
                // What was read before has its turn first.
                Err(_) if !taken.is_empty() => {
                    names.listed.push_front(blob);
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            let Some((body, receipt)) = read else {
                continue;
            };
            taken.push(Undelivered {
                id: blob.name,
                body: body.into(),
                attributes: [].into(),
                since: blob.written_at,
                receipt,
            });
        }
        Ok(taken)
    }

    async fn remove(&self, message: &Undelivered) -> Result<(), Failure> {
        let url = self.url(&message.id);
        let tag = Some(message.receipt.as_str());
        let answer = self.send(Method::DELETE, url.clone(), tag, DELETE).await?;
        if is_gone(&answer) {
            return Ok(());
        }
        // A blob that is not there does not have this tag, either.
        if answer.status.as_u16() == 412
            && is_gone(&self.send(Method::HEAD, url, None, READ).await?)
        {
            return Ok(());
        }
        answer.success(DELETE)?;
        Ok(())
    }

    async fn release(&self, _: &[Undelivered]) -> Result<(), Failure> {
        Ok(())
    }
}
