// Package sourcedate reads what a Dockerfile and its arguments say of the time that the
// files of an image have (reproducible-builds.org/specs/source-date-epoch): seconds, or
// which of the build's sources has the time.
package sourcedate

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"cove/builder/dockerfile/syntax"
	"cove/builder/dockerfile/values"
	"cove/builder/dockerfile/vars"
	"cove/builder/plan"
	"cove/errdefs"
)

const (
	// Arg is the argument.
	Arg = "SOURCE_DATE_EPOCH"
	// Context is its value that means the context of the build. Others are the names of
	// contexts and of stages.
	Context = "context"
)

// Parse reads seconds; ok is false for a word.
func Parse(value string) (at time.Time, ok bool) {
	sec, err := strconv.ParseInt(value, 10, 64)
	return time.Unix(sec, 0).UTC(), err == nil
}

// Format writes seconds; no time is "".
func Format(at *time.Time) string {
	if at == nil {
		return ""
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// Dockerfile is the text of one, and the arguments that it is given.
type Dockerfile struct {
	Name string
	Text []byte
	Args map[string]string
}

// read parses it, with the arguments before its first FROM. One that cannot be read says
// nothing: whoever plans it says why.
func (d Dockerfile) read() (f syntax.File, global *vars.Set, declared map[string]vars.Declaration) {
	global = vars.New()
	f, err := syntax.NewSource(d.Name, d.Text).Parse(nil)
	if err != nil {
		return syntax.File{}, global, nil
	}
	declared, _, _ = global.Declare(shell.NewLex(f.Escape), f.Global, d.Args)
	return f, global, declared
}

// Value is what is said of Arg: by the arguments, or by the Dockerfile before its first
// FROM, and where. "" is nothing.
func (d Dockerfile) Value() (string, plan.Location) {
	if value, given := d.Args[Arg]; given {
		return value, plan.Location{}
	}
	if !bytes.Contains(d.Text, []byte(Arg)) {
		return "", plan.Location{}
	}
	_, _, declared := d.read()
	said := declared[Arg]
	if said.Value == "" {
		return "", plan.Location{}
	}
	return said.Value, syntax.NewSource(d.Name, d.Text).Range(said.Location, "ARG "+Arg+"="+said.Value)
}

// Stage is what a stage of that name fetches: a URL or a repository, by its one ADD on
// scratch. It is false if there is no such stage.
func (d Dockerfile) Stage(name string) (src plan.Source, ok bool, err error) {
	f, global, _ := d.read()
	for _, stage := range f.Stages {
		if stage.Name == "" || !strings.EqualFold(stage.Name, name) {
			continue
		}
		src, err := fetched(f.Escape, stage, global, d.Args)
		if err != nil {
			err = plan.At(syntax.NewSource(d.Name, d.Text).Range(stage.Location, stage.OrigCmd+" "+stage.BaseName), err)
		}
		return src, true, err
	}
	return src, false, nil
}

// only says what a stage has to be.
func only() error {
	return errdefs.Errorf(errdefs.ErrInvalid,
		"a stage that %s names has the time of what it fetches: it is FROM scratch, and one ADD of a URL or repository", Arg)
}

// fetched is what a stage's one ADD fetches.
func fetched(
	escape rune, stage instructions.Stage, known *vars.Set, args map[string]string,
) (src plan.Source, err error) {
	lex := shell.NewLex(escape)
	base, _, err := lex.ProcessWord(stage.BaseName, known)
	if err != nil || base != "scratch" {
		return src, only()
	}
	found := false
	for _, cmd := range stage.Commands {
		switch cmd := cmd.(type) {
		case *instructions.ArgCommand:
			if _, _, err := known.Declare(lex, []instructions.ArgCommand{*cmd}, args); err != nil {
				return src, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
			}
		case *instructions.AddCommand:
			if found || len(cmd.SourceContents) > 0 || len(cmd.SourcePaths) != 1 {
				return src, only()
			}
			found = true
			if src, err = source(lex, known, cmd); err != nil {
				return src, err
			}
		default:
			return src, only()
		}
	}
	if !found {
		return src, only()
	}
	return src, nil
}

// source is what an ADD fetches.
func source(lex *shell.Lex, known *vars.Set, cmd *instructions.AddCommand) (src plan.Source, err error) {
	expand := func(word string) (string, error) {
		out, _, err := lex.ProcessWord(word, known)
		if err != nil {
			err = errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
		}
		return out, err
	}
	add := *cmd
	if add.Checksum, err = expand(cmd.Checksum); err != nil {
		return src, err
	}
	from, err := expand(cmd.SourcePaths[0])
	switch {
	case err != nil:
		return src, err
	case plan.IsGit(from):
		src.Git, err = values.Git(from, &add)
		return src, err
	case values.IsURL(from):
		return plan.Source{URL: from, Name: "file", Checksum: add.Checksum}, nil
	}
	return src, only()
}
