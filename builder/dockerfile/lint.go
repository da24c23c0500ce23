package dockerfile

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/plan"
)

// newLinter reads "# check=…" and collects warnings into the graph.
func (c *converter) newLinter(src []byte) error {
	directive, _, loc, _ := parser.ParseDirective("check", src)
	cfg, err := linter.ParseLintOptions(directive)
	if err != nil {
		return plan.At(c.at(loc, ""), invalid("%w", err))
	}
	cfg.Warn = func(rule, _, _, msg string, ranges []parser.Range) {
		line := 0
		if len(ranges) > 0 {
			line = ranges[0].Start.Line
		}
		c.warn(plan.Warning{Location: c.source.at(line), Rule: rule, Text: msg})
	}
	c.lint = linter.New(cfg)
	return nil
}

// warn adds a warning once: a stage may be passed several times.
func (c *converter) warn(w plan.Warning) {
	if !slices.Contains(c.graph.Warnings, w) {
		c.graph.Warnings = append(c.graph.Warnings, w)
	}
}

func (c *converter) warnAt(loc plan.Location, rule linter.LinterRuleI, msg string) {
	c.lint.Run(rule, []parser.Range{{Start: parser.Position{Line: loc.Line}}}, msg)
}

// ourRule makes a warning of our own that "# check=skip=" knows too.
func ourRule(name string) *linter.LinterRule[func() string] {
	return &linter.LinterRule[func() string]{Name: name}
}

// lintStages fires the rules about the file as a whole.
func (c *converter) lintStages(stages []instructions.Stage) {
	names := map[string]bool{}
	upper, lower := 0, 0
	count := func(name string) {
		switch name {
		case strings.ToUpper(name):
			upper++
		case strings.ToLower(name):
			lower++
		}
	}
	for _, st := range stages {
		count(st.OrigCmd)
		for _, cmd := range st.Commands {
			count(cmd.Name())
		}
		if st.Name == "" {
			continue
		}
		if names[st.Name] {
			c.lint.Run(&linter.RuleDuplicateStageName, st.Location, linter.RuleDuplicateStageName.Format(st.Name))
		}
		names[st.Name] = true
		if st.Name == scratch || st.Name == "context" {
			c.lint.Run(&linter.RuleReservedStageName, st.Location, linter.RuleReservedStageName.Format(st.Name))
		}
	}
	want, name := strings.ToUpper, "uppercase"
	if lower > upper {
		want, name = strings.ToLower, "lowercase"
	}
	casing := func(cmd string, loc []parser.Range) {
		if cmd != want(cmd) {
			c.lint.Run(&linter.RuleConsistentInstructionCasing, loc, linter.RuleConsistentInstructionCasing.Format(cmd, name))
		}
	}
	for _, st := range stages {
		casing(st.OrigCmd, st.Location)
		for _, cmd := range st.Commands {
			casing(cmd.Name(), cmd.Location())
		}
	}
}

// once warns of an instruction of which only the last one counts.
func (c *converter) once(s *state, cmd instructions.Command) {
	name := strings.ToLower(cmd.Name())
	if s.seen[name] {
		rule := linter.RuleMultipleInstructionsDisallowed
		c.lint.Run(&rule, cmd.Location(), rule.Format(strings.ToUpper(name)))
	}
	s.seen[name] = true
}

// lintCommand warns of the traps of CMD and ENTRYPOINT.
func (c *converter) lintCommand(s *state, cmd instructions.Command, line instructions.ShellDependantCmdLine) {
	name := strings.ToUpper(cmd.Name())
	if !line.PrependShell {
		if len(line.CmdLine) > 0 && line.CmdLine[0] != strings.TrimSpace(line.CmdLine[0]) {
			c.lint.Run(ourRule("SpaceInProgramName"), cmd.Location(),
				name+": the program's name is \""+line.CmdLine[0]+"\", with its spaces; no such file is likely to exist")
		}
		return
	}
	if len(line.CmdLine) > 0 && strings.HasPrefix(line.CmdLine[0], "[") {
		c.lint.Run(ourRule("ExecFormNotJSON"), cmd.Location(),
			name+": this looks like the exec form but is not JSON (double quotes, no trailing comma), so a shell gets it as it is")
	}
	if len(s.config.Shell) == 0 {
		c.lint.Run(&linter.RuleJSONArgsRecommended, cmd.Location(), linter.RuleJSONArgsRecommended.Format(name))
	}
	if name == "ENTRYPOINT" && s.seen["cmd"] {
		c.lint.Run(ourRule("ShellEntrypointIgnoresCmd"), cmd.Location(),
			"ENTRYPOINT in shell form ignores CMD and every argument of run: use the exec form")
	}
}

func (c *converter) lintLegacy(kv instructions.KeyValuePair, cmd instructions.Command) {
	if kv.NoDelim {
		c.lint.Run(&linter.RuleLegacyKeyValueFormat, cmd.Location(), linter.RuleLegacyKeyValueFormat.Format(cmd.Name()))
	}
}

// secretWords make a variable's name look like a secret's.
var secretWords = []string{"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"}

func (c *converter) lintSecret(instruction, key string, cmd instructions.Command) {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '-' })
	if slices.Contains(words, "public") {
		return
	}
	for _, w := range words {
		if slices.Contains(secretWords, w) {
			rule := linter.RuleSecretsUsedInArgOrEnv
			c.lint.Run(&rule, cmd.Location(), rule.Format(instruction, key))
			return
		}
	}
}

func sorted(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }

// suggestion is the name in names that a typist may have meant.
func suggestion(name string, names []string) string {
	best, dist := "", 3
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(path.Base(n)), nil); d < dist && d < len(name) {
			best, dist = n, d
		}
	}
	return best
}
