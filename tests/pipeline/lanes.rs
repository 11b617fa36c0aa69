//! `TWIN_LANES`: `twin serve` has a thread for each lane, even if there are fewer cores.

use std::{fs, path::Path};

use twin_contract::Cloud::Aws;
use twin_tests::bodies::ENVELOPE_L3;

use crate::house::Host;

/// More lanes than most machines have cores.
const LANES: usize = 96;

/// The number of threads of a process that run tasks.
fn threads(pid: u32) -> usize {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let name =
        |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let names = fs::read_dir(tasks).unwrap().map(|task| name(task.unwrap()));
    names.filter(|name| name.starts_with("tokio-")).count()
}

#[tokio::test]
async fn there_is_a_thread_for_each_lane() {
    let host = Host::of(Aws, "writer,reader,error-reporter");
    let host = host.set("TWIN_LANES", &LANES.to_string()).start().await;
    let threads = threads(host.pid());
    assert!(threads >= LANES, "{threads}");
    assert_eq!(host.post("/write", ENVELOPE_L3).await.status, 200);
}
