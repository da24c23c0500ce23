// Package outline learns, while a Dockerfile is converted, what a build of each stage can
// be given: arguments, secrets and agents.
package outline

import (
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/builder/subrequest"
)

// Stage is what one stage asks for.
type Stage struct {
	name, doc    string
	base         *Stage
	needs        []*Stage
	declared     map[string]vars.Declaration
	used         map[string]bool
	secrets, ssh []subrequest.Need
}

// NewStage begins a stage in which the ARGs before the first FROM are declared.
func NewStage(st instructions.Stage, global map[string]vars.Declaration) *Stage {
	return &Stage{name: st.Name, doc: st.DocComment, declared: maps.Clone(global), used: map[string]bool{}}
}

// On says that the stage begins with another one.
func (s *Stage) On(base *Stage) { s.base = base }

// Needs says that a command reads the files of another stage.
func (s *Stage) Needs(other *Stage) { s.needs = append(s.needs, other) }

// Use marks the arguments that the FROM of the stage has in it.
func (s *Stage) Use(names map[string]struct{}) {
	for name := range names {
		s.used[name] = true
	}
}

// Arg declares an argument with its value; inherited is one that only takes over the
// value of an ARG before the first FROM.
func (s *Stage) Arg(arg instructions.KeyValuePairOptional, value string, inherited bool, at []parser.Range) {
	s.used[arg.Key] = true
	if !inherited {
		s.declared[arg.Key] = vars.Declaration{Value: value, Doc: arg.DocComment, Location: at}
	}
}

// Mount adds what a mount asks for.
func (s *Stage) Mount(m plan.RunMount, at []parser.Range) {
	var to *[]subrequest.Need
	switch m.Type {
	case "secret":
		to = &s.secrets
	case "ssh":
		to = &s.ssh
	default:
		return
	}
	*to = append(*to, subrequest.Need{Name: m.ID, Required: m.Required, Location: location(at)})
}

// Write fills in what is asked for by the stage and those that it needs.
func (s *Stage) Write(o *subrequest.Outline) {
	o.Name, o.Description = s.name, s.doc
	seen := seen{map[*Stage]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	s.write(o, seen)
	slices.SortStableFunc(o.Args, func(a, b subrequest.Arg) int { return line(a.Location) - line(b.Location) })
	byLine := func(a, b subrequest.Need) int { return line(a.Location) - line(b.Location) }
	slices.SortStableFunc(o.Secrets, byLine)
	slices.SortStableFunc(o.SSH, byLine)
}

// seen is what is in an outline already: of two stages that declare the same the one
// nearer to the target counts.
type seen struct {
	stages             map[*Stage]bool
	args, secrets, ssh map[string]bool
}

func (s *Stage) write(o *subrequest.Outline, seen seen) {
	if s == nil || seen.stages[s] {
		return
	}
	seen.stages[s] = true
	used := map[string]bool{}
	for name := range s.used {
		s.follow(name, used)
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if d, ok := s.declared[name]; ok && !seen.args[name] {
			seen.args[name] = true
			o.Args = append(o.Args, subrequest.Arg{
				Name: name, Value: d.Value, Description: d.Doc, Location: location(d.Location),
			})
		}
	}
	o.Secrets = appendNew(o.Secrets, s.secrets, seen.secrets)
	o.SSH = appendNew(o.SSH, s.ssh, seen.ssh)
	s.base.write(o, seen)
	for _, other := range s.needs {
		other.write(o, seen)
	}
}

// follow marks an argument, and those that its default has in it.
func (s *Stage) follow(name string, used map[string]bool) {
	if used[name] {
		return
	}
	used[name] = true
	for other := range s.declared[name].Deps {
		s.follow(other, used)
	}
}

func appendNew(to, more []subrequest.Need, seen map[string]bool) []subrequest.Need {
	for _, n := range more {
		if !seen[n.Name] {
			seen[n.Name] = true
			to = append(to, n)
		}
	}
	return to
}

func line(l *subrequest.Location) int {
	if len(l.Ranges) == 0 {
		return 0
	}
	return l.Ranges[0].Start.Line
}

func location(at []parser.Range) *subrequest.Location {
	if len(at) == 0 {
		return &subrequest.Location{}
	}
	return subrequest.At(plan.Location{Line: at[0].Start.Line, End: at[len(at)-1].End.Line})
}

// Targets lists stages.
func Targets(text []byte, stages []instructions.Stage) *subrequest.Targets {
	list := &subrequest.Targets{Sources: [][]byte{text}}
	for i, st := range stages {
		list.Targets = append(list.Targets, subrequest.Target{
			Name: st.Name, Description: st.DocComment, Default: i == len(stages)-1,
			Base: st.BaseName, Platform: st.Platform, Location: location(st.Location),
		})
	}
	return list
}
