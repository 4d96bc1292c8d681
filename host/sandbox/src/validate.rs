//! Looks at uploaded bytes before anything is compiled: is it a component, does it import only what there is, does it export
//! a world we know, and is it of a size that a compiler can be asked to take?
//!
//! The compiler runs under limits of its own ([`crate::compile`]); these here give the better error, and sooner.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Encoding, Parser,
    Payload,
};

use crate::SandboxError;
use crate::limits::{FUNCTION_BYTES_MAX, FUNCTIONS_MAX, IMPORTS_MAX, INSTANCES_MAX, LOCALS_MAX, Limits, NESTED_MAX, NESTING_MAX};
use crate::v1;
use crate::wasi_http::is_handler;

/// What a component says of itself in its outermost layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// Names of imports, in order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Checks an upload. The error names the fault.
pub fn validate(bytes: &[u8], limits: &Limits) -> Result<Surface, SandboxError> {
    if bytes.len() > limits.module_bytes {
        return Err(SandboxError::TooLarge { bytes: bytes.len(), limit: limits.module_bytes, limit_name: "module_bytes" });
    }
    check_magic(bytes)?;
    let surface = walk(bytes)?;
    for import in &surface.imports {
        if !v1::offers(import) && !is_wasi(import) {
            return Err(SandboxError::Rejected(format!(
                "the component imports `{import}`, which this server does not offer; it offers {}",
                v1::IMPORTS.join(", ")
            )));
        }
    }
    if !surface.exports.iter().any(|e| v1::WORLDS.contains(&e.as_str()) || is_handler(e)) {
        let exports = if surface.exports.is_empty() { "nothing".to_owned() } else { surface.exports.join(", ") };
        return Err(SandboxError::Rejected(format!(
            "the component is for another world: it exports {exports}; a plugin exports one of {}, wasi:http/incoming-handler@0.2",
            v1::WORLDS.join(", ")
        )));
    }
    Ok(surface)
}

/// WASI is there for toolchains that cannot do without importing it, but nothing is behind it.
pub(crate) fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:")
}

fn check_magic(bytes: &[u8]) -> Result<(), SandboxError> {
    if !bytes.starts_with(b"\0asm") {
        let text = "this is not WebAssembly: a component starts with the bytes 00 61 73 6d (`\\0asm`)";
        return Err(SandboxError::Rejected(text.to_owned()));
    }
    if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
        let text = "this is a core WebAssembly module, not a component: make one of it with `calzone plugin build` or `wasm-tools component new`";
        return Err(SandboxError::Rejected(text.to_owned()));
    }
    Ok(())
}

/// What is known of one component while it is being read: the weights of the components and the instances that it can name.
/// A weight is how many instances come to be when the component is instantiated.
#[derive(Default)]
struct Layer {
    components: Vec<u64>,
    weight: u64,
    is_module: bool,
}

fn too_much(what: &str, limit: impl std::fmt::Display) -> SandboxError {
    SandboxError::Limit(format!("the component has more than {limit} {what}"))
}

fn walk(bytes: &[u8]) -> Result<Surface, SandboxError> {
    let broken = |e: wasmparser::BinaryReaderError| SandboxError::Rejected(format!("the component is broken: {e}"));
    let mut surface = Surface::default();
    let mut layers: Vec<Layer> = Vec::new();
    let (mut nested, mut functions) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::Version { encoding, .. } => {
                if layers.len() > NESTING_MAX {
                    return Err(too_much("levels of components inside components", NESTING_MAX));
                }
                if nested > NESTED_MAX {
                    return Err(too_much("components and modules inside it", NESTED_MAX));
                }
                nested += 1;
                layers.push(Layer { weight: 1, is_module: encoding == Encoding::Module, ..Layer::default() });
            }
            Payload::End(_) => {
                let done = layers.pop();
                if let (Some(done), Some(outer)) = (done, layers.last_mut())
                    && !done.is_module
                {
                    outer.components.push(done.weight);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(broken)?;
                    if layers.len() == 1 {
                        surface.imports.push(import.name.name.to_owned());
                    }
                    if let (ComponentTypeRef::Component(_), Some(layer)) = (import.ty, layers.last_mut()) {
                        layer.components.push(1);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if layers.len() == 1 {
                        surface.exports.push(export.name.name.to_owned());
                    }
                    // An export adds the item to its index space once more.
                    if let (ComponentExternalKind::Component, Some(layer)) = (export.kind, layers.last_mut()) {
                        let weight = layer.components.get(export.index as usize).copied().unwrap_or(1);
                        layer.components.push(weight);
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    let weight = match alias.map_err(broken)? {
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let outer = layers.len().checked_sub(1 + count as usize).and_then(|i| layers.get(i));
                            Some(outer.and_then(|l| l.components.get(index as usize)).copied().unwrap_or(1))
                        }
                        // Whatever instance it is an export of: as heavy as the heaviest there is.
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            Some(layers.iter().flat_map(|l| &l.components).copied().max().unwrap_or(1))
                        }
                        _ => None,
                    };
                    if let (Some(weight), Some(layer)) = (weight, layers.last_mut()) {
                        layer.components.push(weight);
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let instance = instance.map_err(broken)?;
                    let Some(layer) = layers.last_mut() else { continue };
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        let weight = layer.components.get(component_index as usize).copied().unwrap_or(1);
                        layer.weight = layer.weight.saturating_add(weight);
                    }
                    if layer.weight > INSTANCES_MAX {
                        return Err(too_much("instances", INSTANCES_MAX));
                    }
                }
            }
            Payload::InstanceSection(section) => {
                if let Some(layer) = layers.last_mut() {
                    layer.weight = layer.weight.saturating_add(section.count().into());
                    if layer.weight > INSTANCES_MAX {
                        return Err(too_much("instances", INSTANCES_MAX));
                    }
                }
            }
            Payload::FunctionSection(section) => {
                functions += u64::from(section.count());
                if functions > FUNCTIONS_MAX {
                    return Err(too_much("functions", FUNCTIONS_MAX));
                }
            }
            Payload::CodeSectionEntry(body) => {
                if body.as_bytes().len() > FUNCTION_BYTES_MAX {
                    return Err(too_much("bytes in one function", FUNCTION_BYTES_MAX));
                }
                let mut locals = 0;
                for local in body.get_locals_reader().map_err(broken)? {
                    locals += u64::from(local.map_err(broken)?.0);
                }
                if locals > LOCALS_MAX {
                    return Err(too_much("local variables in one function", LOCALS_MAX));
                }
            }
            _ => {}
        }
        if surface.imports.len().max(surface.exports.len()) > IMPORTS_MAX {
            return Err(too_much("imports or exports", IMPORTS_MAX));
        }
    }
    if layers.is_empty() && !bytes.is_empty() {
        Ok(surface)
    } else {
        Err(SandboxError::Rejected("the component is cut short".to_owned()))
    }
}
