//! Where a new crate goes, and what its manifest can rely on there.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use toml::Table;

use super::super::CommandError;

/// What a manifest asks for where it cannot name a checkout.
pub(super) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// Where this program was built, which need not be where it runs.
const BUILT_FROM: &str = env!("CARGO_MANIFEST_DIR");

/// The place of a new crate.
#[derive(Debug)]
pub(super) struct Place {
    /// The crate's folder, absolute. Nothing is there yet.
    pub(super) folder: PathBuf,
    pub(super) form: Form,
}

/// What the crate's manifest is like.
#[derive(Debug)]
pub(super) enum Form {
    /// It inherits from Bonafide's workspace, in which the crate has this path.
    Member { path: PathBuf },
    /// It says everything itself.
    Own {
        /// The checkout that it depends on, if there is one.
        checkout: Option<PathBuf>,
        /// The root of a workspace that would take the crate for a member which it does not list.
        inside: Option<PathBuf>,
    },
}

impl Place {
    /// Decides by the arguments, the current folder, and the workspaces around.
    pub(super) fn of(
        name: &str,
        path: Option<&Path>,
        checkout: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let folder = match path {
            Some(path) => resolve(path)?,
            None => match Workspace::around(&resolve(Path::new("."))?)? {
                Some(workspace) if workspace.is_ours() => workspace.root.join("plugins").join(name),
                _ => resolve(Path::new(&format!("bonafide-{name}")))?,
            },
        };
        if folder.symlink_metadata().is_ok() {
            return Err(CommandError::Usage(format!(
                "`{}` is there already: take it away, or choose another folder with `--path DIR`",
                folder.display()
            )));
        }
        let form = Form::of(&folder, checkout)?;
        Ok(Self { folder, form })
    }

    /// The folder as a host writes it: by its path in our workspace, or else absolute.
    pub(super) fn seen_from_host(&self) -> &Path {
        match &self.form {
            Form::Member { path } => path,
            Form::Own { .. } => &self.folder,
        }
    }
}

impl Form {
    fn of(folder: &Path, checkout: Option<&Path>) -> Result<Self, CommandError> {
        let around = Workspace::around(folder)?;
        let member = around.as_ref().and_then(|workspace| {
            workspace.has_member(folder).then(|| (workspace, workspace.relative(folder)))
        });
        if let Some((workspace, path)) = member
            && workspace.is_ours()
        {
            if checkout.is_some() {
                return Err(CommandError::Usage(format!(
                    "`{}` is in Bonafide's own workspace, whose crates it uses: leave `--checkout` out",
                    folder.display()
                )));
            }
            return Ok(Self::Member { path: path.to_owned() });
        }
        let checkout = match checkout {
            Some(given) => {
                let root = resolve(given)?;
                if !is_checkout(&root) {
                    return Err(CommandError::Usage(format!(
                        "`{}`, from `--checkout`, is no checkout of Bonafide: name the folder with `core` and \
                         `tests/testkit` in it",
                        root.display()
                    )));
                }
                Some(root)
            }
            None => Some(PathBuf::from(BUILT_FROM)).filter(|root| is_checkout(root)),
        };
        let is_member = member.is_some();
        let inside = around.filter(|_| !is_member).map(|workspace| workspace.root);
        Ok(Self::Own { checkout, inside })
    }
}

/// A path without links and without `..`, whether or not there is something at its end.
fn resolve(path: &Path) -> Result<PathBuf, CommandError> {
    let failed = |error| CommandError::Usage(format!("`{}` is no path: {error}", path.display()));
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path).map_err(failed)?.components() {
        if component == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(component);
            resolved = resolved.canonicalize().unwrap_or(resolved);
        }
    }
    Ok(resolved)
}

/// A manifest, or nothing where there is none.
fn manifest(folder: &Path) -> Result<Option<Table>, CommandError> {
    let path = folder.join("Cargo.toml");
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::Usage(format!("cannot read `{}`: {error}", path.display()))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            text.parse().map(Some).map_err(|error: toml::de::Error| failed(&error.message()))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(failed(&error)),
    }
}

fn holds_crate(folder: &Path, name: &str) -> bool {
    let manifest = manifest(folder).ok().flatten();
    let package = manifest.as_ref().and_then(|manifest| manifest.get("package"));
    package.and_then(|package| package.get("name")).and_then(toml::Value::as_str) == Some(name)
}

fn is_checkout(root: &Path) -> bool {
    holds_crate(&root.join("core"), "bonafide-core")
        && holds_crate(&root.join("tests/testkit"), "bonafide-testkit")
}

/// A workspace, as its root manifest says it.
struct Workspace {
    root: PathBuf,
    members: Vec<String>,
    exclude: Vec<String>,
}

impl Workspace {
    /// The nearest workspace that does not exclude this folder.
    fn around(folder: &Path) -> Result<Option<Self>, CommandError> {
        for root in folder.ancestors() {
            let Some(manifest) = manifest(root)? else { continue };
            let Some(table) = manifest.get("workspace") else { continue };
            let list = |key| {
                let items = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
                items.filter_map(toml::Value::as_str).map(str::to_owned).collect()
            };
            let (members, exclude) = (list("members"), list("exclude"));
            let workspace = Self { root: root.to_owned(), members, exclude };
            if !workspace.excludes(folder) {
                return Ok(Some(workspace));
            }
        }
        Ok(None)
    }

    fn is_ours(&self) -> bool {
        is_checkout(&self.root) && self.root.join("plugins").is_dir()
    }

    fn relative<'a>(&self, folder: &'a Path) -> &'a Path {
        folder.strip_prefix(&self.root).unwrap_or(folder)
    }

    fn has_member(&self, folder: &Path) -> bool {
        let path = words(self.relative(folder));
        self.members.iter().any(|member| covers(&words(Path::new(member)), &path))
    }

    /// As Cargo has it: what is under an excluded folder, unless `members` names it word for word.
    fn excludes(&self, folder: &Path) -> bool {
        let path = self.relative(folder);
        self.exclude.iter().any(|excluded| path.starts_with(excluded))
            && !self.members.iter().any(|member| path.starts_with(member))
    }
}

/// The names in a path, without `.`.
fn words(path: &Path) -> Vec<&str> {
    let names = path.components().filter(|component| *component != Component::CurDir);
    names.filter_map(|component| component.as_os_str().to_str()).collect()
}

/// Whether a path is one that a pattern of `members` means: `*` and `?` within a name, `**` for any names.
fn covers(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=path.len())
            .any(|skipped| path.get(skipped..).is_some_and(|path| covers(rest, path))),
        ([first, rest @ ..], [name, names @ ..]) => {
            covers_name(first.as_bytes(), name.as_bytes()) && covers(rest, names)
        }
        _ => false,
    }
}

fn covers_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            covers_name(rest, name)
                || name.split_first().is_some_and(|(_, name)| covers_name(pattern, name))
        }
        ([b'?', rest @ ..], [_, name @ ..]) => covers_name(rest, name),
        ([one, rest @ ..], [other, name @ ..]) => one == other && covers_name(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_cargo_means() {
        let covers = |pattern, path| covers(&words(Path::new(pattern)), &words(Path::new(path)));
        assert!(covers("plugins/*", "plugins/acme"));
        assert!(covers("./plugins/*/", "plugins/acme"));
        assert!(covers("crates/bonafide-*", "crates/bonafide-acme"));
        assert!(covers("crates/**", "crates/a/b"));
        assert!(covers("crates/acm?", "crates/acme"));
        assert!(!covers("plugins/*", "plugins/a/b"));
        assert!(!covers("plugins/*", "plugins"));
        assert!(!covers("core", "plugins/acme"));
        assert!(!covers("crates/acm?", "crates/acm"));
    }

    #[test]
    fn what_is_excluded_is_no_member() {
        let workspace = Workspace {
            root: PathBuf::from("/w"),
            members: vec!["crates/*".to_owned(), "old/kept".to_owned()],
            exclude: vec!["old".to_owned(), "crates/gone".to_owned()],
        };
        assert!(workspace.excludes(Path::new("/w/old/acme")));
        assert!(workspace.excludes(Path::new("/w/crates/gone")));
        assert!(!workspace.excludes(Path::new("/w/old/kept")));
        assert!(!workspace.excludes(Path::new("/w/crates/acme")));
        assert!(workspace.has_member(Path::new("/w/crates/acme")));
    }

    #[test]
    fn links_and_dots_are_resolved() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        assert_eq!(resolve(&root.join("link/new")).unwrap(), root.join("real/new"));
        assert_eq!(resolve(&root.join("none/../new/./x")).unwrap(), root.join("new/x"));
        assert_eq!(resolve(&root.join("link/../new")).unwrap(), root.join("new"));
    }
}
