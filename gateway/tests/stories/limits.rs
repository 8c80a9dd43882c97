//! The limits as the documents state them are those of the code.

use std::{collections::BTreeMap, fs, path::Path};

/// Every constant of a directory's sources, with its value where that is a number.
fn constants(dir: &Path, found: &mut BTreeMap<String, u64>) {
    for entry in fs::read_dir(dir).expect("sources") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            constants(&path, found);
            continue;
        }
        for line in fs::read_to_string(&path).expect("text").lines() {
            let Some((head, value)) = line.trim().strip_suffix(';').and_then(|line| line.split_once(" = ")) else {
                continue;
            };
            let Some((_, name)) = head.split_once("const ") else { continue };
            let name = name.split(':').next().expect("a name").to_owned();
            let value = value.trim_start_matches("Duration::from_secs(").trim_end_matches(')').replace('_', "");
            let factors: Option<Vec<u64>> = value.split(" * ").map(|factor| factor.parse().ok()).collect();
            if let Some(factors) = factors {
                found.insert(name, factors.into_iter().product());
            }
        }
    }
}

#[test]
fn the_limits_in_the_documents_are_those_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeMap::new();
    constants(&root.join("src"), &mut known);
    let page = fs::read_to_string(root.join("../docs/reference/api-limits.md")).expect("the page of limits");
    let mut compared = 0;
    for line in page.lines().filter(|line| line.contains("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (limit, name) = (cells[1].trim_end_matches(" s"), cells[2].trim_matches('`'));
        assert_eq!(known.get(name).map(u64::to_string).as_deref(), Some(limit), "{name}");
        compared += 1;
    }
    assert!(compared > 20, "{compared} limits were compared");
}
