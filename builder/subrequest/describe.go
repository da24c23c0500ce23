package subrequest

import "io"

// prefix begins the names of BuildKit's questions.
const prefix = "frontend."

// Description is the list of the questions.
type Description []Question

// Question is one of them.
type Question struct {
	Name        string  `json:"name"`
	Version     string  `json:"version"`
	Type        string  `json:"type"`
	Description string  `json:"description"`
	Opts        []Named `json:"opts"`
	Inputs      []Named `json:"inputs"`
	Metadata    []Named `json:"metadata"`
	Refs        []Named `json:"refs"`
}

// Named is an option of a question, or a part of its answer.
type Named struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Describe lists the questions that BuildKit lists: all but lint.
func Describe() *Description {
	d := &Description{}
	for _, q := range []struct {
		name, about string
		opts        []Named
	}{
		{AskOutline, "List all parameters current build target supports", []Named{{"target", "Target build stage"}}},
		{AskTargets, "List all targets current build supports", []Named{}},
		{AskDescribe, "List available subrequest types", nil},
	} {
		*d = append(*d, Question{
			Name: prefix + q.name, Version: Version, Type: "rpc", Description: q.about, Opts: q.opts,
			Metadata: []Named{{Name: "result.json"}, {Name: "result.txt"}},
		})
	}
	return d
}

// Status implements Answer.
func (d *Description) Status() int { return 0 }

// Print implements Answer.
func (d *Description) Print(w io.Writer) {
	rows := [][]string{{"NAME", "VERSION", "DESCRIPTION"}}
	for _, q := range *d {
		rows = append(rows, []string{q.Name[len(prefix):], q.Version, q.Description})
	}
	table(w, 1, rows)
}
