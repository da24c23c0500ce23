package dockerfile

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/reference"
)

// checkArg holds the options of the linter, in place of a "# check=".
const checkArg = "BUILDKIT_DOCKERFILE_CHECK"

// newLinter reads "# check=…", or the build argument in its place, and collects
// warnings into the graph.
func (c *converter) newLinter(src []byte) error {
	directive, _, ranges, _ := parser.ParseDirective("check", src)
	loc := c.at(ranges, "")
	if given, ok := c.opt.BuildArgs[checkArg]; ok {
		directive, loc = given, plan.Location{File: c.opt.Name}
	}
	cfg, err := linter.ParseLintOptions(directive)
	if err != nil {
		return plan.At(loc, invalid("%w", err))
	}
	cfg.Warn = func(rule, _, url, msg string, ranges []parser.Range) {
		loc := c.at(ranges, "")
		loc.Instruction = c.source.at(loc.Line).Instruction
		c.warn(plan.Warning{Location: loc, Rule: rule, URL: url, Text: msg})
	}
	c.rules = linter.New(cfg)
	c.lint = c.rules
	return nil
}

// lintBelow applies the "# check=" of comments above an instruction until the
// function that it returns is called.
func (c *converter) lintBelow(comments []string) (restore func()) {
	outer := c.lint
	c.lint = outer.WithMergedConfigFromComments(comments)
	return func() { c.lint = outer }
}

// lintError makes warnings an error, where the author wants that.
func (c *converter) lintError() error {
	if c.opt.Check || !c.lint.ReturnAsError || len(c.graph.Warnings) == 0 {
		return nil
	}
	c.sortWarnings()
	return plan.At(c.graph.Warnings[0].Location,
		errdefs.Errorf(errdefs.ErrInvalid, "%w", &plan.LintError{Warnings: c.graph.Warnings}))
}

func (c *converter) sortWarnings() {
	slices.SortStableFunc(c.graph.Warnings, func(a, b plan.Warning) int { return a.Location.Line - b.Location.Line })
}

// warn adds a warning once: a stage may be passed several times.
func (c *converter) warn(w plan.Warning) {
	if !slices.Contains(c.graph.Warnings, w) {
		c.graph.Warnings = append(c.graph.Warnings, w)
	}
}

// ourRule makes a warning of our own that "# check=skip=" knows too.
func ourRule(name string) *linter.LinterRule[func() string] {
	return &linter.LinterRule[func() string]{Name: name}
}

// lintStages fires the rules about the names of stages and images.
func (c *converter) lintStages(stages []instructions.Stage) {
	names := map[string]bool{}
	for _, st := range stages {
		if st.Name == scratch || st.Name == "context" {
			c.lint.Run(&linter.RuleReservedStageName, st.Location, linter.RuleReservedStageName.Format(st.Name))
		}
		if st.Name != "" && names[st.Name] {
			c.lint.Run(&linter.RuleDuplicateStageName, st.Location, linter.RuleDuplicateStageName.Format(st.Name))
		}
		names[st.Name] = true
	}
}

// lintCasing fires the rule about the case of instructions: that of most.
func (c *converter) lintCasing(stages []instructions.Stage) {
	type word struct {
		text string
		at   []parser.Range
	}
	var words []word
	for _, st := range stages {
		words = append(words, word{st.OrigCmd, st.Location})
		for _, cmd := range st.Commands {
			words = append(words, word{cmd.Name(), cmd.Location()})
		}
	}
	upper, lower := 0, 0
	for _, w := range words {
		switch w.text {
		case strings.ToUpper(w.text):
			upper++
		case strings.ToLower(w.text):
			lower++
		}
	}
	want, name := strings.ToUpper, "uppercase"
	if lower > upper {
		want, name = strings.ToLower, "lowercase"
	}
	for _, w := range words {
		if w.text != want(w.text) {
			c.lint.Run(&linter.RuleConsistentInstructionCasing, w.at,
				linter.RuleConsistentInstructionCasing.Format(w.text, name))
		}
	}
}

// lintDefaults fires the rule about a FROM that names no image when no build
// argument is given, whatever was given now.
func (c *converter) lintDefaults(f file) {
	defaults, err := c.argDefaults(f, nil)
	if err != nil {
		return // an error that is told elsewhere
	}
	for _, st := range f.stages {
		name, _, err := c.lex.ProcessWord(st.BaseName, defaults)
		if err != nil {
			return
		}
		if _, err := reference.Parse(name); err != nil {
			c.lint.Run(&linter.RuleInvalidDefaultArgInFrom, st.Location,
				linter.RuleInvalidDefaultArgInFrom.Format(st.BaseName))
		}
	}
}

// lintIgnored warns of a source that .dockerignore excludes; p is as it was
// written, cmd "Copy" or "Add".
func (c *converter) lintIgnored(cmd, p string, at []parser.Range) {
	if c.opt.Ignored != nil && c.opt.Ignored(cleanRel(p)) {
		c.lint.Run(&linter.RuleCopyIgnoredFile, at, linter.RuleCopyIgnoredFile.Format(cmd, path.Clean(p)))
	}
}

// once warns of an instruction of which only the last one counts, at those
// before it.
func (c *converter) once(s *state, cmd instructions.Command) {
	name := strings.ToLower(cmd.Name())
	if before, ok := s.seen[name]; ok {
		rule := linter.RuleMultipleInstructionsDisallowed
		c.lint.Run(&rule, before, rule.Format(cmd.Name()))
	}
	s.seen[name] = cmd.Location()
}

// lintCommand warns of the traps of CMD and ENTRYPOINT.
func (c *converter) lintCommand(s *state, cmd instructions.Command, line instructions.ShellDependantCmdLine) {
	name := strings.ToUpper(cmd.Name())
	if !line.PrependShell {
		if len(line.CmdLine) > 0 && line.CmdLine[0] != strings.TrimSpace(line.CmdLine[0]) {
			c.lint.Run(ourRule("SpaceInProgramName"), cmd.Location(),
				name+": the program's name is \""+line.CmdLine[0]+"\", with its spaces; "+
					"no such file is likely to exist")
		}
		return
	}
	if len(line.CmdLine) > 0 && strings.HasPrefix(line.CmdLine[0], "[") {
		c.lint.Run(ourRule("ExecFormNotJSON"), cmd.Location(),
			name+": this looks like the exec form but is not JSON (double quotes, no trailing comma), so a shell gets it as it is")
	}
	if len(s.config.Shell) == 0 {
		c.lint.Run(&linter.RuleJSONArgsRecommended, cmd.Location(), linter.RuleJSONArgsRecommended.Format(cmd.Name()))
	}
	if _, cmdSeen := s.seen["cmd"]; name == "ENTRYPOINT" && cmdSeen {
		c.lint.Run(ourRule("ShellEntrypointIgnoresCmd"), cmd.Location(),
			"ENTRYPOINT in shell form ignores CMD and every argument of run: use the exec form")
	}
}

func (c *converter) lintLegacy(kv instructions.KeyValuePair, cmd instructions.Command) {
	if kv.NoDelim {
		c.lint.Run(&linter.RuleLegacyKeyValueFormat, cmd.Location(), linter.RuleLegacyKeyValueFormat.Format(cmd.Name()))
	}
}

// secretWords make a variable's name look like a secret's, unless it has one of
// harmlessWords too.
var harmlessWords = []string{"public", "file", "version"}

var secretWords = []string{
	"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd",
	"secret", "token",
}

func (c *converter) lintSecret(instruction, key string, cmd instructions.Command) {
	words := strings.Split(strings.ToLower(key), "_")
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	if has(secretWords) && !has(harmlessWords) {
		rule := linter.RuleSecretsUsedInArgOrEnv
		c.lint.Run(&rule, cmd.Location(), rule.Format(instruction, key))
	}
}

func sorted(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }

// didYouMean is the name in names that a typist may have meant, or "".
func didYouMean(name string, names []string) string {
	match, _ := suggest.Search(name, names, true)
	return match
}
