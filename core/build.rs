//! Nothing is built here: Cargo asks for a build script where `links` is set, and `links` is what makes two versions
//! of this crate in one program an error. Each would collect providers of its own, and half of them would be lost.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
