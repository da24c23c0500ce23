package vars

import (
	"maps"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"cove/errdefs"
)

// Declaration is an ARG, with the value that it has in this build.
type Declaration struct {
	Value    string
	Doc      string              // the comment above it that begins with its name
	Deps     map[string]struct{} // the arguments in its default
	Location []parser.Range
}

// Unclosed says in words that a word ended within ${…}, of which the parser says that the
// character after its end is no modifier.
func Unclosed(err error) error {
	if err == nil || !strings.HasSuffix(err.Error(), "unsupported modifier (\uFFFD) in substitution") {
		return err
	}
	word, _, _ := strings.Cut(err.Error(), ": ")
	return errdefs.Errorf(errdefs.ErrInvalid, "%s: a ${ has no }", word)
}

// Declare evaluates ARGs into the set, with the values that are given, and returns what
// they declare. failed is the one whose default cannot be expanded.
func (v *Set) Declare(
	lex *shell.Lex, args []instructions.ArgCommand, given map[string]string,
) (all map[string]Declaration, failed *instructions.ArgCommand, err error) {
	all = map[string]Declaration{}
	for i, cmd := range args {
		for _, arg := range cmd.Args {
			d := Declaration{Doc: arg.DocComment, Location: cmd.Location()}
			value, set := given[arg.Key]
			if !set && arg.Value != nil {
				res, err := lex.ProcessWordWithMatches(*arg.Value, v)
				if err != nil {
					return nil, &args[i], Unclosed(err)
				}
				value, set, d.Deps = res.Result, true, res.Matched
				if _, again := d.Deps[arg.Key]; again { // ARG a=${a}x goes on with the ARG of before
					delete(d.Deps, arg.Key)
					maps.Copy(d.Deps, all[arg.Key].Deps)
				}
			}
			if set {
				v.Set(arg.Key, value)
				d.Value = value
			}
			all[arg.Key] = d
		}
	}
	return all, nil, nil
}
