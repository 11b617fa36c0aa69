//! Calls of Cosmos DB's REST interface.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::{
    Client, Method, Request,
    header::{AUTHORIZATION, HeaderValue},
};
use twin_capabilities::Instant;
use twin_documents::{ServiceClock, ServiceError, Table};
use url::Url;

use crate::{
    documents::{
        session::Session,
        sign::{self, MasterKey},
    },
    http::{self, Answer, CALL_LIMIT, Called},
    identity::Tokens,
};

const SERVICE: &str = "Cosmos DB";

/// The version of the interface: the newest that is documented.
const VERSION: HeaderValue = HeaderValue::from_static("2020-07-15");

/// What proves who the host is.
#[derive(Clone, Debug)]
pub(crate) enum Authority {
    /// The account's key.
    Key(MasterKey),
    /// A token of Microsoft Entra ID.
    Entra(Tokens),
}

/// The names of the containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) database: String,
    pub(crate) messages: String,
    pub(crate) system_errors: String,
    pub(crate) dead_letters: String,
    pub(crate) state: String,
}

impl Names {
    pub(crate) fn container(&self, table: Table) -> &str {
        match table {
            Table::Messages => &self.messages,
            Table::SystemErrors => &self.system_errors,
            Table::DeadLetters => &self.dead_letters,
            Table::State => &self.state,
        }
    }
}

/// A database of an account.
#[derive(Debug)]
pub(crate) struct Cosmos {
    pub(crate) client: Client,
    pub(crate) endpoint: Url,
    pub(crate) names: Names,
    pub(crate) authority: Authority,
    pub(crate) clock: ServiceClock,
    pub(crate) sessions: Sessions,
}

/// The session of each container.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    messages: Session,
    system_errors: Session,
    dead_letters: Session,
    state: Session,
}

impl Sessions {
    fn of(&self, table: Table) -> &Session {
        match table {
            Table::Messages => &self.messages,
            Table::SystemErrors => &self.system_errors,
            Table::DeadLetters => &self.dead_letters,
            Table::State => &self.state,
        }
    }
}

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Resource<'a> {
    /// The account.
    Account,
    /// The databases of the account.
    Databases,
    /// The containers of the database.
    Containers,
    /// A container.
    Container(Table),
    /// The items of a container.
    Items(Table),
    /// An item.
    Item(Table, &'a str),
}

impl<'a> Resource<'a> {
    /// The names in its URL.
    fn path(&self, names: &'a Names) -> Vec<&'a str> {
        let database = ["dbs", names.database.as_str()];
        let container = |table| [&database[..], &["colls", names.container(table)]].concat();
        match self {
            Self::Account => Vec::new(),
            Self::Databases => vec!["dbs"],
            Self::Containers => [&database[..], &["colls"]].concat(),
            Self::Container(table) => container(*table),
            Self::Items(table) => [&container(*table)[..], &["docs"]].concat(),
            Self::Item(table, id) => [&container(*table)[..], &["docs", *id]].concat(),
        }
    }

    /// The type and the link that the signature has.
    fn signed(&self, names: &'a Names) -> (&'static str, String) {
        let mut path = self.path(names);
        let kind = match self {
            Self::Account => "",
            Self::Databases => "dbs",
            Self::Containers | Self::Container(_) => "colls",
            Self::Items(_) | Self::Item(..) => "docs",
        };
        // The link of many is that of their parent.
        if matches!(self, Self::Databases | Self::Containers | Self::Items(_)) {
            path.pop();
        }
        (kind, path.join("/"))
    }

    fn table(&self) -> Option<Table> {
        match self {
            Self::Items(table) | Self::Item(table, _) => Some(*table),
            _ => None,
        }
    }
}

/// A request that is being put together.
pub(crate) struct Call<'a> {
    action: &'static str,
    method: Method,
    resource: Resource<'a>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl<'a> Call<'a> {
    pub(crate) fn new(action: &'static str, method: Method, resource: Resource<'a>) -> Self {
        Self {
            action,
            method,
            resource,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Whether it creates an item, whatever the others are.
    pub(crate) fn is_for_new_item(&self) -> bool {
        matches!(self.resource, Resource::Items(_))
    }

    /// What a failure of the call is named after.
    pub(crate) fn called(&self) -> Called {
        Called {
            service: SERVICE,
            action: self.action,
        }
    }
}

impl Cosmos {
    /// Makes a call. Its answer may have any status.
    pub(crate) async fn answer(&self, call: &Call<'_>) -> Result<Answer, ServiceError> {
        let called = call.called();
        let request = self.request(call).await?;
        let answer = http::send(&self.client, request, CALL_LIMIT, called).await?;
        answer.shows_time_to(&self.clock);
        if let (Some(table), Some(token)) =
            (call.resource.table(), answer.header("x-ms-session-token"))
        {
            self.sessions.of(table).observe(token);
        }
        Ok(answer)
    }

    async fn request(&self, call: &Call<'_>) -> Result<Request, ServiceError> {
        let called = call.called();
        let url = http::below(&self.endpoint, call.resource.path(&self.names));
        // By the service's clock as soon as it is known: it refuses dates that are 15 minutes off.
        let date = httpdate::fmt_http_date(time_of(self.clock.now()));
        let authorization = match &self.authority {
            Authority::Key(key) => {
                let (kind, link) = call.resource.signed(&self.names);
                key.authorize(call.method.as_str(), kind, &link, &date)
            }
            Authority::Entra(tokens) => sign::by_token(tokens.token().await?.expose()),
        };
        let table = call.resource.table();
        let session = table.and_then(|table| self.sessions.of(table).token());
        let mut request = Request::new(call.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert("x-ms-version", VERSION);
        headers.insert("x-ms-date", http::value(&date, called)?);
        headers.insert(AUTHORIZATION, http::secret(&authorization, called)?);
        if let Some(session) = session {
            headers.insert("x-ms-session-token", http::value(&session, called)?);
        }
        for (name, value) in &call.headers {
            headers.insert(*name, http::value(value, called)?);
        }
        if !call.body.is_empty() {
            *request.body_mut() = Some(call.body.clone().into());
        }
        Ok(request)
    }
}

/// A store's time as the standard library has it; the beginning of 1970 for any before it.
fn time_of(at: Instant) -> SystemTime {
    let since = Duration::from_micros(u64::try_from(at).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_the_item_or_for_the_parent_of_what_is_asked() {
        let names = Names {
            database: "factory-01".to_owned(),
            messages: "Messages".to_owned(),
            system_errors: "SystemErrors".to_owned(),
            dead_letters: "DeadLetters".to_owned(),
            state: "State".to_owned(),
        };
        let of = |resource: Resource<'static>| {
            let (kind, link) = resource.signed(&names);
            (resource.path(&names).join("/"), kind, link)
        };
        let container = "dbs/factory-01/colls/Messages".to_owned();
        let item = format!("{container}/docs/ab");
        let expected = [
            (Resource::Account, String::new(), "", String::new()),
            (Resource::Databases, "dbs".to_owned(), "dbs", String::new()),
            (
                Resource::Containers,
                "dbs/factory-01/colls".to_owned(),
                "colls",
                "dbs/factory-01".to_owned(),
            ),
            (
                Resource::Container(Table::Messages),
                container.clone(),
                "colls",
                container.clone(),
            ),
            (
                Resource::Items(Table::Messages),
                format!("{container}/docs"),
                "docs",
                container.clone(),
            ),
            (
                Resource::Item(Table::Messages, "ab"),
                item.clone(),
                "docs",
                item.clone(),
            ),
        ];
        for (resource, path, kind, link) in expected {
            assert_eq!(of(resource), (path, kind, link));
        }
    }
}
