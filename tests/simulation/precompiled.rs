//! Components that were compiled in advance, as hosts without a compiler run them.

use std::{fs, path::Path};

use twin_contract::digest;
use twin_host::{
    function::FunctionName,
    runtime::{
        Form, RuntimeError,
        precompiled::{Target, compile},
    },
};
use twin_tests::{Stage, components, envelope, post};

/// Compiles components of a folder for this machine.
fn compiled(from: &Path, functions: &[FunctionName], to: &Path) -> Result<(), RuntimeError> {
    let target = Target::here().expect("a machine that components are compiled for");
    compile(from, functions, target, to).map(drop)
}

/// A stage that runs precompiled components of a folder.
async fn stage(function: FunctionName, folder: &Path) -> Result<Stage, RuntimeError> {
    let path = folder.to_owned();
    let stage = Stage::of(function).runtime(|settings| {
        settings.components = path;
        settings.form = Form::Precompiled;
        settings.cache = None;
    });
    stage.try_build().await
}

#[tokio::test(start_paused = true)]
async fn a_precompiled_function_answers_as_the_portable_one() {
    let folder = tempfile::tempdir().unwrap();
    compiled(&components(), &[FunctionName::Writer], folder.path()).unwrap();
    let precompiled = stage(FunctionName::Writer, folder.path()).await.unwrap();
    let portable = Stage::of(FunctionName::Writer).build().await;
    for request in [
        post("/write", envelope("L3")),
        post("/write", "no envelope"),
    ] {
        let expected = portable.call(request.clone()).await;
        let reply = precompiled.call(request).await;
        assert_eq!(reply.status, expected.status);
        assert_eq!(reply.body, expected.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_imports_more_than_its_world_is_not_compiled_and_its_code_does_not_run() {
    // A reader in the place of a writer: it imports `peers`.
    let folder = tempfile::tempdir().unwrap();
    let reader = components().join("reader.wasm");
    fs::copy(reader, folder.path().join("writer.wasm")).unwrap();
    let refused = compiled(folder.path(), &[FunctionName::Writer], folder.path());
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, RuntimeError::ImportRefused { .. }),
        "{refused:?}"
    );

    // Its machine code under the writer's name, with a manifest that fits.
    compiled(&components(), &[FunctionName::Reader], folder.path()).unwrap();
    let path = folder.path();
    fs::rename(path.join("reader.cwasm"), path.join("writer.cwasm")).unwrap();
    let manifest = fs::read_to_string(path.join("precompiled.json")).unwrap();
    let manifest = manifest.replace("\"reader\"", "\"writer\"");
    fs::write(path.join("precompiled.json"), manifest).unwrap();
    let error = stage(FunctionName::Writer, path).await.err().unwrap();
    let RuntimeError::ImportRefused { imports, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(imports, ["twin:multicloud/peers@0.2.0"]);
}

#[tokio::test(start_paused = true)]
async fn machine_code_of_another_function_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let both = [FunctionName::Reader, FunctionName::Writer];
    compiled(&components(), &both, path).unwrap();
    fs::copy(path.join("reader.cwasm"), path.join("writer.cwasm")).unwrap();
    let error = stage(FunctionName::Writer, path).await.err().unwrap();
    let RuntimeError::DigestDiffers { found, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(found, digest(&fs::read(path.join("reader.cwasm")).unwrap()));
}
