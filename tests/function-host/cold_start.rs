//! Cold start of the package for AWS Lambda: from the start of the process to its first answer, which arrives at a runtime API that is
//! played here. The files are in the system's cache, as for a second environment on the same machine.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;
use twin_contract::FunctionName;
use twin_tests::hosts::{
    process::{PATIENCE, Running},
    runtime_api::{Outcome, RuntimeApi},
};
use zip::ZipArchive;

/// Starts for each row.
const STARTS: usize = 20;

/// Prints a line for one function, and one for all.
pub(crate) async fn run(package: &Path) {
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
        first_answer(&program, functions, data.path()).await;
        let mut times = Vec::new();
        for _ in 0..STARTS {
            times.push(first_answer(&program, functions, data.path()).await);
        }
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
async fn first_answer(program: &Path, functions: &str, data: &Path) -> Duration {
    let api = RuntimeApi::start("").await;
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/write", "rawQueryString": "", "headers": {},
        "requestContext": {"http": {"method": "POST", "path": "/write", "sourceIp": "203.0.113.7"}, "stage": "$default"},
        "body": "{}", "isBase64Encoded": false,
    });
    let start = Instant::now();
    let child = Command::new(program)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", api.variable())
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
    let outcome = api.invoke(&event, PATIENCE).await;
    let time = start.elapsed();
    // The function itself answers that the caller needs a key.
    let Outcome::Response(answer) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(answer["statusCode"], 401, "{answer}");
    time
}
