//! `componentize IN OUT [IN OUT …]`: makes a component of each core module. A component that is newer than its module stays.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() || paths.len() % 2 != 0 {
        eprintln!("usage: componentize IN OUT [IN OUT …]");
        return ExitCode::FAILURE;
    }
    for pair in paths.chunks(2) {
        if let Err(e) = componentize(Path::new(&pair[0]), Path::new(&pair[1])) {
            eprintln!("componentize: {}: {e:#}", pair[0]);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn componentize(module: &Path, component: &Path) -> Result<(), Box<dyn Error>> {
    let made = fs::metadata(component).and_then(|m| m.modified()).ok();
    if made.is_some_and(|made| fs::metadata(module).and_then(|m| m.modified()).is_ok_and(|changed| changed < made)) {
        return Ok(());
    }
    let bytes = ComponentEncoder::default().validate(true).module(&fs::read(module)?)?.encode()?;
    // Written aside first: an interrupted build must not leave half a component that looks new.
    let aside = component.with_extension("part");
    fs::write(&aside, bytes)?;
    fs::rename(aside, component)?;
    Ok(())
}
