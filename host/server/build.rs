//! Lists the files of the guest SDK and of the interface it is written against, so that the program carries them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let mut files = Vec::new();
    for folder in ["guest-sdk", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        collect(&root, &PathBuf::from(folder), &mut files);
    }
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name = path.to_str().expect("names of our own files are text");
        let source = root.join(&path).canonicalize().expect("it was just listed");
        writeln!(list, "({name:?}, include_str!({source:?})),").expect("a string takes all text");
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("sdk_files.rs");
    fs::write(out, list).expect("cargo's own folder is writable");
}

/// Source files below a folder; what building the SDK leaves behind is not among them.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(folder)).expect("the SDK is part of the source").flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            if entry.file_name() != "target" {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|e| ["rs", "toml", "lock", "wit"].iter().any(|known| e == *known)) {
            files.push(path);
        }
    }
}
