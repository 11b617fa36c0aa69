//! The limits of the process on its machine, and the ingress settings derived from them: descriptors for connections,
//! memory for bodies.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for connections from callers: files, listeners, and connections to peers.
const OTHER_DESCRIPTORS: u64 = 256;

/// The default number of connections is never higher than this; `MAX_CONNECTIONS` can set more.
const MOST_CONNECTIONS: u64 = 16_384;

/// The descriptor limit is raised to at most this.
const MOST_DESCRIPTORS: u64 = 1_048_576;

/// The largest default for the memory of bodies, in bytes; `BODY_MEMORY_BYTES` can set more.
const MOST_BODY_MEMORY: u64 = 256 * 1024 * 1024;

/// The smallest, in bytes.
const LEAST_BODY_MEMORY: u64 = 1024 * 1024;

/// The divisor of the control group's memory that gives the memory for bodies. A body that is being answered takes six
/// times its length, in the host and in the sandbox (1,000 posts of 200 KB, 32 MiB of them held: 190 MiB), and half of the
/// memory is for everything else.
const BODY_SHARE: u64 = 12;

/// Raises the limit of descriptors as far as the process is permitted to.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(MOST_DESCRIPTORS);
    if limit.current.is_none_or(|current| current >= most) {
        return;
    }
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of descriptors could not be raised");
    }
}

/// How many connections from callers may be open at once, according to the limit of descriptors.
pub fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    connections_of(limit.unwrap_or(u64::MAX))
}

fn connections_of(descriptors: u64) -> usize {
    let left = descriptors
        .saturating_sub(OTHER_DESCRIPTORS)
        .max(descriptors / 2);
    usize::try_from(left.clamp(1, MOST_CONNECTIONS)).unwrap_or(usize::MAX)
}

/// How much memory bodies may take, in bytes, according to the memory limit of the process's control group.
pub fn body_memory() -> u32 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    body_memory_of(memory_limit(&groups, |file| fs::read_to_string(file).ok()))
}

fn body_memory_of(limit: Option<u64>) -> u32 {
    let share = limit.map_or(MOST_BODY_MEMORY, |limit| limit / BODY_SHARE);
    let bytes = share.clamp(LEAST_BODY_MEMORY, MOST_BODY_MEMORY);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The lowest memory limit of a control group and its ancestors, in bytes; `None` if there is no limit. `groups` is
/// `/proc/self/cgroup`; `read` reads a file under `/sys/fs/cgroup` if it exists. In a container the group's own path may
/// not be visible; then the mounted root is the group.
fn memory_limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    groups
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let (root, file) = if controllers.is_empty() {
                ("/sys/fs/cgroup", "memory.max")
            } else if controllers.split(',').any(|name| name == "memory") {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            } else {
                return None;
            };
            let group = Path::new(path.trim_start_matches('/'));
            group
                .ancestors()
                .filter_map(|group| read(&PathBuf::from(root).join(group).join(file)))
                .filter_map(|limit| limit.trim().parse::<u64>().ok())
                // Without a limit, version 1 shows the largest number of whole pages.
                .filter(|limit| *limit < u64::MAX / 4)
                .min()
        })
        .min()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn connections_follow_from_descriptors() {
        for (descriptors, expected) in [
            (0, 1),
            (2, 1),
            (256, 128),
            (512, 256),
            (1024, 768),
            (16_640, 16_384),
            (20_000, 16_384),
            (u64::MAX, 16_384),
        ] {
            assert_eq!(connections_of(descriptors), expected, "{descriptors}");
        }
    }

    #[test]
    fn body_memory_follows_from_the_control_groups_memory() {
        const MIB: u64 = 1024 * 1024;
        for (limit, expected) in [
            (None, 256 * MIB),
            (Some(240 * MIB), 20 * MIB),
            (Some(64 * 1024 * MIB), 256 * MIB),
            (Some(4 * MIB), MIB),
        ] {
            assert_eq!(u64::from(body_memory_of(limit)), expected, "{limit:?}");
        }
    }

    #[test]
    fn the_least_limit_around_a_control_group_counts() {
        let v2 = "0::/kubepods/pod1/c\n";
        let v1 = "5:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/c\n0::/\n";
        for (groups, files, expected) in [
            ("", vec![("/sys/fs/cgroup/memory.max", "1000")], None),
            (v2, vec![], None),
            (
                v2,
                vec![("/sys/fs/cgroup/kubepods/pod1/c/memory.max", "max\n")],
                None,
            ),
            (
                v2,
                vec![
                    ("/sys/fs/cgroup/kubepods/pod1/c/memory.max", "max\n"),
                    ("/sys/fs/cgroup/kubepods/pod1/memory.max", "2000\n"),
                    ("/sys/fs/cgroup/kubepods/memory.max", "3000\n"),
                ],
                Some(2000),
            ),
            (
                "0::/\n",
                vec![("/sys/fs/cgroup/memory.max", "4000\n")],
                Some(4000),
            ),
            (
                v2,
                vec![("/sys/fs/cgroup/memory.max", "4000\n")],
                Some(4000),
            ),
            (
                v1,
                vec![(
                    "/sys/fs/cgroup/memory/docker/c/memory.limit_in_bytes",
                    "5000\n",
                )],
                Some(5000),
            ),
            (
                v1,
                vec![("/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000\n")],
                Some(6000),
            ),
            (
                v1,
                vec![(
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "9223372036854771712\n",
                )],
                None,
            ),
            (v2, vec![("/sys/fs/cgroup/memory.max", "many\n")], None),
        ] {
            let files: BTreeMap<_, _> = files.into_iter().collect();
            let limit = memory_limit(groups, |file| {
                files.get(file.to_str()?).map(ToString::to_string)
            });
            assert_eq!(limit, expected, "{groups:?} {files:?}");
        }
    }
}
