//! Cold start of the package for AWS Lambda: from the start of the process to its first answer, which arrives at a runtime API that is
//! played here. The files are in the system's cache, as for a second environment on the same machine.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;
use twin_contract::FunctionName;
use twin_tests::hosts::process::Running;
use zip::ZipArchive;

/// Starts for each row.
const STARTS: usize = 20;

/// Prints a line for one function, and one for all.
pub(crate) fn run(package: &Path) {
    let folder = TempDir::new().unwrap();
    let zip = File::open(package.join("lambda.zip")).unwrap();
    ZipArchive::new(zip)
        .unwrap()
        .extract(folder.path())
        .unwrap();
    let program = folder.path().join("bootstrap");
    let all: Vec<_> = FunctionName::ALL.iter().map(|name| name.as_str()).collect();
    for functions in ["writer", &all.join(",")] {
        let data = TempDir::new().unwrap();
        // The first start makes the data's files.
        first_answer(&program, functions, data.path());
        let times = (0..STARTS).map(|_| first_answer(&program, functions, data.path()));
        let mut times: Vec<_> = times.collect();
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "{} functions: p50 {:.1} ms, least {:.1} ms, most {:.1} ms, of {STARTS} starts",
            functions.split(',').count(),
            ms(times[STARTS / 2]),
            ms(times[0]),
            ms(times[STARTS - 1]),
        );
    }
}

/// Starts the program, invokes it once, and ends it.
fn first_answer(program: &Path, functions: &str, data: &Path) -> Duration {
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let child = Command::new(program)
        .env_clear()
        .env(
            "AWS_LAMBDA_RUNTIME_API",
            api.local_addr().unwrap().to_string(),
        )
        .env("AWS_LAMBDA_FUNCTION_NAME", "twin")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("TWIN_NAME", "factory-01")
        .env("TWIN_CLOUD", "aws")
        .env("TWIN_FUNCTIONS", functions)
        .env("TWIN_STORE", "local")
        .env("TWIN_EPHEMERAL", "1")
        .env("TWIN_DATA_DIR", data)
        .env("INTER_CLOUD_TOKEN", "key")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _child = Running(child);
    loop {
        let (connection, _) = api.accept().unwrap();
        if answers(connection) {
            return start.elapsed();
        }
    }
}

/// Serves one connection; true when a result has arrived.
fn answers(connection: TcpStream) -> bool {
    let mut writer = connection.try_clone().unwrap();
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return false;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        if line.starts_with("POST") {
            let result = String::from_utf8_lossy(&body);
            assert!(result.contains("\"statusCode\":401"), "{line}{result}");
            return true;
        }
        // The function itself answers that the caller needs a key.
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/write", "rawQueryString": "", "headers": {},
            "requestContext": {"http": {"method": "POST", "path": "/write", "sourceIp": "203.0.113.7"}, "stage": "$default"},
            "body": "{}", "isBase64Encoded": false,
        })
        .to_string();
        let deadline = 4_102_444_800_000_u64;
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: arn\r\ncontent-length: {}\r\n\r\n{event}",
            event.len()
        )
        .unwrap();
    }
}
