//! `calzone plugin build`: cargo, and then a component from what it made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// Variables that would lead cargo or rustc to another compiler or to flags for another target.
const MISLEADING: &[&str] = &["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER", "CARGO", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

/// Compiles the crate in a folder, and writes `target/plugins/NAME.wasm` below it.
pub fn build(folder: &Path) -> Result<PathBuf, String> {
    let name = crate_name(folder)?;
    let mut cargo = compiler()?;
    let status = cargo.current_dir(folder).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !status.success() {
        return Err("the plugin did not compile; see above".into());
    }
    let module = folder.join(format!("target/{TARGET}/release/{}.wasm", name.replace('-', "_")));
    let bytes = fs::read(&module)
        .map_err(|e| format!("cannot read {}: {e}; is `crate-type = [\"cdylib\"]` in its Cargo.toml?", module.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .map_err(|e| format!("no component can be made of {}: {e:#}", module.display()))?;
    let file = plugin_file(folder, &name);
    let write = || -> std::io::Result<()> {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, &component)
    };
    write().map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    println!("{} ({} bytes)", file.display(), component.len());
    Ok(file)
}

/// Where the component of the crate in a folder is, once it was built.
pub fn built_file(folder: &Path) -> Result<PathBuf, String> {
    crate_name(folder).map(|name| plugin_file(folder, &name))
}

/// Where a plugin's component is.
pub fn plugin_file(folder: &Path, name: &str) -> PathBuf {
    folder.join("target/plugins").join(format!("{name}.wasm"))
}

/// The package's name, by a look at its manifest that needs no more than cargo writes there.
fn crate_name(folder: &Path) -> Result<String, String> {
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .map_err(|e| format!("cannot read {}: {e}; `calzone plugin new` writes one", manifest.display()))?;
    let mut in_package = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_package = line == "[package]";
        } else if in_package
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "name"
        {
            return Ok(value.trim().trim_matches(['"', '\'']).to_owned());
        }
    }
    Err(format!("{} has no [package] with a name", manifest.display()))
}

/// A cargo command that builds for WebAssembly: with the toolchain on the path if it has the target's standard library,
/// else with Debian's packages, which build that library along.
fn compiler() -> Result<Command, String> {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let library = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
    let has_core = library.and_then(|dir| fs::read_dir(dir).ok()).is_some_and(|entries| {
        entries.flatten().any(|e| {
            let name = e.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    });
    let arguments = ["build", "--release", "--lib", "--target", TARGET];
    if has_core {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments);
        return Ok(cargo);
    }
    let debian = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std/Cargo.toml"];
    if debian.iter().all(|path| Path::new(path).exists()) {
        let linker = linker(output("rustc", &["--print", "sysroot"]))
            .ok_or("there is no linker for WebAssembly: apt-get install lld-19")?;
        let mut cargo = Command::new("/usr/bin/cargo");
        for name in MISLEADING {
            cargo.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        cargo
            .args(arguments)
            .arg("-Zbuild-std=std,panic_abort")
            .env("PATH", format!("/usr/bin:{path}"))
            .env("RUSTC", "/usr/bin/rustc")
            // Building the standard library is the one thing here that a stable compiler must be asked twice for.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        return Ok(cargo);
    }
    Err(format!(
        "no compiler here builds for {TARGET}. Install one of\n  rustup target add {TARGET}\n  apt-get install rustc-web cargo-web rust-web-src lld-19     (Debian)"
    ))
}

/// Debian's linker by whatever version it has, or the one that comes with a rustup toolchain.
fn linker(sysroot: Option<String>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for name in ["wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19", "wasm-ld"] {
        if let Some(found) = folders.iter().map(|f| f.join(name)).find(|f| f.is_file()) {
            return Some(found);
        }
    }
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let bundled = PathBuf::from(sysroot?).join("lib/rustlib").join(host).join("bin/rust-lld");
    bundled.is_file().then_some(bundled)
}
