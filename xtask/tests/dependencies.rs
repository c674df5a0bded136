//! Duplicates and sources of the dependencies, checked without a network, and the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is in quotes in the list of this name in `.cargo/deny.toml`.
fn list(name: &str) -> Vec<String> {
    let file = read(".cargo/deny.toml");
    let start = format!("\n{name} = [");
    let (_, list) = file.split_once(&start).expect("there is such a list");
    let (list, _) = list.split_once(']').expect("it ends");
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(String::from)
        .collect()
}

/// The text as cargo's own files have it: `name = "..."`.
fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
    value.strip_suffix('"')
}

/// All that is built here, as cargo knows it.
static PACKAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let host = Command::new("rustc").arg("-vV").output();
    let host = String::from_utf8(host.expect("there is a compiler").stdout).expect("it is text");
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version=1"])
        .args(["--filter-platform", host.expect("it names its host")])
        .current_dir(root())
        .output()
        .expect("there is a cargo");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    metadata["packages"]
        .as_array()
        .expect("it lists them")
        .clone()
});

#[test]
fn no_crate_is_there_in_two_versions() {
    let mut versions = BTreeMap::<_, usize>::new();
    let lock = read("Cargo.lock");
    for name in lock.lines().filter_map(|line| quoted(line, "name")) {
        *versions.entry(name.to_owned()).or_default() += 1;
    }
    versions.retain(|_, count| *count > 1);
    let twice = BTreeSet::from_iter(versions.into_keys());
    assert_eq!(twice, BTreeSet::from_iter(list("skip")));
}

#[test]
fn everything_is_from_the_registry() {
    for source in read("Cargo.lock")
        .lines()
        .filter_map(|line| quoted(line, "source"))
    {
        assert!(source.starts_with("registry+"), "{source}");
    }
}

/// clippy's `incompatible_msrv` looks after what is used of std.
#[test]
fn every_package_allows_the_oldest_rust_that_the_pages_name() {
    let number = |version: &Value| {
        let parts = version.as_str().unwrap_or("0").split('.');
        Vec::from_iter(
            parts
                .take(2)
                .map(|part| part.parse::<u32>().expect("versions are numbers")),
        )
    };
    let ours = PACKAGES.iter().find(|package| package["name"] == "xtask");
    let ours = &ours.expect("it is a member")["rust_version"];
    for package in &*PACKAGES {
        let theirs = &package["rust_version"];
        assert!(
            number(theirs) <= number(ours),
            "{}: {theirs}",
            package["name"]
        );
    }
    let version = ours.as_str().expect("it is set");
    assert!(read("README.md").contains(&format!("Rust {version} or newer")));
    assert!(read("xtask/book/teaching.md").contains(&format!("Rust {version} or newer")));
}

#[test]
fn every_member_forbids_unsafe_code() {
    assert!(read("Cargo.toml").contains("\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    let members = PACKAGES
        .iter()
        .filter(|package| package["source"].is_null());
    let manifests = members.filter_map(|member| member["manifest_path"].as_str());
    let manifests = Vec::from_iter(manifests);
    assert_eq!(manifests.len(), 14);
    for manifest in manifests {
        assert!(
            read(manifest).contains("\n[lints]\nworkspace = true\n"),
            "{manifest}"
        );
    }
}

/// So it starts fast, and it works while a step does not compile.
#[test]
fn xtask_depends_on_no_step_and_what_launches_it_on_nothing() {
    let dependencies = |name: &str| {
        let package = PACKAGES.iter().find(|package| package["name"] == name);
        let all = package.expect("it is a member")["dependencies"].as_array();
        all.expect("it lists them").clone()
    };
    let is_ours = |one: &Value| one["source"].is_null() && one["kind"] != "dev";
    let members = Vec::from_iter(dependencies("xtask").into_iter().filter(is_ours));
    assert!(members.len() == 1 && members[0]["name"] == "launch");
    for dependency in dependencies("launch") {
        assert_eq!(dependency["target"], "cfg(not(unix))", "{dependency}");
    }
}

/// Each check of an exercise builds it.
#[test]
fn only_tests_depend_on_the_helpers_for_tests_and_these_on_nothing() {
    for package in &*PACKAGES {
        let dependencies = package["dependencies"].as_array().expect("it lists them");
        assert!(package["name"] != "testing" || dependencies.is_empty());
        for dependency in dependencies.iter().filter(|one| one["name"] == "testing") {
            assert_eq!(dependency["kind"], "dev", "{}", package["name"]);
        }
    }
}

#[test]
fn every_dependency_has_its_reason_and_its_version_in_one_place() {
    let manifest = read("Cargo.toml");
    let (_, dependencies) = manifest
        .split_once("\n[workspace.dependencies]\n")
        .expect("there are some");
    let (dependencies, _) = dependencies.split_once("\n[").expect("more follows");
    for line in dependencies.lines() {
        let is_one = line.contains(" = ") && !line.starts_with('#') && !line.contains("path = ");
        assert!(!is_one || line.contains(" # "), "why? {line}");
    }
    for package in PACKAGES
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let path = package["manifest_path"].as_str().expect("it has one");
        let mut inside = false;
        for line in read(path).lines() {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
            } else if inside && !line.is_empty() {
                let shared = line.contains("workspace = true");
                assert!(shared || line.starts_with('#'), "{path}: {line}");
            }
        }
    }
}
