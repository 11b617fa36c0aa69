//! A base for Kustomize: the host as a Deployment over PostgreSQL, with its Service, autoscaler and disruption budget.
//!
//! The files are those in `kubernetes/`. Only the list of resources knows what is packaged.

use twin_contract::FunctionName;

use crate::files::Files;

const KUSTOMIZATION: &str = include_str!("../kubernetes/kustomization.yaml");

/// The resources, by the names of their files.
const RESOURCES: [(&str, &str); 4] = [
    (
        "deployment.yaml",
        include_str!("../kubernetes/deployment.yaml"),
    ),
    ("service.yaml", include_str!("../kubernetes/service.yaml")),
    (
        "autoscaler.yaml",
        include_str!("../kubernetes/autoscaler.yaml"),
    ),
    (
        "disruption-budget.yaml",
        include_str!("../kubernetes/disruption-budget.yaml"),
    ),
];

/// The base for an image of this version with these functions.
pub(crate) fn base(functions: &[FunctionName], version: &str) -> Files {
    let names: Vec<_> = functions.iter().map(|function| function.as_str()).collect();
    let kustomization = KUSTOMIZATION
        .replace("VERSION", version)
        .replace("=FUNCTIONS", &format!("={}", names.join(",")));
    let mut files = Files::default();
    files.add("kustomization.yaml", kustomization);
    for (name, resource) in RESOURCES {
        files.add(name, resource);
    }
    files
}

#[cfg(test)]
mod tests {
    use twin_contract::registry::{HEALTH, READINESS};

    use super::*;

    fn text(files: &Files, path: &str) -> String {
        let (_, file) = files.iter().find(|(other, _)| *other == path).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    }

    #[test]
    fn the_base_lists_its_resources_and_what_is_packaged() {
        let files = base(&[FunctionName::Writer, FunctionName::Reader], "1.2.3");
        let list = text(&files, "kustomization.yaml");
        assert!(list.contains("newTag: \"1.2.3\""), "{list}");
        assert!(list.contains("TWIN_FUNCTIONS=writer,reader\n"), "{list}");
        for (path, _) in files
            .iter()
            .filter(|(path, _)| *path != "kustomization.yaml")
        {
            assert!(list.contains(&format!("  - {path}\n")), "{path}");
        }
        assert_eq!(list.matches(".yaml").count(), RESOURCES.len());
    }

    #[test]
    fn probes_ask_for_what_the_host_answers() {
        let deployment = text(&base(&[], "1"), "deployment.yaml");
        let asked: Vec<_> = deployment
            .lines()
            .filter_map(|line| line.trim().strip_prefix("path: "))
            .collect();
        assert_eq!(asked, [READINESS, READINESS, HEALTH]);
    }
}
