package lint

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"

	"cove/builder/secret"
)

// ourRule makes a warning of our own that "# check=skip=" knows too.
func ourRule(name string) *linter.LinterRule[func() string] {
	return &linter.LinterRule[func() string]{Name: name}
}

// Seen is where instructions stood in a stage of which only the last one counts.
type Seen map[string][]parser.Range

// Stages fires the rules about the names of stages and images.
func (l *Linter) Stages(stages []instructions.Stage) {
	names := map[string]bool{}
	for _, st := range stages {
		if st.Name == "scratch" || st.Name == "context" {
			l.Run(&linter.RuleReservedStageName, st.Location, linter.RuleReservedStageName.Format(st.Name))
		}
		if st.Name != "" && names[st.Name] {
			l.Run(&linter.RuleDuplicateStageName, st.Location, linter.RuleDuplicateStageName.Format(st.Name))
		}
		names[st.Name] = true
	}
}

// Casing fires the rule about the case of instructions: that of most.
func (l *Linter) Casing(stages []instructions.Stage) {
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
			l.Run(&linter.RuleConsistentInstructionCasing, w.at,
				linter.RuleConsistentInstructionCasing.Format(w.text, name))
		}
	}
}

// Once warns of an instruction of which only the last one counts, at those
// before it.
func (l *Linter) Once(seen Seen, cmd instructions.Command) {
	name := strings.ToLower(cmd.Name())
	if before, ok := seen[name]; ok {
		rule := linter.RuleMultipleInstructionsDisallowed
		l.Run(&rule, before, rule.Format(cmd.Name()))
	}
	seen[name] = cmd.Location()
}

// Command warns of the traps of CMD and ENTRYPOINT. ownShell says that a SHELL decides
// what the shell form means.
func (l *Linter) Command(
	seen Seen, cmd instructions.Command, line instructions.ShellDependantCmdLine, ownShell bool,
) {
	name := strings.ToUpper(cmd.Name())
	if !line.PrependShell {
		if len(line.CmdLine) > 0 && line.CmdLine[0] != strings.TrimSpace(line.CmdLine[0]) {
			l.Run(ourRule("SpaceInProgramName"), cmd.Location(),
				name+": the program's name is \""+line.CmdLine[0]+"\", with its spaces; "+
					"no such file is likely to exist")
		}
		return
	}
	if len(line.CmdLine) > 0 && strings.HasPrefix(line.CmdLine[0], "[") {
		l.Run(ourRule("ExecFormNotJSON"), cmd.Location(),
			name+": this looks like the exec form but is not JSON (double quotes, no trailing comma), so a shell gets it as it is")
	}
	if !ownShell {
		l.Run(&linter.RuleJSONArgsRecommended, cmd.Location(), linter.RuleJSONArgsRecommended.Format(cmd.Name()))
	}
	if _, cmdSeen := seen["cmd"]; name == "ENTRYPOINT" && cmdSeen {
		l.Run(ourRule("ShellEntrypointIgnoresCmd"), cmd.Location(),
			"ENTRYPOINT in shell form ignores CMD and every argument of run: use the exec form")
	}
}

// Legacy warns of "KEY value" where KEY=value is meant.
func (l *Linter) Legacy(kv instructions.KeyValuePair, cmd instructions.Command) {
	if kv.NoDelim {
		l.Run(&linter.RuleLegacyKeyValueFormat, cmd.Location(), linter.RuleLegacyKeyValueFormat.Format(cmd.Name()))
	}
}

// Secret warns of a variable whose name is a secret's: its value stays in the image.
func (l *Linter) Secret(instruction, key string, cmd instructions.Command) {
	if secret.Named(key) {
		rule := linter.RuleSecretsUsedInArgOrEnv
		l.Run(&rule, cmd.Location(), rule.Format(instruction, key))
	}
}

// Arg warns of what an ARG is called.
func (l *Linter) Arg(name string, cmd instructions.Command) {
	l.Secret("ARG", name, cmd)
	if strings.Contains(name, "$") {
		l.Run(ourRule("ArgNameNotExpanded"), cmd.Location(),
			"variables are not replaced in the name of an ARG: this one is called "+name)
	}
}

// DidYouMean is the name in names that a typist may have meant, or "".
func DidYouMean(name string, names []string) string {
	match, _ := suggest.Search(name, names, true)
	return match
}
