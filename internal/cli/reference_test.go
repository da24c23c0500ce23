package cli

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the reference of flags in docs/build.md anew")

// reference is the flags of the commands that build, as Markdown.
func reference() string {
	var b strings.Builder
	root := Build(here).Tree()
	for _, words := range []string{
		"", "bake", "merge", "diff", "verify", "history ls", "history logs", "history inspect",
		"history inspect attachment", "history rm", "du", "kaniko",
	} {
		cmd, rest, err := root.Find(strings.Fields(words))
		if words == "" {
			cmd, rest, err = implied(), nil, nil
		}
		if err != nil || len(rest) > 0 {
			panic(fmt.Sprintf("there is no command %q: %v", words, err))
		}
		fmt.Fprintf(&b, "\n### %s\n\n| flag | value | default | |\n|---|---|---|---|\n", strings.TrimSpace("build "+words))
		for _, f := range flagsOf(cmd) {
			b.WriteString(row(f))
		}
	}
	return b.String()
}

// implied is the command that build is without a verb.
func implied() *cobra.Command { return here.Build(nil) }

// flagsOf are the flags of a command alone, in their order.
func flagsOf(cmd *cobra.Command) (all []*pflag.Flag) {
	own := cmd.LocalNonPersistentFlags()
	own.SortFlags = false
	own.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			all = append(all, f)
		}
	})
	slices.SortFunc(all, func(a, b *pflag.Flag) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// row is the line of a flag.
func row(f *pflag.Flag) string {
	name := "`--" + f.Name + "`"
	if f.Shorthand != "" {
		name = "`-" + f.Shorthand + "`, " + name
	}
	value, usage := pflag.UnquoteUsage(f)
	switch f.Value.Type() {
	case "stringArray", "strings":
		value += ", several"
	}
	def := f.DefValue
	if def == "[]" || def == "" || def == "false" && f.Value.Type() == "bool" {
		def = ""
	} else {
		def = "`" + def + "`"
	}
	escape := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	return fmt.Sprintf("| %s | %s | %s | %s |\n", name, escape.Replace(value), def, escape.Replace(usage))
}

// TestReferenceOfFlags: docs/build.md lists every flag, as the commands have them.
func TestReferenceOfFlags(t *testing.T) {
	t.Parallel()
	const name = "../../docs/build.md"
	const begin, end = "<!-- flags: go test ./internal/cli -run TestReferenceOfFlags -update -->\n", "<!-- end of flags -->\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the reference, between %q and %q", name, begin, end)
	}
	want := before + begin + reference() + "\n" + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("the reference in %s is not what the commands say: go test ./internal/cli -run TestReferenceOfFlags -update", name)
	}
}
