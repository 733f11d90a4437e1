//! Every option of every program and script is in its help, its man page, its completions and the documentation: what one
//! of them lacks is a mistake. Budget: 20 s.

use std::collections::BTreeSet;

use golden_tests::{Sandbox, faiss_index, programs};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PROGRAMS: [&str; 7] =
    ["golden-export", "golden-verify", "golden-import", "golden-embed", "golden-version", "faiss-snap", "faiss-index"];

type Options = BTreeSet<String>;

/// The options in a text, `--long` ones.
fn options(text: &str) -> Options {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 3 && !word.ends_with('-')).map(str::to_owned).collect()
}

/// A program, or one of its commands.
struct Command {
    program: &'static str,
    name: Option<String>,
    /// What its help lists, not what is mentioned in it.
    options: Options,
}

impl Command {
    fn of(sandbox: &Sandbox, program: &'static str, name: Option<&str>) -> (Self, String) {
        let help = sandbox.sh(&format!("{program} {} --help", name.unwrap_or_default())).ok().text();
        // What stands further in is a description.
        let listed = help.lines().filter(|line| line.find('-').is_some_and(|indent| indent <= 6));
        let listed = listed.map(str::trim_start).filter(|line| line.starts_with('-'));
        let before_value = |line: &str| line.split([' ', '=', '<', '[']).take(2).collect::<Vec<_>>().join(" ");
        let options = options(&listed.map(before_value).collect::<Vec<_>>().join(" "));
        (Self { program, name: name.map(str::to_owned), options }, help)
    }

    /// The program and all its commands.
    fn all(sandbox: &Sandbox, program: &'static str) -> Vec<Self> {
        let (itself, help) = Self::of(sandbox, program, None);
        let mut all = vec![itself];
        if let Some((_, commands)) = help.split_once("\nCommands:\n") {
            let commands = commands.split("\n\n").next().unwrap_or_default();
            let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
            let names = names.filter(|name| !name.is_empty() && *name != "help");
            all.extend(names.map(|name| Self::of(sandbox, program, Some(name)).0));
            assert!(all.len() > 2, "{help}");
        }
        all
    }

    /// What its part of the man page lists.
    fn of_man_page(&self, page: &str) -> Options {
        let page = page.replace('\\', "");
        let part = match &self.name {
            None => page.split(&format!("\n.SH \"{} ", self.program.to_uppercase())).next(),
            Some(name) => {
                let heading = format!("\n.SH \"{} {}\"\n", self.program.to_uppercase(), name.to_uppercase());
                page.split(&heading).nth(1).and_then(|rest| rest.split("\n.SH ").next())
            }
        };
        let part = part.unwrap_or_else(|| panic!("{} {:?} has no section", self.program, self.name));
        // An option stands in bold, on the line after .TP.
        let listed = part.split("\n.TP\n").skip(1).filter_map(|item| item.lines().next());
        options(&listed.map(|line| line.replace("fB", " ").replace("fR", " ")).collect::<Vec<_>>().join(" "))
    }

    fn of_bash(&self, completions: &str) -> Options {
        let label = |name: &str| name.replace('-', "__");
        let function = match &self.name {
            None => label(self.program),
            Some(name) => format!("{}__subcmd__{}", label(self.program), label(name)),
        };
        let case = completions.split(&format!("\n        {function})\n")).nth(1);
        let case = case.unwrap_or_else(|| panic!("{function} is not completed"));
        let opts = case.split("opts=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("options");
        options(opts)
    }

    fn of_fish(&self, completions: &str) -> Options {
        let condition = self.name.as_ref().map(|name| format!("_using_subcommand {name}\""));
        let is_mine = |line: &&str| match &condition {
            Some(condition) => line.contains(condition),
            None => !line.contains("_using_subcommand"),
        };
        let lines = completions.lines().filter(|line| line.starts_with("complete -c")).filter(is_mine);
        let option =
            |line: &str| Some(format!("--{}", line.split(" -d '").next()?.split(" -l ").nth(1)?.split(' ').next()?));
        lines.filter_map(option).collect()
    }

    fn of_zsh(&self, completions: &str) -> Options {
        let part = match &self.name {
            None => completions.split("&& ret=0").next(),
            Some(name) => {
                let case = completions.split(&format!("({name})\n_arguments")).nth(1);
                case.and_then(|rest| rest.split("&& ret=0").next())
            }
        };
        let part = part.unwrap_or_else(|| panic!("{:?} is not completed", self.name));
        // Before an option may stand those that it excludes, and a star if it may be repeated.
        let lines = part.lines().filter_map(|line| line.strip_prefix('\''));
        let lines = lines
            .map(|line| if line.starts_with('(') { line.split_once(')').map_or(line, |(_, rest)| rest) } else { line });
        let lines = lines.map(|line| line.trim_start_matches('*')).filter(|line| line.starts_with("--"));
        lines.filter_map(|line| options(line.split(['[', '=']).next()?).pop_first()).collect()
    }
}

/// All pages in one.
fn documentation() -> String {
    let folder = std::fs::read_dir(format!("{PROJECT}/docs")).expect("the documentation");
    let pages = folder
        .map(|entry| entry.expect("a page").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages
        .chain([format!("{PROJECT}/README.md").into()])
        .map(|path| std::fs::read_to_string(path).expect("a page"))
        .collect()
}

#[test]
fn help_man_page_completions_and_documentation_know_the_same_options() {
    let Some(faiss_index) = faiss_index() else { return };
    assert_eq!(faiss_index.parent(), Some(programs()));
    let sandbox = Sandbox::new();
    let documented = options(&documentation());
    let mut checked = 0;
    for program in PROGRAMS {
        let generate = |what: &str| sandbox.sh(&format!("{program} --generate {what}")).ok().text();
        let (page, bash, zsh, fish) = (generate("man"), generate("bash"), generate("zsh"), generate("fish"));
        for command in Command::all(&sandbox, program) {
            let named = format!("{program} {}", command.name.as_deref().unwrap_or_default());
            // Help and version are everybody's, --generate is for those who package, and other spellings are no options.
            let everybodys = ["--help", "--version", "--generate", "--version-id"];
            let without = |options: Options| -> Options {
                options.into_iter().filter(|option| !everybodys.contains(&option.as_str())).collect()
            };
            let expected = without(command.options.clone());
            for (where_else, found) in [
                ("the man page", command.of_man_page(&page)),
                ("bash", command.of_bash(&bash)),
                ("zsh", command.of_zsh(&zsh)),
                ("fish", command.of_fish(&fish)),
            ] {
                assert_eq!(without(found), expected, "{named}: help and {where_else}");
            }
            // The rules of retention are documented once for both halves and each.
            let of_a_half = |option: &str| match option.strip_suffix("-db").or_else(|| option.strip_suffix("-faiss")) {
                Some(rule) => rule.starts_with("--keep-") && documented.contains(rule),
                None => false,
            };
            let undocumented: Vec<_> = expected.difference(&documented).filter(|option| !of_a_half(option)).collect();
            assert!(undocumented.is_empty(), "{named}: {undocumented:?} stand on no page");
            checked += expected.len();
        }
    }
    assert!(checked > 200, "{checked} options");
}

#[test]
fn every_option_of_a_script_is_documented() {
    let sandbox = Sandbox::new();
    let documented = options(&documentation());
    for script in
        std::fs::read_dir(format!("{PROJECT}/scripts")).expect("scripts").map(|entry| entry.expect("a script").path())
    {
        let source = std::fs::read_to_string(&script).expect("a script");
        if !source.contains("\nusage() {") {
            continue;
        }
        let help = options(&sandbox.sh(&format!("{} --help", script.display())).ok().text());
        // What the script looks for among its arguments.
        let cases = source.lines().filter_map(|line| line.split_once(')')).map(|(pattern, _)| pattern.trim());
        let taken: Options = cases.filter(|pattern| pattern.starts_with("--")).flat_map(options).collect();
        let mut known = help.clone();
        known.insert("--help".to_owned());
        assert!(taken.is_subset(&known), "{}: {:?} are not in the help", script.display(), &taken - &known);
        let undocumented = &taken - &(&documented | &Options::from(["--help".to_owned()]));
        assert!(undocumented.is_empty(), "{}: {undocumented:?} stand on no page", script.display());
    }
}
