package cli

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cove/internal/cli/apicmd"
	"cove/internal/cli/registrycmd"
)

// whole is every command that people type, as cove-api and registry have them.
func whole() Builder {
	b := here
	b.API = apicmd.Noun
	return b
}

// documentFiles are the pages that people read.
func documentFiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	pages := map[string]string{}
	for _, name := range append(names, "../../README.md", "../../SECURITY.md", "../../ARCHITECTURE.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[strings.TrimPrefix(name, "../../")] = string(text)
	}
	return pages
}

// TestDocumentsAreTaken: every command line in the documents, in a block or within a
// sentence, is one that the programs' own parsers take.
func TestDocumentsAreTaken(t *testing.T) {
	t.Parallel()
	count := 0
	for name, page := range documentFiles(t) {
		for _, line := range blocks(page) {
			for _, words := range shellCommands(line) {
				count++
				if err := taken(words, false); err != "" {
					t.Errorf("%s: %s\n\t%s", name, line, err)
				}
			}
		}
		for _, line := range quoted(page) {
			for _, words := range shellCommands(line) {
				count++
				if err := taken(words, true); err != "" {
					t.Errorf("%s: `%s`: %s", name, line, err)
				}
			}
		}
	}
	if count < 250 {
		t.Errorf("%d command lines were found", count)
	}
}

// blocks are the lines of a page's blocks of commands, put together where they go on.
func blocks(page string) (all []string) {
	fence, goesOn := "", false
	for line := range strings.Lines(page) {
		line = inTemplate.ReplaceAllString(strings.TrimRight(line, "\n"), "X")
		command, indented := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "```") && fence == "":
			fence = line
			continue
		case strings.HasPrefix(line, "```"):
			fence = ""
			continue
		case fence == "" && !indented, fence != "" && fence != "```" && fence != "```sh": // a sentence, or YAML
			goesOn = false
			continue
		}
		command = strings.TrimLeft(command, " ")
		if goesOn || len(all) > 0 && strings.HasPrefix(command, "--") {
			all[len(all)-1] += " " + command
		} else {
			all = append(all, strings.TrimPrefix(command, "$ "))
		}
		last := &all[len(all)-1]
		*last, goesOn = strings.CutSuffix(*last, `\`)
	}
	return all
}

// inTemplate is what a CI system puts something in the place of.
var inTemplate = regexp.MustCompile(`\$\{\{[^}]*\}\}`)

var inBackticks = regexp.MustCompile("`([^`\n]+)`")

// quoted is what a page has between backticks outside of blocks.
func quoted(page string) (all []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "```") {
			continue
		}
		for _, m := range inBackticks.FindAllStringSubmatch(line, -1) {
			all = append(all, strings.ReplaceAll(m[1], `\|`, "|"))
		}
	}
	return all
}

// ofOthers are flags in the documents that are those of other programs, and of
// instructions of a Dockerfile.
var ofOthers = regexp.MustCompile("^(" + strings.Join([]string{
	"tlsverify",             // docker
	"cacert",                // curl
	"add-subuids", "system", // usermod, groupadd
	"preserve-env",                // sudo
	"ignore-missing", "uninstall", // sha256sum, install.sh
	"docker-(server|username|password)", // kubectl
	"raw", "tlog-upload", "recursive",   // kubectl, cosign
	"keep-git-dir", "checksum", "chmod", "chown", "security", // ADD, COPY, RUN
	"manifest", "layers", "timestamp", "logfile", "tls-verify", // buildah
	"(systemd-)?cgroup",  // cove-runtime
	"device-", "except-", // several at once
}, "|") + ")$")

// TestFlagsInDocumentsExist: every flag that a document names is one of some command's.
func TestFlagsInDocumentsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"help": true, "version": true}
	for _, root := range []*cobra.Command{
		Cove(whole()).Tree(), Build(whole()).Tree(), Run(whole()).Tree(), registrycmd.New(),
	} {
		allFlags(root, known)
	}
	for name, page := range documentFiles(t) {
		for _, text := range append(blocks(page), quoted(page)...) {
			for _, m := range regexp.MustCompile(`(?:^|[\s,/(|\[])--([a-z][a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
				if !known[m[1]] && !ofOthers.MatchString(m[1]) {
					t.Errorf("%s: %s: there is no flag --%s", name, text, m[1])
				}
			}
		}
	}
}

func allFlags(cmd *cobra.Command, known map[string]bool) {
	for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, sub := range cmd.Commands() {
		allFlags(sub, known)
	}
}

// shellCommands are the commands of a line that are the programs' of this house,
// without what a shell makes of it: "sudo", variables before it, files that it reads.
func shellCommands(line string) (all [][]string) {
	var words []string
	end := func() {
		for len(words) > 0 && (words[0] == "sudo" || words[0] == "exec" || strings.Contains(words[0], "=") || strings.HasPrefix(words[0], "-")) {
			words = words[1:]
		}
		if len(words) > 1 && programs[words[0]] != nil {
			all = append(all, words)
		}
		words = nil
	}
	for rest := line; rest != ""; {
		var word string
		word, rest = shellWord(rest)
		switch {
		case word == "#":
			rest = ""
		case word == "", word == "-" && len(words) == 0:
		case slices.Contains([]string{"|", "||", "&&", "&", ";"}, word):
			end()
		case strings.HasPrefix(word, "<"), strings.HasPrefix(word, ">"):
			if word == "<" || word == ">" {
				_, rest = shellWord(strings.TrimLeft(rest, " "))
			}
		default:
			words = append(words, word)
		}
	}
	end()
	return all
}

// shellWord cuts the first word off a line. What stands for something optional in a
// page, between brackets, is taken to be there.
func shellWord(s string) (word, rest string) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote = c
		case c == ' ':
			return notation(b.String()), strings.TrimLeft(s[i:], " ")
		case c == ';':
			if b.Len() == 0 {
				return ";", s[i+1:]
			}
			return notation(b.String()), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return notation(b.String()), ""
}

func notation(word string) string {
	if word == "[flags]" {
		return ""
	}
	if strings.HasPrefix(word, "[") && !strings.Contains(word, "=") || strings.HasSuffix(word, "]") && !strings.Contains(word, "[") {
		return strings.Trim(word, "[]")
	}
	return word
}

// programs are how the first words of command lines are read.
var programs = map[string]func([]string) (*cobra.Command, []string, error){
	"cove":  grammar(Cove(whole())),
	"build": grammar(Build(whole())),
	"run":   grammar(Run(whole())),
	"registry": func(args []string) (*cobra.Command, []string, error) {
		return registrycmd.New().Find(args)
	},
}

func grammar(g Grammar) func([]string) (*cobra.Command, []string, error) {
	return func(args []string) (*cobra.Command, []string, error) {
		args, _ = g.dispatch(args)
		return g.Tree().Find(args)
	}
}

// taken says what is wrong with a command line, if anything is. One that is told partly,
// as within a sentence, may lack arguments and the value of its last flag.
func taken(words []string, partly bool) string {
	args := words[1:]
	for len(args) > 2 && slices.Contains([]string{"-H", "--context", "-c"}, args[0]) {
		args = args[2:] // which machine: before the command's name
	}
	if len(args) > 1 && args[0] == "registry" && words[0] == "cove" {
		return taken(args, partly)
	}
	given := slices.DeleteFunc(slices.Clone(args), func(word string) bool { return word == "…" })
	partly = partly || len(given) < len(args)
	cmd, rest, err := programs[words[0]](given)
	if err != nil {
		return err.Error()
	}
	if cmd.DisableFlagParsing {
		return ""
	}
	err = cmd.ParseFlags(rest)
	if noValue := err != nil && strings.Contains(err.Error(), "needs an argument: "); err != nil && !placeholder(err) && (!partly || !noValue) {
		return err.Error()
	}
	rest = cmd.Flags().Args()
	if cmd.HasSubCommands() && len(rest) > 0 || !partly {
		if err := cmd.ValidateArgs(rest); err != nil {
			return err.Error()
		}
	}
	return ""
}

// placeholder says whether a value was none, but stands for one, as SIZE. Help is
// a flag as others.
func placeholder(err error) bool {
	return errors.Is(err, pflag.ErrHelp) || regexp.MustCompile(`invalid argument "([A-Z_|/:…]+)" for`).MatchString(err.Error())
}

// TestHelpSaysWholeDefaults: no usage of a flag ends in a default that is none.
func TestHelpSaysWholeDefaults(t *testing.T) {
	t.Parallel()
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		var out strings.Builder
		cmd.SetOut(&out)
		if err := cmd.Usage(); err != nil || strings.Contains(out.String(), "(default )") || strings.Contains(out.String(), "%!") {
			t.Errorf("%s: %v\n%s", cmd.CommandPath(), err, &out)
		}
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look(Cove(whole()).Tree())
	look(registrycmd.New())
}
