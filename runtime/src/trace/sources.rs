//! Where the sources are that a page shows. The compiler names a file by its path from the top of the workspace that it
//! builds, or from the root of the disk when the file lies outside of that workspace. So one short name (`src/task.rs`) may
//! be a file of the runtime and another one of the program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// This file, from the folder of the crate.
const THIS: &str = "src/trace/sources.rs";

/// A file of the runtime, or of gather, by the name that the compiler gave it.
pub(super) fn of_runtime(file: &str) -> Option<String> {
    find(file, workspace().into_iter())
}

/// A file of the program. It is looked for in the runtime's workspace when the program is built there, then from where
/// cargo has started the program, from where the program itself lies, and from the current folder.
pub(super) fn of_program(file: &str) -> Option<String> {
    let cargo = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folders = [cargo, env::current_exe().ok(), env::current_dir().ok()];
    let above = folders.iter().flatten().flat_map(|folder| folder.ancestors()).map(Path::to_owned);
    find(file, workspace().into_iter().chain(above))
}

/// A file that a trace names which was read: of a program that ran elsewhere, perhaps on a loop of its own. It is looked
/// for from the current folder upwards; what is not there may be a file of this runtime.
pub(super) fn of_reader(file: &str) -> Option<String> {
    let here = env::current_dir().unwrap_or_default();
    find(file, here.ancestors().map(Path::to_owned).chain(workspace()))
}

/// Whether a file is one of this crate, or of gather beside it. Their async functions wait for the crates' own futures, and
/// gather's groups have channels: then the line that acts is no line of the program, and there is no way to know the one
/// that is.
pub(super) fn is_of_the_crates(file: &str) -> bool {
    let runtime = file!().strip_suffix("trace/sources.rs").expect("it is this file");
    let is_gathers = |top| file.strip_prefix(top).is_some_and(|file: &str| file.starts_with("gather/src/"));
    file.starts_with(runtime) || runtime.strip_suffix("runtime/src/").is_some_and(is_gathers)
}

/// The first of these folders that has the file.
fn find(file: &str, folders: impl Iterator<Item = PathBuf>) -> Option<String> {
    let mut found = folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok());
    if Path::new(file).is_absolute() { fs::read_to_string(file).ok() } else { found.next() }
}

/// The top of the workspace that the runtime was built in. `None` if it was built from outside: then the compiler has
/// named its files from the root of the disk, and no short name is one of them.
fn workspace() -> Option<PathBuf> {
    top(Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(file!()))
}

/// The folder from which the file [`THIS`] of the crate in `package` is called `name`.
fn top(package: &Path, name: &Path) -> Option<PathBuf> {
    let this = package.join(THIS);
    package.ancestors().find(|folder| name.is_relative() && folder.join(name) == this).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{of_program, of_runtime, top};
    use std::path::{Path, PathBuf};

    #[test]
    fn the_top_of_the_workspace_is_where_the_names_begin() {
        let package = Path::new("/home/ada/glassloop/runtime");
        let name = |name: &str| top(package, Path::new(name));
        assert_eq!(name("runtime/src/trace/sources.rs"), Some(PathBuf::from("/home/ada/glassloop")));
        assert_eq!(name("src/trace/sources.rs"), Some(package.to_owned()));
        assert_eq!(name("/home/ada/glassloop/runtime/src/trace/sources.rs"), None);
    }

    #[test]
    fn a_short_name_of_the_program_is_no_file_of_the_runtime() {
        assert!(of_runtime(file!()).is_some_and(|source| source.contains("a_short_name_of_the_program")));
        assert!(of_runtime("src/task.rs").is_none(), "from the top of the workspace there is no such file");
        // The tests of this crate run in its folder, so there is one from the program's point of view.
        assert_eq!(of_program("src/no_such_file.rs"), None);
    }
}
