//! Enforces the layout: permitted dependencies, the length of files, and meaningful file names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Maximum number of lines of a source file; a longer one has two jobs.
const LINES_MAX: usize = 400;

/// Maximum number of lines of a test file.
const TEST_LINES_MAX: usize = 500;

/// Each top-level module with those that it may use. `cli` may use all.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("json", &["domain"]),
    ("planner", &["domain"]),
    ("blocking", &[]),
    ("metrics", &["domain"]),
    ("client", &["domain", "json", "blocking"]),
    ("normalize", &["domain", "json"]),
    ("warehouse", &["domain", "json", "metrics", "normalize", "blocking"]),
    ("sync", &["client", "domain", "json", "metrics", "normalize", "planner", "warehouse"]),
    ("config", &["client", "domain", "planner", "sync", "warehouse"]),
    ("telemetry", &["config"]),
    ("service", &["config", "domain", "metrics", "status", "sync", "warehouse"]),
    ("status", &["config", "domain", "planner", "sync", "warehouse"]),
    ("embedded", &[]),
    ("simulator", &["domain"]),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The top-level module of a source file.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a source file");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names after `crate::`, one by one or in braces.
fn named_rooms(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut item = String::new();
            for char in group.chars() {
                match char {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && char == ',') {
                    rooms.insert(first_name(&std::mem::take(&mut item)));
                }
                if depth == 0 {
                    break;
                }
                if char != ',' || depth > 1 {
                    item.push(char);
                }
            }
        } else {
            rooms.insert(first_name(rest));
        }
    }
    rooms.remove("");
    rooms
}

fn first_name(text: &str) -> String {
    let text = text.trim_start();
    text.chars().take_while(|char| char.is_ascii_lowercase() || *char == '_').collect()
}

#[test]
fn every_room_knows_only_whom_it_may() {
    let may_know: BTreeMap<_, _> = MAY_KNOW.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files(&root().join("src")) {
        let room = room(&path);
        let Some(allowed) = may_know.get(room.as_str()) else {
            assert!(
                ["cli", "lib", "main"].contains(&room.as_str()),
                "{room} is a room nobody described"
            );
            continue;
        };
        let text = fs::read_to_string(&path).expect("a text");
        for named in named_rooms(&text) {
            let is_room = may_know.contains_key(named.as_str()) || named == "cli";
            if is_room && named != room && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{} knows {named}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long_and_none_has_an_empty_name() {
    let mut wrong = Vec::new();
    for path in ["src", "tests"].into_iter().flat_map(|dir| files(&root().join(dir))) {
        let lines = fs::read_to_string(&path).expect("a text").lines().count();
        let inside = path.strip_prefix(root()).expect("a file of the project");
        let is_test = inside.to_string_lossy().contains("tests");
        if lines > if is_test { TEST_LINES_MAX } else { LINES_MAX } {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if ["util", "utils", "common", "helper", "helpers", "types", "misc", "manager"]
            .contains(&name.as_str())
        {
            wrong.push(format!("{} says nothing by its name", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<_> = files(&root().join("src"))
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("a text").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// The order of submodules: each may import those before it. Other files must only be free of
/// cycles.
const INNER_ORDER: &[(&str, &[&str])] = &[
    (
        "warehouse",
        &["postgres", "state", "raw", "record", "tables", "deletion", "ingest", "commit", "report"],
    ),
    ("sync", &["rate", "lists", "details", "commands"]),
    ("simulator", &["people", "render", "api", "server"]),
];

/// The module of a source file, such as `["warehouse", "claim"]`.
fn module(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(root().join("src")).expect("a source file").with_extension("");
    let mut names: Vec<_> =
        inside.components().map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "mod");
    names
}

/// The paths of all `use` declarations outside unit tests, one by one.
fn used_paths(text: &str) -> Vec<Vec<String>> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut paths = Vec::new();
    for rest in text.split("\nuse ").skip(1).chain(text.split("\npub use ").skip(1)) {
        expand(rest.split(';').next().unwrap_or_default(), &[], &mut paths);
    }
    paths
}

/// Adds the paths of a tree such as `a::{b, c::{d}}`.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let (path, group) =
        tree.split_once('{').map_or((tree, None), |(path, group)| (path, Some(group)));
    let names = path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let path: Vec<_> = before.iter().cloned().chain(names).collect();
    let Some(group) = group else { return paths.push(path) };
    let (mut depth, mut item) = (0, String::new());
    for char in group.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&std::mem::take(&mut item), &path, paths);
                continue;
            }
            _ => {}
        }
        item.push(char);
    }
    expand(&item, &path, paths);
}

/// The absolute form of a path in a module.
fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("self") => [module, &path[1..]].concat(),
        Some("super") => [&module[..module.len().saturating_sub(supers)], &path[supers..]].concat(),
        _ => Vec::new(),
    }
}

/// The file that a path leads to, through the re-exports of `mod.rs` files.
fn imported<'t>(
    texts: &'t BTreeMap<Vec<String>, String>,
    faces: &BTreeMap<Vec<String>, String>,
    path: &[String],
) -> Option<&'t [String]> {
    let file = |length| texts.get_key_value(&path[..length]);
    if let Some((file, _)) = (1..=path.len()).rev().find_map(file) {
        return Some(file);
    }
    let length = (1..path.len()).rev().find(|length| faces.contains_key(&path[..*length]))?;
    let (face, name) = (&path[..length], &path[length]);
    let shown = used_paths(&faces[face]);
    let shown = shown.into_iter().find(|shown| shown.last() == Some(name))?;
    let shown = match shown.first()?.as_str() {
        "crate" | "self" | "super" => absolute(face, &shown),
        _ => [face, &shown].concat(),
    };
    imported(texts, faces, &shown)
}

/// The files that each file imports, by their modules.
fn imports() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    // `mod.rs` re-exports items of other files.
    let (mut faces, mut texts) = (BTreeMap::new(), BTreeMap::new());
    for path in files(&root().join("src")) {
        let text = fs::read_to_string(&path).expect("a text");
        let known = if path.ends_with("mod.rs") { &mut faces } else { &mut texts };
        known.insert(module(&path), text);
    }
    let mut imports: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (own, text) in &texts {
        for path in used_paths(text) {
            let imported = imported(&texts, &faces, &absolute(own, &path));
            let others = imported.filter(|file| file != own).map(<[String]>::to_vec);
            imports.entry(own.clone()).or_default().extend(others);
        }
    }
    imports
}

#[test]
fn files_import_one_another_in_one_direction() {
    let imports = imports();
    let leads_back = |file: &Vec<String>| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<_> = imports[file].iter().collect();
        while let Some(other) = next.pop() {
            if reached.insert(other) {
                next.extend(imports.get(other).into_iter().flatten());
            }
        }
        reached.contains(file)
    };
    let wrong: Vec<_> =
        imports.keys().filter(|file| leads_back(file)).map(|file| file.join("::")).collect();
    assert!(wrong.is_empty(), "in a cycle of imports: {wrong:#?}");
}

#[test]
fn the_modules_of_a_room_import_those_below_them() {
    let mut wrong = Vec::new();
    for (own, imported) in imports() {
        let order = INNER_ORDER.iter().find(|(room, _)| *room == own[0]);
        let Some((_, modules)) = order.filter(|_| own.len() > 2) else { continue };
        let place = |file: &[String]| modules.iter().position(|module| *module == file[1]);
        let Some(own_place) = place(&own) else { continue };
        let above = imported.into_iter().filter(|file| {
            file[0] == own[0] && file.len() > 2 && place(file).is_some_and(|it| it > own_place)
        });
        wrong.extend(above.map(|file| format!("{} imports {}", own.join("::"), file.join("::"))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
