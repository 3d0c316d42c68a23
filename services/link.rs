//! Build script of every service: how its program is linked. A program's relocations, in the usual form, are read at each start
//! and stay in memory as pages of its own; packed they take a twentieth. A linker that cannot pack them says so and goes on.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.toml");
    // The C library's loader has to know the packed form, as glibc does from 2.36 on.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
