//! PostgreSQL servers for tests: in a temporary folder, on loopback, stopped after the last test that uses them.
//!
//! Debian's package is enough; its own cluster is not touched. A server does not run as root, so root starts it as the user
//! `postgres` or `nobody`. If PostgreSQL is not installed, tests that need it print a message, are counted and pass.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use twin_postgres::{PostgresSettings, PostgresUrl};

/// How long anything may take. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two checks of an expected condition.
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes that must be free in memory to keep a server's folder there. A server uses about 70 MB.
const ROOM: u64 = 1 << 30;

/// The role that owns all databases.
const ROLE: &str = "twin";

/// The configuration of every test server: small, and with the default durability.
const CONFIGURATION: &str = "
unix_socket_directories = ''
listen_addresses = '127.0.0.1'
fsync = on
shared_buffers = 16MB
max_connections = 60
max_wal_senders = 4
hot_standby = on
autovacuum = off
log_min_messages = warning
";

/// A server, which may be stopped and started again.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    running: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// The server that the tests of this process share; a new one, if none is in use.
///
/// # Errors
/// If PostgreSQL is not installed.
pub fn shared() -> Result<Arc<Server>, String> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(Server::start()?);
    *shared = Arc::downgrade(&server);
    Ok(server)
}

/// The folder of the server's programs, of the newest version if there are several.
///
/// # Errors
/// If they are not installed.
pub fn programs() -> Result<PathBuf, String> {
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = debian
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort();
    let configured = || {
        let asked = Command::new("pg_config").arg("--bindir").output().ok()?;
        let folder = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
        folder.join("initdb").exists().then_some(folder)
    };
    let none = "PostgreSQL is not installed (Debian: apt-get install postgresql)";
    found
        .pop()
        .or_else(configured)
        .ok_or_else(|| none.to_owned())
}

/// A command that does not run as root, and ends with the thread that starts it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        let user = user();
        command.args([
            format!("--reuid={user}"),
            format!("--regid={user}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}

/// The user as which root starts servers.
fn user() -> String {
    let uid = |name| {
        let asked = Command::new("id").args(["-u", name]).output().ok()?;
        asked
            .status
            .success()
            .then(|| String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    };
    uid("postgres")
        .or_else(|| uid("nobody"))
        .expect("there is a user postgres or nobody")
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program is there");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A port that was free at the time of the call.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Where a server's folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// In memory, if there is room. Data survives the kill of a process, but not a crash of the machine.
    Memory,
    /// In the folder for temporary files.
    Disk,
}

/// A folder that only the server can use.
fn folder(medium: Medium) -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("twin-postgres-");
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    let folder = if medium == Medium::Memory && room > ROOM {
        builder.tempdir_in(memory)
    } else {
        builder.tempdir()
    };
    let folder = folder.expect("a folder");
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").arg(user()).arg(folder.path()));
    }
    folder
}

/// The folder of an empty server, created once, because this takes a second or more.
fn template(programs: &Path) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp");
    fs::create_dir_all(&home).expect("a folder");
    let version = Command::new(programs.join("postgres"))
        .arg("--version")
        .output()
        .expect("it is there");
    let version = String::from_utf8_lossy(&version.stdout).replace([' ', '(', ')', '/'], "-");
    let template = home.join(version.trim());
    let lock = fs::File::create(home.join("postgres.lock")).expect("a file");
    lock.lock().expect("others are done some time");
    if !template.exists() {
        let fresh = folder(Medium::Memory);
        let data = fresh.path().join("data");
        run(unprivileged(&programs.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args([
                "--username",
                ROLE,
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--no-locale",
            ])
            .args(["--no-sync", "--data-checksums", "--no-instructions"]));
        let copy = home.join("postgres.unfinished");
        run(Command::new("rm").arg("-rf").arg(&copy));
        run(Command::new("cp").arg("-a").arg(&data).arg(&copy));
        fs::rename(&copy, &template).expect("it is ours");
    }
    template
}

impl Server {
    /// A new, empty server.
    ///
    /// # Errors
    /// If PostgreSQL is not installed.
    pub fn start() -> Result<Self, String> {
        Self::start_on(Medium::Memory)
    }

    /// The same on a disk, for measurements.
    ///
    /// # Errors
    /// If PostgreSQL is not installed.
    pub fn start_on_disk() -> Result<Self, String> {
        Self::start_on(Medium::Disk)
    }

    fn start_on(medium: Medium) -> Result<Self, String> {
        let server = Self::new(programs()?, medium);
        run(Command::new("cp")
            .arg("-a")
            .arg(template(&server.programs))
            .arg(server.data()));
        server.configure(CONFIGURATION);
        server.resume();
        Ok(server)
    }

    fn new(programs: PathBuf, medium: Medium) -> Self {
        Self {
            programs,
            folder: folder(medium),
            port: free_port(),
            running: Mutex::default(),
            databases: AtomicU32::new(0),
        }
    }

    /// A standby that follows this server. Once it follows, a commit is acknowledged only when it is on both disks.
    pub async fn synchronous_standby(&self) -> Self {
        let standby = Self::new(self.programs.clone(), Medium::Memory);
        run(unprivileged(&self.programs.join("pg_basebackup"))
            .arg("-D")
            .arg(standby.data())
            .arg("-d")
            .arg(self.url("postgres"))
            .args([
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--no-sync",
            ]));
        standby.resume();
        let client = self.client("postgres").await;
        for statement in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            client.batch_execute(statement).await.expect("it is ours");
        }
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let deadline = Instant::now() + PATIENCE;
        while client
            .query_one(synchronous, &[])
            .await
            .expect("it answers")
            .get::<_, i64>(0)
            == 0
        {
            assert!(Instant::now() < deadline, "the standby does not follow");
            tokio::time::sleep(PAUSE).await;
        }
        standby
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        let client = self.client("postgres").await;
        let promoted = client.query_one("SELECT pg_promote(true, 60)", &[]).await;
        assert!(promoted.expect("it answers").get::<_, bool>(0));
        // The old primary is gone, and this one has no standby.
        client
            .batch_execute("ALTER SYSTEM RESET synchronous_standby_names")
            .await
            .expect("it is ours");
        client
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .expect("it is ours");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds lines to the server's configuration, which take effect at its next start.
    pub fn configure(&self, lines: &str) {
        let file = self.data().join("postgresql.conf");
        let mut text = String::new();
        fs::File::open(&file)
            .and_then(|mut file| file.read_to_string(&mut text))
            .expect("it is there");
        fs::write(&file, text + lines).expect("it can be written");
    }

    /// Asks this role for its password from now on: the server itself trusts everything on this machine.
    pub async fn ask_for_password(&self, role: &str) {
        let file = self.data().join("pg_hba.conf");
        let rules = fs::read_to_string(&file).expect("it is there");
        let rule = format!("host all {role} 127.0.0.1/32 scram-sha-256\n");
        fs::write(&file, rule + &rules).expect("it can be written");
        let client = self.client("postgres").await;
        client
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .expect("it is ours");
    }

    /// Makes the server offer TLS from now on.
    pub fn secure(&self, certificate: &str, key: &str) {
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            let file = self.data().join(name);
            fs::write(&file, pem).expect("it can be written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
            if rustix::process::geteuid().is_root() {
                run(Command::new("chown").arg(user()).arg(&file));
            }
        }
        self.end(Signal::INT);
        self.configure("ssl = on\n");
        self.resume();
    }

    /// Starts the server again, at the same port, and waits until it accepts connections.
    pub fn resume(&self) {
        let deadline = Instant::now() + PATIENCE;
        // Right after a kill, processes of the old server may still hold its memory.
        while !self.try_start() {
            assert!(
                Instant::now() < deadline,
                "the server does not start: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns false if the server ended instead of starting.
    fn try_start(&self) -> bool {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let mut command = unprivileged(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .arg("-p")
            .arg(self.port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // A terminal's signals are for the test only.
            .process_group(0);
        let mut child = spawned_for_good(command);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if child.try_wait().expect("it is ours").is_some() {
                return false;
            }
            // The server's lock file says when it accepts connections; an old file has another pid.
            let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let mut lines = lock.lines();
            let is_ours = lines
                .next()
                .is_some_and(|pid| pid.trim() == child.id().to_string());
            if is_ours
                && lines
                    .last()
                    .is_some_and(|status| matches!(status.trim(), "ready" | "standby"))
            {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the server is not ready: {}",
                self.log()
            );
            thread::sleep(PAUSE);
        }
        *self.running() = Some(child);
        true
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to the server's first process, and waits until it has ended.
    pub fn end(&self, signal: Signal) {
        if let Some(mut child) = self.running().take() {
            let pid = Pid::from_child(&child);
            // An error means that it has already ended.
            let _ = kill_process(pid, signal);
            let _ = child.wait();
        }
    }

    /// Stops or continues the first process and all its children: connections stay open, but are not answered.
    pub fn signal_all(&self, signal: Signal) {
        let running = self.running();
        let first = running.as_ref().expect("it runs").id();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.expect("it runs");
        let all = children
            .split_whitespace()
            .map(|pid| pid.parse().expect("a pid"));
        for pid in std::iter::once(i32::try_from(first).expect("a pid")).chain(all) {
            // A process that has just ended counts as stopped.
            let _ = kill_process(Pid::from_raw(pid).expect("a pid"), signal);
        }
    }

    /// The address at which it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of one of its databases, for the role that owns all databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@{}/{database}", self.address())
    }

    /// A new database without tables.
    pub async fn new_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::SeqCst);
        let name = format!("house_{number}");
        let client = self.client("postgres").await;
        client
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a database");
        name
    }

    /// A new database with the tables of a twin.
    pub async fn new_store(&self) -> String {
        let name = self.new_database().await;
        twin_postgres::init(&self.settings(&name), None)
            .await
            .expect("tables");
        name
    }

    /// The settings for one of its databases.
    pub fn settings(&self, database: &str) -> PostgresSettings {
        PostgresSettings::new(PostgresUrl::parse(&self.url(database)).expect("a URL"))
    }

    /// A connection that does not use the provider.
    pub async fn client(&self, database: &str) -> tokio_postgres::Client {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match tokio_postgres::connect(&self.url(database), tokio_postgres::NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Starts a process from a thread that lives as long as this process: the system ends the process with the thread that
/// started it.
fn spawned_for_good(command: Command) -> Child {
    type Order = (Command, std::sync::mpsc::Sender<std::io::Result<Child>>);
    static STARTER: std::sync::OnceLock<Mutex<std::sync::mpsc::Sender<Order>>> =
        std::sync::OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, received) = std::sync::mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in received {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, child) = std::sync::mpsc::channel();
    let orders = starter.lock().unwrap_or_else(PoisonError::into_inner);
    orders.send((command, reply)).expect("the thread lives");
    drop(orders);
    child
        .recv()
        .expect("the thread lives")
        .expect("the program is there")
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is no longer needed, so it need not shut down cleanly.
        self.end(Signal::QUIT);
    }
}
