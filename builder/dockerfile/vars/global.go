package vars

import (
	"maps"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Declaration is an ARG, with the value that it has in this build.
type Declaration struct {
	Value    string
	Doc      string              // the comment above it that begins with its name
	Deps     map[string]struct{} // the arguments in its default
	Location []parser.Range
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
					return nil, &args[i], err
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
