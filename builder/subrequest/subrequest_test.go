package subrequest

import (
	"errors"
	"strings"
	"testing"

	"cove/builder/plan"
)

func text(a Answer) string {
	var out strings.Builder
	a.Print(&out)
	return out.String()
}

func TestTexts(t *testing.T) {
	t.Parallel()
	warning := plan.Warning{
		Rule: "Rule", URL: "https://rules/1", Text: "do not", Description: "about",
		Location: plan.Location{File: "D", Line: 2, End: 3},
	}
	source := []byte("FROM a\nRUN x \\\n  y\x1b[31m\nCMD z\n")
	for want, a := range map[string]Answer{
		"TARGET:      (default)\nDESCRIPTION: says it\n\nBUILD ARG   VALUE   DESCRIPTION\nA           1       a number\n\n" +
			"SECRET   REQUIRED\ns        true\n\nSSH       REQUIRED\ndefault   \n\n": &Outline{
			Description: "says it", Args: []Arg{{Name: "A", Value: "1", Description: "a number"}},
			Secrets: []Need{{Name: "s", Required: true}}, SSH: []Need{{Name: "default"}},
		},
		"": &Outline{},
		"TARGET         DESCRIPTION\none            the first\n(default)      \nlast (default) \n": &Targets{
			Targets: []Target{{Name: "one", Description: "the first"}, {Default: true}, {Name: "last", Default: true}},
		},
		"Check complete, no warnings found.\n": NewLint("D", source, nil, nil),
		"Check complete, 1 warning has been found!\n\nWARNING: Rule - https://rules/1\ndo not\nD:2\n--------------------\n" +
			"   1 |     FROM a\n   2 | >>> RUN x \\\n   3 | >>>   y[31m\n   4 |     CMD z\n--------------------\n": NewLint("D", source, []plan.Warning{warning}, nil),
	} {
		if got := text(a); got != want {
			t.Errorf("%T:\n%q\nwant\n%q", a, got, want)
		}
	}
}

// TestJSON: names and places are BuildKit's, with a range for each line.
func TestJSON(t *testing.T) {
	t.Parallel()
	got, err := JSON(NewLint("D", []byte("x"), nil, plan.At(plan.Location{File: "D", Line: 2, End: 3}, errors.New("broken"))))
	if err != nil {
		t.Fatal(err)
	}
	squeezed := strings.Join(strings.Fields(string(got)), "")
	want := `{"warnings":null,"sources":[{"filename":"D","data":"eA==","language":"Dockerfile"}],"buildError":` +
		`{"message":"D:2:broken","location":{"ranges":[{"start":{"line":2},"end":{"line":2}},{"start":{"line":3},"end":{"line":3}}]}}}`
	if squeezed != want {
		t.Errorf("%s\nwant\n%s", squeezed, want)
	}
	if l := NewLint("D", nil, nil, nil); l.Status() != 0 || (&Outline{}).Status()+(&Targets{}).Status()+Describe().Status() != 0 {
		t.Error("nothing is to be done")
	}
	if !strings.HasPrefix(text(Describe()), "NAME                 VERSION DESCRIPTION\noutline              1.0.0 ") {
		t.Error(text(Describe()))
	}
}
