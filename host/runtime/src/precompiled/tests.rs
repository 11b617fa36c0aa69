use twin_capabilities::function::FunctionName;

use super::*;
use crate::engine;

/// The smallest component: it imports and exports nothing.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

const WRITER: FunctionName = FunctionName::Writer;

/// A folder with `writer.wasm`, and below it `out` with what was compiled of it.
struct Made {
    folder: tempfile::TempDir,
    compiled: Vec<Compiled>,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("writer.wasm"), COMPONENT).unwrap();
        let compiled = make(folder.path()).unwrap();
        Self { folder, compiled }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn load(&self, function: FunctionName) -> Result<String, RuntimeError> {
        let engine = Engine::new(&engine::settings().unwrap()).unwrap();
        let (digest, _) = Folder::open(&self.out())?.load(&engine, function.as_str())?;
        Ok(digest)
    }

    /// Replaces a text in the manifest.
    fn rewrite(&self, old: &str, new: &str) {
        let file = self.out().join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(file, text.replace(old, new)).unwrap();
    }
}

fn make(folder: &Path) -> Result<Vec<Compiled>, RuntimeError> {
    let target = Target::here().unwrap();
    compile(folder, &[WRITER], target, &folder.join("out"))
}

#[test]
fn what_was_compiled_is_loaded_under_the_digest_of_the_component() {
    let made = Made::new();
    assert_eq!(made.compiled[0].component, digest(COMPONENT));
    assert_eq!(made.load(WRITER).unwrap(), digest(COMPONENT));
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let made = Made::new();
    let file = made.out().join("writer.cwasm");
    let first = fs::read(&file).unwrap();
    assert_eq!(make(made.folder.path()).unwrap(), made.compiled);
    assert_eq!(fs::read(&file).unwrap(), first);
    assert_eq!(digest(&first), made.compiled[0].precompiled);
}

#[test]
fn a_changed_file_is_refused_and_named() {
    let made = Made::new();
    let file = made.out().join("writer.cwasm");
    let mut code = fs::read(&file).unwrap();
    *code.last_mut().unwrap() ^= 1;
    fs::write(&file, code).unwrap();
    let error = made.load(WRITER).unwrap_err();
    assert!(
        matches!(error, RuntimeError::DigestDiffers { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("writer.cwasm"), "{error}");
}

#[test]
fn code_of_another_build_or_for_another_machine_is_refused_by_its_manifest() {
    for (field, value) in [
        ("twin", env!("CARGO_PKG_VERSION")),
        ("wasmtime", code::WASMTIME),
        ("target", Target::here().unwrap().as_str()),
    ] {
        let made = Made::new();
        made.rewrite(
            &format!("\"{field}\": \"{value}\""),
            &format!("\"{field}\": \"other\""),
        );
        let error = made.load(WRITER).unwrap_err();
        let RuntimeError::OfAnotherBuild { .. } = &error else {
            panic!("{field}: {error:?}");
        };
        let words = error.to_string();
        for part in ["precompiled.json", "other", "twin compile --target"] {
            assert!(words.contains(part), "{field}: {words}");
        }
    }
}

/// Code that another engine made is refused, even if the manifest describes it.
fn assert_refused(engine: &Engine) {
    let made = Made::new();
    let foreign = engine.precompile_component(COMPONENT).unwrap();
    fs::write(made.out().join("writer.cwasm"), &foreign).unwrap();
    made.rewrite(&made.compiled[0].precompiled, &digest(&foreign));
    let error = made.load(WRITER).unwrap_err();
    assert!(
        matches!(error, RuntimeError::ComponentInvalid { .. }),
        "{error:?}"
    );
}

#[test]
fn code_of_another_build_is_refused_by_itself_too() {
    let mut settings = engine::settings().unwrap();
    let other = wasmtime::ModuleVersionStrategy::Custom("twin 0.0.0".to_owned());
    assert_refused(&Engine::new(settings.module_version(other).unwrap()).unwrap());
}

#[test]
fn code_with_other_settings_of_the_engine_is_refused() {
    let mut settings = engine::settings().unwrap();
    assert_refused(&Engine::new(settings.epoch_interruption(false)).unwrap());
}

#[test]
fn a_missing_manifest_file_or_function_is_named_with_what_to_do() {
    let made = Made::new();
    let reader = made.load(FunctionName::Reader).unwrap_err();
    assert!(
        matches!(reader, RuntimeError::NotPrecompiled { .. }),
        "{reader:?}"
    );
    fs::remove_file(made.out().join("writer.cwasm")).unwrap();
    let gone = made.load(WRITER).unwrap_err();
    assert!(gone.to_string().contains("writer.cwasm"), "{gone}");
    fs::write(made.out().join(FILE), "{}").unwrap();
    let broken = made.load(WRITER).unwrap_err();
    assert!(
        matches!(broken, RuntimeError::ManifestInvalid { .. }),
        "{broken:?}"
    );
    fs::remove_file(made.out().join(FILE)).unwrap();
    let missing = made.load(WRITER).unwrap_err().to_string();
    assert!(missing.contains("twin compile"), "{missing}");
}

#[test]
fn what_is_not_a_component_is_not_compiled() {
    let folder = tempfile::tempdir().unwrap();
    // The first is a core module.
    for bytes in [&b"\0asm\x01\0\0\0"[..], b"nonsense", b""] {
        fs::write(folder.path().join("writer.wasm"), bytes).unwrap();
        let error = make(folder.path()).unwrap_err();
        assert!(
            matches!(error, RuntimeError::NotAComponent { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn a_failed_run_leaves_no_manifest() {
    let made = Made::new();
    fs::write(made.folder.path().join("writer.wasm"), b"nonsense").unwrap();
    make(made.folder.path()).unwrap_err();
    assert!(!made.out().join(FILE).exists());
}

/// Wasmtime writes each of the processor's features into the code: its name, the tag of a boolean, and whether it is used.
#[test]
#[cfg(target_arch = "x86_64")]
fn code_for_a_named_target_uses_no_feature_of_this_processor() {
    let made = Made::new();
    let code = fs::read(made.out().join("writer.cwasm")).unwrap();
    for feature in ["has_sse3", "has_avx", "has_avx2", "has_bmi1", "has_lzcnt"] {
        let name = [&[feature.len() as u8][..], feature.as_bytes()].concat();
        let mut places = code.windows(name.len() + 2);
        let place = places.find(|place| place.starts_with(&name)).unwrap();
        assert_eq!(place[name.len()..], [2, 0], "{feature}");
    }
}

#[test]
#[cfg(all(target_arch = "x86_64", not(feature = "all-targets")))]
fn a_target_that_this_build_cannot_compile_for_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = compile(folder.path(), &[], Target::Aarch64Linux, &out).unwrap_err();
    assert!(matches!(error, RuntimeError::Target { .. }), "{error:?}");
    assert!(error.to_string().contains("aarch64"), "{error}");
}
