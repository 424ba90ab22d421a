//! What the linker and `inventory` are silent about ends the build.

use std::path::Path;
use std::process::Command;

/// A provider built against another version of `bonafide-core` would register itself where nobody looks.
#[test]
fn two_versions_of_core_in_one_program_end_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"9.9.9\"\nedition = \"2024\"\n{more}")
    };
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    write("other-core/Cargo.toml", &package("bonafide-core", "links = \"bonafide-core\"\n"));
    write("other-core/build.rs", "fn main() {}\n");
    write("other-core/src/lib.rs", "");
    let on_other_core = "[dependencies]\nbonafide-core = { path = \"../other-core\" }\n";
    write("old-provider/Cargo.toml", &package("old-provider", on_other_core));
    write("old-provider/src/lib.rs", "");
    let dependencies = format!(
        "[dependencies]\nbonafide-registry = {{ path = {:?} }}\nold-provider = {{ path = \"../old-provider\" }}\n[workspace]\n",
        ours.join("registry")
    );
    write("host/Cargo.toml", &package("host", &dependencies));
    write("host/src/main.rs", "fn main() {}\n");
    std::fs::copy(ours.join("Cargo.lock"), folder.path().join("host/Cargo.lock")).unwrap();

    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline"])
        .current_dir(folder.path().join("host"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for part in ["bonafide-core", "old-provider", "links"] {
        assert!(said.contains(part), "{part} is not named in: {said}");
    }
}
