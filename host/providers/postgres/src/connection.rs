//! A connection to the server, and the interface that work uses.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::AbortHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, Row, Socket, Statement, tls::TlsStream, types::ToSql,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    PostgresError, PostgresSettings, PostgresUrl, clock::Hands, error::Trouble, listen::Bell, tls,
};

/// How long one host may take, from the first packet until the session is set up.
const HOST_TIMEOUT: Duration = Duration::from_millis(2_500);

/// Settings of each session. A commit is on the disk, and on the synchronous standby's if there is one, before it is
/// acknowledged; the stricter `remote_apply` is kept. The timeouts end work on the server for which no caller waits any
/// more: the first is a little shorter than the time limit of a piece of work. Warnings must be sent: see [`drive`].
const SET_UP: &str = "
    SELECT set_config('search_path', 'pg_catalog', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('statement_timeout', '4500', false),
        set_config('idle_in_transaction_session_timeout', '10000', false),
        set_config('client_min_messages', 'warning', false)";

const SERVER: &str = "SELECT current_setting('fsync'), current_setting('server_encoding')";

/// The server's function that waits for a synchronous standby, as its messages name it.
const STANDBY_WAIT: &str = "SyncRepWaitForLSN";

/// The state that all connections of one store share.
pub(crate) struct Place {
    address: Mutex<Arc<Address>>,
    home: Arc<Home>,
}

/// Where connections go, as a URL says.
struct Address {
    url: PostgresUrl,
    configs: Vec<Config>,
    /// The host that accepted the last connection, which is tried first.
    last: AtomicUsize,
    tls: MakeRustlsConnect,
}

impl Address {
    fn new(url: PostgresUrl, settings: &PostgresSettings) -> Result<Self, PostgresError> {
        let ca_files = url.ca_file.iter().chain(&settings.extra_ca_file);
        let ca_files: Vec<_> = ca_files.map(AsRef::as_ref).collect();
        Ok(Self {
            configs: url.each_host(),
            last: AtomicUsize::new(0),
            tls: tls::connector(url.protection, &ca_files)?,
            url,
        })
    }
}

/// The twin whose data is stored, and the clock.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) twin: String,
    pub(crate) hands: Hands,
    pub(crate) settings: PostgresSettings,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Place {
    pub(crate) fn new(home: Arc<Home>) -> Result<Self, PostgresError> {
        let address = Address::new(home.settings.url.clone(), &home.settings)?;
        Ok(Self {
            address: Mutex::new(Arc::new(address)),
            home,
        })
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    fn address(&self) -> MutexGuard<'_, Arc<Address>> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the first host that can write. If the server refuses the role, and another URL is found where it is kept,
    /// once more with that.
    pub(crate) async fn connect(&self, bell: Option<Bell>) -> Result<Session, PostgresError> {
        let address = Arc::clone(&self.address());
        match self.connect_by(&address, bell.clone()).await {
            Err(error) if error.refuses_role() => match self.renewed(&address).await? {
                Some(renewed) => self.connect_by(&renewed, bell).await,
                None => Err(error),
            },
            connected => connected,
        }
    }

    /// The address after `refused`, if there is another one by now.
    async fn renewed(&self, refused: &Arc<Address>) -> Result<Option<Arc<Address>>, PostgresError> {
        let known = Arc::clone(&self.address());
        // Another connection was refused before, and brought the new one.
        if !Arc::ptr_eq(&known, refused) {
            return Ok(Some(known));
        }
        let settings = &self.home.settings;
        let Some(renewal) = &settings.renewal else {
            return Ok(None);
        };
        let Some(url) = renewal.url().await.filter(|url| *url != refused.url) else {
            return Ok(None);
        };
        let address = Arc::new(Address::new(url, settings)?);
        tracing::info!("the database has another role or password, which is used from now on");
        *self.address() = Arc::clone(&address);
        Ok(Some(address))
    }

    async fn connect_by(
        &self,
        address: &Address,
        bell: Option<Bell>,
    ) -> Result<Session, PostgresError> {
        let count = address.configs.len();
        let first = address.last.load(Ordering::Relaxed);
        let mut failed = None;
        for offset in 0..count {
            let index = (first + offset) % count;
            let Some(config) = address.configs.get(index) else {
                continue;
            };
            let connecting = self.connect_to(config, &address.tls, bell.clone());
            let connected = timeout(HOST_TIMEOUT, connecting).await;
            match connected.unwrap_or(Err(PostgresError::NoAnswer)) {
                Ok(session) => {
                    address.last.store(index, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(error) => {
                    tracing::debug!(%error, hosts = ?config.get_hosts(), "no connection to this host");
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or(PostgresError::NoAnswer))
    }

    async fn connect_to(
        &self,
        config: &Config,
        tls: &MakeRustlsConnect,
        bell: Option<Bell>,
    ) -> Result<Session, PostgresError> {
        let connected = config.connect(tls.clone()).await;
        let (client, connection) = connected.map_err(PostgresError::Unreachable)?;
        let doubt = Arc::new(AtomicBool::new(false));
        let driver = tokio::spawn(drive(connection, Arc::clone(&doubt), bell)).abort_handle();
        let session = Session {
            client,
            statements: Mutex::default(),
            doubt,
            in_transaction: AtomicBool::new(false),
            driver: Driver(driver),
            home: Arc::clone(&self.home),
        };
        session
            .client
            .batch_execute(SET_UP)
            .await
            .map_err(PostgresError::Refused)?;
        let server = session.client.query_one(SERVER, &[]).await;
        let server = server.map_err(PostgresError::Refused)?;
        let text = |column| {
            server
                .try_get::<_, String>(column)
                .map_err(PostgresError::Refused)
        };
        if text(0)? == "off" && !self.home.settings.ephemeral {
            return Err(PostgresError::FsyncOff);
        }
        match text(1)? {
            encoding if encoding == "UTF8" => Ok(session),
            encoding => Err(PostgresError::EncodingUnusable(encoding)),
        }
    }
}

/// Moves bytes between a session and the server, until one of them ends.
///
/// When the wait for a synchronous standby is cancelled, the server sends a warning, but still acknowledges the commit. The
/// warning arrives before the acknowledgement, so the flag is set before the work sees the acknowledgement.
async fn drive<S>(mut connection: Connection<Socket, S>, doubt: Arc<AtomicBool>, bell: Option<Bell>)
where
    S: TlsStream + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                if notice.routine() == Some(STANDBY_WAIT) {
                    doubt.store(true, Ordering::SeqCst);
                }
                tracing::debug!(message = notice.message(), "a notice of the database");
            }
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if let Some(bell) = &bell {
                    bell.ring(notification.payload());
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "the connection to the database was lost");
                return;
            }
            None => return,
        }
    }
}

/// Ends when its session is dropped, whatever the server does.
struct Driver(AbortHandle);

/// A connection that is set up.
pub(crate) struct Session {
    client: Client,
    /// By the address of their text. Each statement is prepared once per connection.
    statements: Mutex<HashMap<&'static str, Statement>>,
    doubt: Arc<AtomicBool>,
    in_transaction: AtomicBool,
    driver: Driver,
    pub(crate) home: Arc<Home>,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Parameters of a statement.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// The twin's name, part of every key.
    pub(crate) fn twin(&self) -> &str {
        &self.home.twin
    }

    /// The time of a test's clock; `None` for the server's.
    pub(crate) fn now(&self) -> Option<i64> {
        self.home.hands.shown()
    }

    /// Whether the connection can no longer be used.
    pub(crate) fn is_spent(&self) -> bool {
        self.client.is_closed() || self.in_transaction.load(Ordering::SeqCst)
    }

    /// Whether the server has committed something without waiting for its standby since the last call.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::SeqCst)
    }

    /// Ends the connection at once. Dropping it would wait for the server.
    pub(crate) fn cut(self) {
        self.driver.0.abort();
    }

    /// The rows of a statement.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, parameters).await?)
    }

    /// The row of a statement, if there is one.
    pub(crate) async fn find(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query_opt(&statement, parameters).await?)
    }

    /// The single row of a statement.
    pub(crate) async fn row(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<Row, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query_one(&statement, parameters).await?)
    }

    /// Runs a statement, and returns how many rows it changed.
    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        parameters: Parameters<'_>,
    ) -> Result<u64, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, parameters).await?)
    }

    /// Runs statements without parameters.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Trouble> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Begins a transaction. If it is not committed, the session cannot be used again, and the server rolls back.
    pub(crate) async fn begin(&self) -> Result<(), Trouble> {
        self.in_transaction.store(true, Ordering::SeqCst);
        self.batch("BEGIN").await
    }

    /// Commits the transaction.
    pub(crate) async fn commit(&self) -> Result<(), Trouble> {
        self.batch("COMMIT").await?;
        self.in_transaction.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn prepared(&self, sql: &'static str) -> Result<Statement, Trouble> {
        if let Some(statement) = self.statements().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements().insert(sql, statement.clone());
        Ok(statement)
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
