// Package subrequest is what can be asked about a Dockerfile without building it, with
// the answers in BuildKit's shapes: as JSON, and as the text that docker's --call prints.
package subrequest

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"cove/builder/plan"
	"cove/errdefs"
)

// The questions.
const (
	AskOutline  = "outline"
	AskTargets  = "targets"
	AskLint     = "lint"
	AskDescribe = "subrequests.describe"
)

// Version is that of the shapes.
const Version = "1.0.0"

// Answer is what a question is answered with. Its JSON is BuildKit's.
type Answer interface {
	// Print writes the answer as text.
	Print(w io.Writer)
	// Status is the exit code of whoever asked: 1 when something is to be done.
	Status() int
}

// JSON is an answer for programs.
func JSON(a Answer) ([]byte, error) {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "describing a Dockerfile: %w", err)
	}
	return text, nil
}

// Position, Range and Location are where something stands in a Dockerfile.
type (
	Position struct {
		Line int `json:"line,omitempty"`
	}
	Range struct {
		Start Position `json:"start"`
		End   Position `json:"end"`
	}
	Location struct {
		Ranges []Range `json:"ranges,omitempty"`
	}
)

// At is a location of the plan: a range for each line, as BuildKit counts.
func At(loc plan.Location) *Location {
	at := &Location{}
	for line := loc.Line; line > 0 && line <= max(loc.Line, loc.End); line++ {
		at.Ranges = append(at.Ranges, Range{Position{line}, Position{line}})
	}
	return at
}

// Outline is what a build of one target can be given.
type Outline struct {
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Args        []Arg    `json:"args,omitempty"`
	Secrets     []Need   `json:"secrets,omitempty"`
	SSH         []Need   `json:"ssh,omitempty"`
	Sources     [][]byte `json:"sources,omitempty"`
}

// Arg is a build argument, with the value that it has in this build.
type Arg struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Value       string    `json:"value,omitempty"`
	Location    *Location `json:"location,omitempty"`
}

// Need is a secret or an agent that a command mounts.
type Need struct {
	Name     string    `json:"name"`
	Required bool      `json:"required,omitempty"`
	Location *Location `json:"location,omitempty"`
}

// Status implements Answer.
func (o *Outline) Status() int { return 0 }

// Print implements Answer.
func (o *Outline) Print(w io.Writer) {
	if o.Name != "" || o.Description != "" {
		name := o.Name
		if name == "" {
			name = "(default)"
		}
		rows := [][]string{{"TARGET:", name}}
		if o.Description != "" {
			rows = append(rows, []string{"DESCRIPTION:", o.Description})
		}
		table(w, 1, rows)
		fmt.Fprintln(w)
	}
	args := [][]string{{"BUILD ARG", "VALUE", "DESCRIPTION"}}
	for _, a := range o.Args {
		args = append(args, []string{a.Name, a.Value, a.Description})
	}
	section(w, args)
	section(w, needs("SECRET", o.Secrets))
	section(w, needs("SSH", o.SSH))
}

func needs(title string, all []Need) [][]string {
	rows := [][]string{{title, "REQUIRED"}}
	for _, n := range all {
		required := ""
		if n.Required {
			required = "true"
		}
		rows = append(rows, []string{n.Name, required})
	}
	return rows
}

// Targets are the stages of a Dockerfile.
type Targets struct {
	Targets []Target `json:"targets"`
	Sources [][]byte `json:"sources"`
}

// Target is one stage.
type Target struct {
	Name        string    `json:"name,omitempty"`
	Default     bool      `json:"default,omitempty"`
	Description string    `json:"description,omitempty"`
	Base        string    `json:"base,omitempty"`
	Platform    string    `json:"platform,omitempty"`
	Location    *Location `json:"location,omitempty"`
}

// Status implements Answer.
func (t *Targets) Status() int { return 0 }

// Print implements Answer.
func (t *Targets) Print(w io.Writer) {
	rows := [][]string{{"TARGET", "DESCRIPTION"}}
	for _, one := range t.Targets {
		name := one.Name
		switch {
		case name == "" && one.Default:
			name = "(default)"
		case one.Default:
			name += " (default)"
		}
		rows = append(rows, []string{name, one.Description})
	}
	table(w, 1, rows)
}

// section prints a table that has rows below its titles, and an empty line.
func section(w io.Writer, rows [][]string) {
	if len(rows) > 1 {
		table(w, 3, rows)
		fmt.Fprintln(w)
	}
}

func table(w io.Writer, padding int, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, padding, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, clean(cell))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // an error of w is that of its owner
}
