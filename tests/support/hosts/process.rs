//! The binary: finding it, running it, and waiting for conditions.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two checks of an expected condition.
const PAUSE: Duration = Duration::from_millis(5);

/// The binary: `TWIN_BINARY`, or the `twin` that cargo builds beside this program or beside the folder of the tests.
fn binary() -> PathBuf {
    let built = || {
        let this = env::current_exe().unwrap();
        let mut folders = this.ancestors().skip(1).take(2);
        let found =
            folders.find_map(|folder| Some(folder.join("twin")).filter(|twin| twin.exists()));
        found.expect("cargo has built the command")
    };
    env::var_os("TWIN_BINARY").map_or_else(built, PathBuf::from)
}

/// A folder of build results.
pub fn built(variable: &str, name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os(variable).map_or_else(|| default.join(name), PathBuf::from)
}

/// `twin` with an environment that contains only the paths of code.
pub fn twin<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env(
            "TWIN_COMPONENTS_DIR",
            built("TWIN_COMPONENTS_DIR", "components"),
        )
        .env("TWIN_CACHE_DIR", built("TWIN_CACHE_DIR", "code-cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A process that ends with its test.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The output of a command, and how it ended.
#[derive(Debug)]
pub struct Told {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Told {
    let mut child = command.spawn().expect("cargo built the binary");
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let status = exit_of(&mut child);
    Told {
        code: status.code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Collects the output of a running process, line by line.
pub fn keep(pipe: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// Waits until a process has ended; one that does not is killed.
pub fn exit_of(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the process did not end");
        }
        thread::sleep(PAUSE);
    }
}

/// Asks a process to stop, by SIGTERM (`TERM`) or SIGINT (`INT`).
pub fn ask_to_stop(child: &Child, signal: &str) {
    let kill = format!("kill -{signal} {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success(), "the process was gone already");
}

/// Checks repeatedly until there is a result.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
