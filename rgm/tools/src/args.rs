//! Command lines, read by the table of the command (getopt's rules, options in any order).

use crate::applet::{Applet, Form, Opt, Spec};
use crate::failure::Failure;
use rgm_types::SchaErr;
use std::ffi::OsString;

/// A command line taken apart.
#[derive(Debug)]
pub struct Args {
    spec: Spec,
    given: Vec<(&'static str, String)>,
    /// What is no option, in its order.
    pub operands: Vec<String>,
}

impl Args {
    /// Takes the words after the command's name apart.
    pub fn parse(
        applet: &'static Applet,
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Failure> {
        Self::parse_by(applet.spec(), words)
    }

    /// Takes the words after a command's name, or after a subcommand, apart.
    pub fn parse_by(spec: Spec, words: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let mut args = Self { spec, given: Vec::new(), operands: Vec::new() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let word = args.text(word)?;
            if word == "--" {
                for word in words.by_ref() {
                    let word = args.text(word)?;
                    args.operands.push(word);
                }
            } else if word.starts_with("--") {
                args.long(&word, &mut words)?;
            } else if word.len() > 1 && word.starts_with('-') {
                args.cluster(&word, &mut words)?;
            } else {
                args.operands.push(word);
            }
        }
        Ok(args)
    }

    /// True if the option is there.
    pub fn has(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// How often the option is there.
    pub fn count(&self, name: &str) -> usize {
        self.given.iter().filter(|(n, _)| *n == name).count()
    }

    /// Every value of an option that may be repeated.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// The value of an option that may be there once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(self.misuse(format!("{name} is given more than once"))),
            None => Ok(first),
        }
    }

    /// The value of an option that its form needs: [`Args::form`] has seen that it is there.
    pub fn needed(&self, name: &str) -> Result<&str, Failure> {
        match self.one(name)? {
            Some("") => Err(self.misuse(format!("{name} is empty"))),
            Some(value) => Ok(value),
            None => Err(self.misuse(format!("{name} is missing"))),
        }
    }

    /// The elements of a list, separated by commas; a repeated option adds to it.
    pub fn list<T>(&self, name: &str, one: impl Fn(&str) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
        self.all(name)
            .flat_map(|list| list.split(','))
            .map(|element| self.element(name, element, &one))
            .collect()
    }

    fn element<T>(
        &self,
        name: &str,
        element: &str,
        one: impl Fn(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if element.is_empty() {
            return Err(self.misuse(format!("{name} has an empty element")));
        }
        one(element)
    }

    /// The elements of a list, separated by commas, tabs or blanks, as the `cl*` commands take them.
    /// One that is there but empty is refused.
    pub fn items(&self, name: &str) -> Result<Vec<String>, Failure> {
        let items: Vec<String> = self
            .all(name)
            .flat_map(|list| list.split([',', ' ', '\t']))
            .filter(|element| !element.is_empty())
            .map(str::to_owned)
            .collect();
        if items.is_empty() && self.has(name) {
            return Err(self.misuse(format!("{name} is an empty list")));
        }
        Ok(items)
    }

    /// The form this call has, complete and with nothing that does not belong to it.
    pub fn form(&self) -> Result<&'static Form, Failure> {
        let forms = self.spec.forms;
        let Some(form) = forms.iter().find(|f| f.key.iter().all(|k| self.has(k))) else {
            return Err(self.misuse(self.no_form()));
        };
        let called = if form.key.is_empty() { self.spec.name.to_owned() } else { form.key.join(" ") };
        if let Some(missing) = form.needs.iter().find(|n| !self.has(n)) {
            let what = self.shown(missing);
            return Err(self.misuse(format!("{called} needs {what}")));
        }
        let belongs = |n: &str| [form.key, form.needs, form.may].iter().any(|set| set.contains(&n));
        if let Some((stray, _)) = self.given.iter().find(|(n, _)| !belongs(n)) {
            return Err(self.misuse(format!("{stray} does not go with {called}")));
        }
        match self.operands.first() {
            Some(word) if form.operands.is_empty() => {
                Err(self.misuse(format!("{word:?} is neither an option nor the value of one")))
            }
            _ => Ok(form),
        }
    }

    /// A call that can't be understood.
    pub fn misuse(&self, message: impl Into<String>) -> Failure {
        Failure::new(SchaErr::Inval, message, format!("see {}", self.spec.help_call()))
    }

    /// An option with the name of its value.
    pub fn shown(&self, name: &str) -> String {
        self.spec.option(name).map_or_else(|| name.to_owned(), Opt::spelled)
    }

    fn no_form(&self) -> String {
        let mut keys: Vec<&str> = Vec::new();
        for key in self.spec.forms.iter().flat_map(|f| f.key) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
        let asked: Vec<&str> = self.given.iter().map(|(n, _)| *n).filter(|n| keys.contains(n)).collect();
        if asked.is_empty() {
            return format!("it is not said what to do: one of {} is missing", keys.join(" "));
        }
        format!("{} alone does not say what to do", asked.join(" "))
    }

    fn long(&mut self, word: &str, words: &mut impl Iterator<Item = OsString>) -> Result<(), Failure> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let option = self.known(name)?;
        let value = match attached {
            Some(_) if option.value.is_empty() => return Err(self.misuse(format!("{name} takes no value"))),
            Some(value) => value,
            None => self.value_of(option, words)?,
        };
        self.given.push((option.name, value));
        Ok(())
    }

    /// `-pvv`, `-gname`, `-g name`.
    fn cluster(&mut self, word: &str, words: &mut impl Iterator<Item = OsString>) -> Result<(), Failure> {
        for (at, letter) in word.char_indices().skip(1) {
            let option = match letter {
                '?' => self.known("--help")?,
                letter => self.known(&format!("-{letter}"))?,
            };
            let rest = word.get(at + letter.len_utf8()..).unwrap_or_default();
            if !option.value.is_empty() && !rest.is_empty() {
                self.given.push((option.name, rest.to_owned()));
                return Ok(());
            }
            let value = self.value_of(option, words)?;
            self.given.push((option.name, value));
        }
        Ok(())
    }

    fn value_of(&self, option: &Opt, words: &mut impl Iterator<Item = OsString>) -> Result<String, Failure> {
        if option.value.is_empty() {
            return Ok(String::new());
        }
        match words.next() {
            Some(word) => self.text(word),
            None => Err(self.misuse(format!("{} needs a value: {}", option.name, option.value))),
        }
    }

    fn known(&self, name: &str) -> Result<&'static Opt, Failure> {
        self.spec.option(name).ok_or_else(|| self.misuse(format!("there is no option {name}")))
    }

    fn text(&self, word: OsString) -> Result<String, Failure> {
        word.into_string().map_err(|word| self.misuse(format!("{word:?} is not valid UTF-8")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::SCSWITCH;

    fn parse(words: &[&str]) -> Result<Args, Failure> {
        Args::parse(&SCSWITCH, words.iter().map(Into::into))
    }

    fn wrong(words: &[&str]) -> String {
        parse(words).and_then(|args| args.form().map(|_| ())).unwrap_err().text("scswitch")
    }

    #[test]
    fn letters_may_be_grouped_and_values_attached() {
        let args = parse(&["-eMj", "a,b", "-hphys-1", "-j", "c"]).unwrap();
        assert!(args.has("-e") && args.has("-M") && !args.has("-n"));
        assert_eq!(args.list("-j", |t| Ok(t.to_owned())).unwrap(), ["a", "b", "c"]);
        assert_eq!(args.one("-h").unwrap(), Some("phys-1"));
        assert_eq!(args.form().unwrap().key, ["-e"]);
    }

    #[test]
    fn a_value_may_begin_with_a_dash_or_be_empty() {
        assert_eq!(parse(&["-h", "-z"]).unwrap().one("-h").unwrap(), Some("-z"));
        assert_eq!(parse(&["-h", ""]).unwrap().one("-h").unwrap(), Some(""));
    }

    #[test]
    fn what_can_not_be_understood_is_said_with_the_way_to_help() {
        for (words, line) in [
            (&["-x"][..], "there is no option -x"),
            (&["--gruop=a"], "there is no option --gruop"),
            (&["--dry-run=yes"], "--dry-run takes no value"),
            (&["-g"], "-g needs a value: GROUP,..."),
            (&[], "it is not said what to do: one of -c -e -n -F -Q -R -r -S -s -u -o -Z -z is missing"),
            (
                &["-g", "a"],
                "it is not said what to do: one of -c -e -n -F -Q -R -r -S -s -u -o -Z -z is missing",
            ),
            (&["-e", "-n", "-j", "a"], "-n does not go with -e"),
            (&["-F"], "-F needs -g GROUP,..."),
            (&["-Z", "-g", "a", "-j", "b"], "-j does not go with -Z"),
            (&["-Z", "dns-rg"], "\"dns-rg\" is neither an option nor the value of one"),
        ] {
            assert_eq!(wrong(words), format!("scswitch: {line}\n  see scswitch --help\n"));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStringExt;
        let word = OsString::from_vec(b"-g\xff".to_vec());
        let failure = Args::parse(&SCSWITCH, [word]).unwrap_err();
        assert!(failure.text("scswitch").contains("not valid UTF-8"));
    }
}
