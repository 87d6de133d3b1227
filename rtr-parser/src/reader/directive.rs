//! `#$upgrade` and `#$upgrade_from`.

use super::{Part, Reader};
use crate::diagnostic::Code;
use crate::grammar::{self, Directive};
use crate::keyword::did_you_mean;
use crate::print::upgrade_word;
use crate::token::Token;
use crate::tree::{Span, Spanned, Upgrade, UpgradeFrom};
use rgm_types::UpgradeTunability;

const UPGRADE: &str = "#$upgrade";
const UPGRADE_FROM: &str = "#$upgrade_from";
const TUNABILITIES: [UpgradeTunability; 6] = [
    UpgradeTunability::Anytime,
    UpgradeTunability::WhenUnmonitored,
    UpgradeTunability::WhenOffline,
    UpgradeTunability::WhenDisabled,
    UpgradeTunability::WhenUnmanaged,
    UpgradeTunability::AtCreation,
];

impl Reader<'_, '_> {
    pub(super) fn directive(&mut self, token: Token) {
        self.at += 1;
        let text = self.text.get(token.span.start..token.span.end).unwrap_or("");
        self.work += text.len();
        let mut comments = self.comments(token, false);
        comments.trailing = self.trailing();
        let directive = match grammar::directive(text, token.span.start) {
            Ok(directive) => directive,
            Err(refused) => {
                let place = Span { start: refused.at.min(token.span.end), end: token.span.end };
                let message = format!("expected {} in this directive", refused.expectation());
                let help = "write `#$upgrade` or `#$upgrade_from \"version\" tunability`, without `;`";
                self.notes.add(Code::DirectiveForm, place, message, help);
                self.part = self.part.max(Part::Upgrade);
                return;
            }
        };
        let marker = &directive.marker;
        let is_from = marker.value.eq_ignore_ascii_case(UPGRADE_FROM);
        if !is_from && !marker.value.eq_ignore_ascii_case(UPGRADE) {
            let help = did_you_mean(
                &marker.value,
                [UPGRADE, UPGRADE_FROM].into_iter(),
                "only `#$upgrade` and `#$upgrade_from` are directives; for a comment write `# $...`",
            );
            let message = format!("`{}` is no directive", marker.value);
            self.notes.add(Code::DirectiveUnknown, marker.span, message, help);
            return;
        }
        self.check_place(marker.span, is_from);
        // Before the first part it is misplaced itself, not everything behind it.
        if self.part == Part::Type {
            self.part = Part::Upgrade;
        }
        if is_from {
            if let Some((version, tunability)) = self.upgrade_from(directive) {
                let from = UpgradeFrom { comments, version, tunability };
                self.tree.upgrade.get_or_insert_default().from.push(from);
            }
        } else {
            if let Some(extra) = directive.arguments.first() {
                let help = "write `#$upgrade` alone on its line; versions go into `#$upgrade_from` lines";
                self.notes.add(Code::DirectiveForm, extra.span, "`#$upgrade` takes no arguments", help);
            }
            self.tree.upgrade.get_or_insert(Upgrade { comments, from: Vec::new() });
        }
    }

    fn check_place(&mut self, span: Span, is_from: bool) {
        let seen = self.tree.upgrade.is_some();
        let (message, help) = match self.part {
            Part::Entries => (
                "a directive stands behind the first entry",
                "move it between the last resource-type property and the first `{`",
            ),
            Part::Start => (
                "a directive stands before the resource-type properties",
                "move it between the last resource-type property and the first `{`",
            ),
            Part::Type | Part::Upgrade if is_from && !seen => {
                ("`#$upgrade_from` without `#$upgrade`", "write a line `#$upgrade` before it")
            }
            Part::Type | Part::Upgrade if !is_from && seen => {
                ("`#$upgrade` stands here a second time", "delete it")
            }
            Part::Type | Part::Upgrade => return,
        };
        self.notes.add(Code::DirectivePlace, span, message, help);
    }

    fn upgrade_from(&mut self, directive: Directive) -> Option<(Spanned<String>, UpgradeTunability)> {
        const HELP: &str = "write `#$upgrade_from \"version\" tunability`; an empty version \"\" stands for \
                            every version that is not listed";
        let [version, word] = directive.arguments.as_slice() else {
            let message = "`#$upgrade_from` needs a version and a tunability";
            self.notes.add(Code::DirectiveForm, directive.marker.span, message, HELP);
            return None;
        };
        let known = TUNABILITIES.into_iter().find(|t| upgrade_word(*t).eq_ignore_ascii_case(&word.value));
        let Some(tunability) = known else {
            let words = TUNABILITIES.into_iter().map(upgrade_word);
            let otherwise = "write ANYTIME, WHEN_UNMONITORED, WHEN_OFFLINE, WHEN_DISABLED, \
                             WHEN_UNMANAGED or AT_CREATION";
            let help = did_you_mean(&word.value, words, otherwise);
            let message = format!("`{}` is no tunability of an upgrade", word.value);
            self.notes.add(Code::DirectiveForm, word.span, message, help);
            return None;
        };
        if !self.seen_from.insert(version.value.clone()) {
            let message = format!("the version \"{}\" is listed twice", version.value);
            self.notes.add(Code::DirectiveForm, version.span, message, "delete one of the lines");
        }
        Some((version.clone(), tunability))
    }
}
